import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nowMs, openCloudWatch, stepPolicy as policy } from '../../../test/aws-cloudwatch-fixture.ts';

const now = nowMs / 1000;
const webhook = 'https://example.com/rings';
const definition = {
  AlarmName: 'too many',
  Namespace: 'Shop',
  MetricName: 'Orders',
  Dimensions: [{ Name: 'Region', Value: 'north' }],
  Statistic: 'Average',
  Period: 10,
  EvaluationPeriods: 2,
  Threshold: 5,
  ComparisonOperator: 'GreaterThanThreshold',
};

type Fixture = Awaited<ReturnType<typeof openCloudWatch>>;

const stateOf = async ({ ask }: Fixture, name = 'too many'): Promise<string> => {
  const { MetricAlarms } = await ask('DescribeAlarms', { AlarmNames: [name] });
  return (MetricAlarms as { StateValue: string }[])[0]?.StateValue ?? 'absent';
};

/** Sets the metric's value for ten seconds and evaluates the alarms. */
async function tenSeconds({ ask, clock, alarms }: Fixture, Value: number | null): Promise<void> {
  const MetricData = [{ MetricName: 'Orders', Dimensions: definition.Dimensions, Value }];
  if (Value !== null) await ask('PutMetricData', { Namespace: 'Shop', MetricData });
  clock.advance(10_000);
  await alarms.poll();
}

describe('a metric alarm', () => {
  test('fires, recovers, loses its data, publishes each transition and runs the actions of each', async (t) => {
    const fixture = await openCloudWatch(t);
    const { ask, acted } = fixture;
    const actions = { AlarmActions: [webhook, policy], OKActions: [webhook], InsufficientDataActions: [] };
    await ask('PutMetricAlarm', { ...definition, ...actions });
    assert.equal(await stateOf(fixture), 'INSUFFICIENT_DATA');
    for (const value of [1, 9]) await tenSeconds(fixture, value);
    assert.equal(await stateOf(fixture), 'OK');
    assert.deepEqual(acted.splice(0), [{ action: webhook, state: 'OK', datapoint: 1 }]);
    await tenSeconds(fixture, 8);
    assert.equal(await stateOf(fixture), 'ALARM');
    assert.deepEqual(acted.splice(0), [
      { action: webhook, state: 'ALARM', datapoint: 8 },
      { action: policy, state: 'ALARM', datapoint: 8 },
    ]);
    for (const value of [1, 1]) await tenSeconds(fixture, value);
    assert.equal(await stateOf(fixture), 'OK');
    assert.deepEqual(acted.splice(0), [{ action: webhook, state: 'OK', datapoint: 1 }]);
    for (let i = 0; i < 8; i++) await tenSeconds(fixture, null);
    assert.equal(await stateOf(fixture), 'INSUFFICIENT_DATA');
    const { AlarmHistoryItems } = await ask('DescribeAlarmHistory', { AlarmName: 'too many', HistoryItemType: 'StateUpdate' });
    const items = AlarmHistoryItems as { HistorySummary: string; HistoryData: string }[];
    assert.deepEqual(
      items.map(({ HistorySummary }) => HistorySummary),
      [
        'Alarm updated from OK to INSUFFICIENT_DATA',
        'Alarm updated from ALARM to OK',
        'Alarm updated from OK to ALARM',
        'Alarm updated from INSUFFICIENT_DATA to OK',
      ],
    );
    assert.equal((JSON.parse(items[1]?.HistoryData ?? '{}') as { oldState: { stateValue: string } }).oldState.stateValue, 'ALARM');
  });

  test('shows the whole URLs of its actions only to callers who may change them', async (t) => {
    const fixture = await openCloudWatch(t);
    const { ask } = fixture;
    const hook = `https://hooks.example/services/${'s3cret'.repeat(50)}`;
    await ask('PutMetricAlarm', { ...definition, AlarmActions: [hook, policy] });
    for (const value of [9, 9]) await tenSeconds(fixture, value);
    const shownTo = async (role: 'admin' | 'deployer' | 'invoker' | 'viewer') => ({
      described: (await ask('DescribeAlarms', {}, role)).MetricAlarms as { AlarmActions: string[] }[],
      history: await ask('DescribeAlarmHistory', {}, role),
      found: (await ask('DescribeAlarms', { ActionPrefix: `${hook.slice(0, -1)}` }, role)).MetricAlarms as object[],
    });
    for (const role of ['admin', 'deployer'] as const) {
      const { described, history, found } = await shownTo(role);
      assert.deepEqual([described[0]?.AlarmActions, found.length], [[hook, policy], 1]);
      assert.match(JSON.stringify(history), /executed action https:\/\/hooks\.example\/services\/s3cret/);
    }
    for (const role of ['invoker', 'viewer'] as const) {
      const { described, history, found } = await shownTo(role);
      assert.deepEqual([described[0]?.AlarmActions, found.length], [['https://hooks.example/services/…', policy], 0]);
      assert.match(JSON.stringify(history), /executed action https:\/\/hooks\.example\/services\/…/);
      assert(!JSON.stringify([described, history]).includes('s3cret'));
    }
  });

  test('repeats its scaling policy every minute while it fires, but no other action', async (t) => {
    const fixture = await openCloudWatch(t);
    await fixture.ask('PutMetricAlarm', { ...definition, EvaluationPeriods: 1, AlarmActions: [webhook, policy] });
    for (let i = 0; i < 14; i++) await tenSeconds(fixture, 6 + i);
    const runs = fixture.acted.map(({ action, datapoint }) => `${action === policy ? 'policy' : 'webhook'} ${datapoint}`);
    assert.deepEqual(runs, ['webhook 6', 'policy 6', 'policy 12', 'policy 18']);
    await fixture.ask('DisableAlarmActions', { AlarmNames: ['too many'] });
    for (let i = 0; i < 14; i++) await tenSeconds(fixture, 6 + i);
    assert.equal(fixture.acted.length, runs.length);
  });

  test('can be set by hand until the next evaluation', async (t) => {
    const fixture = await openCloudWatch(t);
    await fixture.ask('PutMetricAlarm', { ...definition, EvaluationPeriods: 1, AlarmActions: [webhook] });
    await tenSeconds(fixture, 1);
    await fixture.ask('SetAlarmState', { AlarmName: 'too many', StateValue: 'ALARM', StateReason: 'set for a test' });
    assert.equal(await stateOf(fixture), 'ALARM');
    assert.deepEqual(fixture.acted, [{ action: webhook, state: 'ALARM', datapoint: null }]);
    await tenSeconds(fixture, 1);
    assert.equal(await stateOf(fixture), 'OK');
    const absent = { AlarmName: 'absent', StateValue: 'OK', StateReason: '' };
    assert.match(await fixture.refusal('SetAlarmState', absent), /^ResourceNotFound: There is no alarm absent/);
  });

  test('round-trips through its description, including members that it does not use', async (t) => {
    const { ask } = await openCloudWatch(t);
    const more = {
      AlarmDescription: 'orders',
      DatapointsToAlarm: 1,
      TreatMissingData: 'breaching',
      OKActions: [],
      AlarmActions: [webhook],
    };
    const { Statistic: _statistic, ...rest } = definition;
    const percentile = { ...rest, ExtendedStatistic: 'p99', EvaluateLowSampleCountPercentile: 'ignore', ActionsEnabled: false };
    await ask('PutMetricAlarm', { ...percentile, ...more });
    const { MetricAlarms } = await ask('DescribeAlarms', {});
    const [alarm] = MetricAlarms as Record<string, unknown>[];
    const { AlarmArn, StateValue, StateReason } = alarm ?? {};
    assert.deepEqual({ ...alarm, ...percentile, ...more }, alarm, 'shows its input');
    assert.equal(AlarmArn, 'arn:aws:cloudwatch:us-east-1:000000000000:alarm:too many');
    assert.deepEqual([StateValue, StateReason], ['INSUFFICIENT_DATA', 'Unchecked: Initial alarm creation']);
  });

  test('on an expression fires, and shows its queries', async (t) => {
    const fixture = await openCloudWatch(t);
    const Metric = { Namespace: 'Shop', MetricName: 'Orders', Dimensions: definition.Dimensions };
    const Metrics = [
      { Id: 'double', Expression: 'orders * 2', Label: 'Double', ReturnData: true },
      { Id: 'orders', MetricStat: { Metric, Period: 10, Stat: 'Sum' }, ReturnData: false },
    ];
    const { AlarmName, EvaluationPeriods, Threshold, ComparisonOperator } = definition;
    await fixture.ask('PutMetricAlarm', { AlarmName, EvaluationPeriods, Threshold, ComparisonOperator, Metrics });
    for (const value of [3, 3]) await tenSeconds(fixture, value);
    assert.equal(await stateOf(fixture), 'ALARM');
    const { MetricAlarms } = await fixture.ask('DescribeAlarms', {});
    assert.deepEqual((MetricAlarms as Record<string, unknown>[])[0]?.Metrics, Metrics);
  });
});

test('rejects invalid alarms with a reason', async (t) => {
  const { refusal } = await openCloudWatch(t);
  const of = (more: Record<string, unknown>) => refusal('PutMetricAlarm', { ...definition, ...more });
  const metric = { Id: 'm', MetricStat: { Metric: { Namespace: 'Shop', MetricName: 'Orders' }, Period: 60, Stat: 'Sum' } };
  const plain = { Namespace: null, MetricName: null, Dimensions: null, Statistic: null, Period: null };
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ MetricName: null }, /^MissingParameter: The parameter MetricName is required/],
    [{ Threshold: null }, /^MissingParameter: The parameter Threshold/],
    [{ Statistic: null }, /^InvalidParameterCombination: Exactly one element of \[Statistic, ExtendedStatistic\]/],
    [{ Period: 5 }, /^InvalidParameterValue: .*10, 20, 30 or a multiple of 60, got 5/],
    [{ Period: 60, EvaluationPeriods: 1441 }, /^InvalidParameterCombination: .*across more than 86400 seconds/],
    [{ DatapointsToAlarm: 3 }, /^InvalidParameterCombination: DatapointsToAlarm \(3\)/],
    [{ TreatMissingData: 'never' }, /^InvalidParameterValue: The value never for parameter TreatMissingData/],
    [{ ComparisonOperator: 'GreaterThanUpperThreshold' }, /^InvalidParameterValue: Alarms on bands of anomalies/],
    [{ AlarmActions: ['arn:aws:sns:us-east-1:000000000000:absent'] }, /^InvalidParameterValue: Invalid action 'arn:aws:sns/],
    [{ AlarmActions: ['ring the bell'] }, /^InvalidParameterValue: Invalid action 'ring the bell'/],
    [{ AlarmActions: ['http://169.254.169.254/latest'] }, /^invalid_request: /],
    [{ AlarmActions: [policy.replace(':1:', ':2:')] }, /^InvalidParameterValue: Invalid action '.*:2:.*': no step scaling policy/],
    [{ OKActions: [policy.replace(':1:', ':2:')] }, /^InvalidParameterValue: Invalid action /],
    [{ AlarmName: 'penstock/digits/errors' }, /^InvalidParameterValue: .*is managed by its endpoint/],
    [{ Metrics: [metric] }, /^InvalidParameterCombination: Metrics cannot be specified together with MetricName/],
    [{ ...plain, Metrics: [{ Id: 'e', Expression: '1 + 1' }] }, /^MissingParameter: .*an alarm on no metric/],
    [{ ...plain, Metrics: [metric, { ...metric, Id: 'n' }] }, /^InvalidParameterCombination: Exactly one element of the metrics list/],
  ];
  for (const [more, expected] of refused) assert.match(await of(more), expected);
});

test('finds alarms by name, prefix, state, action and metric, in pages', async (t) => {
  const { ask, refusal } = await openCloudWatch(t);
  for (let i = 0; i < 25; i++) await ask('PutMetricAlarm', { ...definition, AlarmName: `a${String(i).padStart(2, '0')}`, Threshold: i });
  await ask('PutMetricAlarm', { ...definition, AlarmName: 'b', MetricName: 'Visits', AlarmActions: [policy] });
  const found = async (input: Record<string, unknown>, operation = 'DescribeAlarms') => {
    const answer = await ask(operation, input);
    return { names: (answer.MetricAlarms as { AlarmName: string }[]).map(({ AlarmName }) => AlarmName), token: answer.NextToken };
  };
  const first = await found({ MaxRecords: 20 });
  assert.deepEqual([first.names.length, first.names.at(-1)], [20, 'a19']);
  assert.deepEqual((await found({ MaxRecords: 20, NextToken: first.token })).names.at(-1), 'b');
  assert.match(await refusal('DescribeAlarms', { NextToken: 'x' }), /^InvalidNextToken/);
  assert.equal((await found({ AlarmNamePrefix: 'a1' })).names.length, 10);
  assert.deepEqual((await found({ AlarmNames: ['b', 'c'] })).names, ['b']);
  assert.deepEqual((await found({ ActionPrefix: 'arn:aws:autoscaling' })).names, ['b']);
  assert.deepEqual((await found({ StateValue: 'ALARM' })).names, []);
  assert.deepEqual((await found({ AlarmTypes: ['CompositeAlarm'] })).names, []);
  const metric = { Namespace: 'Shop', MetricName: 'Orders', Dimensions: definition.Dimensions };
  assert.equal((await found(metric, 'DescribeAlarmsForMetric')).names.length, 25);
  assert.equal((await found({ ...metric, Period: 60 }, 'DescribeAlarmsForMetric')).names.length, 0);
  await ask('DeleteAlarms', { AlarmNames: ['b', 'never was'] });
  assert.deepEqual((await found({ AlarmNames: ['b'] })).names, []);
  const notes: unknown[] = [];
  let token: unknown;
  do {
    const page = await ask('DescribeAlarmHistory', {
      MaxRecords: 10,
      ScanBy: 'TimestampAscending',
      ...(token === undefined ? {} : { NextToken: token }),
    });
    notes.push(...(page.AlarmHistoryItems as { AlarmName: string }[]).map(({ AlarmName }) => AlarmName));
    token = page.NextToken;
  } while (token !== undefined);
  assert.deepEqual([notes.length, notes[0], notes.at(-1)], [27, 'a00', 'b']);
  const history = (await ask('DescribeAlarmHistory', { StartDate: now + 60 })).AlarmHistoryItems;
  assert.deepEqual(history, []);
});

test('stores dashboards unchanged, lists them by prefix, and rejects invalid ones', async (t) => {
  const { ask, refusal } = await openCloudWatch(t);
  const DashboardBody = JSON.stringify({ widgets: [{ type: 'text', properties: { markdown: 'hello' } }] });
  await ask('PutDashboard', { DashboardName: 'Endpoints', DashboardBody });
  await ask('PutDashboard', { DashboardName: 'Costs', DashboardBody });
  const { DashboardEntries } = await ask('ListDashboards', { DashboardNamePrefix: 'End' });
  assert.deepEqual(DashboardEntries, [
    {
      DashboardName: 'Endpoints',
      DashboardArn: 'arn:aws:cloudwatch::000000000000:dashboard/Endpoints',
      LastModified: new Date(nowMs),
      Size: DashboardBody.length,
    },
  ]);
  assert.equal((await ask('GetDashboard', { DashboardName: 'Endpoints' })).DashboardBody, DashboardBody);
  for (const body of ['{', '[]', '{}', '{"widgets":[1]}'])
    assert.match(
      await refusal('PutDashboard', { DashboardName: 'Bad', DashboardBody: body }),
      /^InvalidParameterInput: The dashboard body/,
    );
  assert.match(await refusal('PutDashboard', { DashboardName: 'a b', DashboardBody }), /^InvalidParameterValue: /);
  assert.match(await refusal('DeleteDashboards', { DashboardNames: ['Costs', 'Gone'] }), /^ResourceNotFound: Dashboard Gone/);
  await ask('DeleteDashboards', { DashboardNames: ['Costs', 'Endpoints'] });
  assert.deepEqual(await ask('ListDashboards', {}), { DashboardEntries: [] });
});

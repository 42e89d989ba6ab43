import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { count, instances, refusal, Scaled, tracking } from '../../../test/aws-scaling-house.ts';
import { settle } from '../../../test/deployment-house.ts';
import { openPglite } from '../../../test/pglite.ts';

describe('a scheduled action', () => {
  const put = (scaled: Scaled, more: object = {}) =>
    scaled.ask('PutScheduledAction', {
      ...count,
      ScheduledActionName: 'morning',
      Schedule: 'cron(0 8 * * ? *)',
      Timezone: 'Europe/Berlin',
      ScalableTargetAction: { MinCapacity: 3, MaxCapacity: 6 },
      ...more,
    });

  test('sets the limits when it is due, in its zone, and each time', async () => {
    const scaled = await Scaled.open(); // on 1 January at 0:00 UTC
    scaled.scaling.open();
    await scaled.register();
    await put(scaled);
    await put(scaled, {
      ScheduledActionName: 'evening',
      Schedule: 'at(2026-01-01T18:00:00)',
      Timezone: undefined,
      ScalableTargetAction: { MinCapacity: 1 },
    });
    await scaled.pass(7 * 3600 - 600, 600);
    await scaled.pass(590);
    assert.equal(scaled.now.wanted, 1);
    await scaled.pass(10);
    assert.deepEqual([scaled.now.wanted, scaled.now.status, scaled.now.scaling?.instancesMax], [3, 'InService', 6]);
    const [activity] = (await scaled.ask('DescribeScalingActivities', count)).ScalingActivities;
    assert.deepEqual(
      [activity?.['Cause'], activity?.['StatusCode'], activity?.['Description']],
      [
        'scheduled action name morning was triggered: minimum capacity 3, maximum capacity 6',
        'Successful',
        'Setting desired instance count to 3.',
      ],
    );
    await scaled.pass(11 * 3600, 600);
    assert.deepEqual([scaled.now.scaling?.instancesMin, scaled.now.scaling?.instancesMax, scaled.now.wanted], [1, 6, 3]);
    const shown = (await scaled.ask('DescribeScheduledActions', { ...count, ScheduledActionNames: ['morning'] })).ScheduledActions;
    assert.deepEqual([shown.length, shown[0]?.['Schedule'], shown[0]?.['Timezone']], [1, 'cron(0 8 * * ? *)', 'Europe/Berlin']);
    await scaled.ask('DeleteScheduledAction', { ...count, ScheduledActionName: 'morning' });
    await assert.rejects(
      scaled.ask('DeleteScheduledAction', { ...count, ScheduledActionName: 'morning' }),
      refusal('ObjectNotFoundException', /scheduled action name: morning$/),
    );
    await scaled.scaling.close();
  });

  test('that was missed is taken once when a server runs again; suspended ones pass', async () => {
    const scaled = await Scaled.open();
    await scaled.register();
    await put(scaled, { Schedule: 'rate(1 hour)' });
    scaled.aws.house.clock.advance(5 * 3_600_000);
    scaled.scaling.open();
    await settle(60);
    assert.equal(scaled.now.wanted, 3);
    assert.equal((await scaled.ask('DescribeScalingActivities', count)).ScalingActivities.length, 1);
    await scaled.register({ MinCapacity: 1, SuspendedState: { ScheduledScalingSuspended: true } });
    await scaled.pass(3700, 100);
    assert.equal(scaled.now.scaling?.instancesMin, 1);
    await scaled.register({ SuspendedState: { ScheduledScalingSuspended: false } });
    await scaled.pass(60);
    assert.equal(scaled.now.scaling?.instancesMin, 1, 'what passed meanwhile is over');
    await scaled.scaling.close();
  });

  for (const [what, more, message] of [
    ['no schedule', { Schedule: undefined }, /needs a Schedule/],
    ['nonsense', { Schedule: 'daily' }, /is not understood/],
    ['the past', { Schedule: 'at(2025-01-01T00:00:00)' }, /lies in the past/],
    ['nothing to do', { ScalableTargetAction: {} }, /MinCapacity, MaxCapacity or both/],
    ['limits upside down', { ScalableTargetAction: { MinCapacity: 3, MaxCapacity: 2 } }, /must be MinCapacity \(3\) or more/],
    ['a zone that nobody knows', { Timezone: 'Moon/Crater' }, /Moon\/Crater' is not known/],
    ['an end before its beginning', { StartTime: 2e12, EndTime: 1e12 }, /later than StartTime/],
  ] as const) {
    test(`is refused with ${what}`, async () => {
      const scaled = await Scaled.open();
      await scaled.register();
      await assert.rejects(put(scaled, more), refusal('ValidationException', message));
    });
  }
});

test('activities are what was decided, the latest first, page by page', async () => {
  const scaled = await Scaled.open();
  await scaled.register();
  const decision = {
    kind: 'scaling',
    endpoint: 'prod',
    variant: 'AllTraffic',
    trigger: 'period',
    inputs: {},
    alternatives: [],
    reason: 'rule',
  } as const;
  for (const wanted of [2, 3, 4]) {
    await scaled.decisions.record({
      ...decision,
      chosen: { plan: { 'ml.m5.large': wanted } },
      explanation: `grew to ${wanted}`,
      changes: true,
    });
    await scaled.decisions.record({ ...decision, chosen: { plan: { 'ml.m5.large': wanted } }, explanation: 'kept', changes: false });
    scaled.aws.house.clock.advance(1000);
  }
  scaled.aws.house.provider.isPrompt = false;
  await scaled.aws.house.deployments.scale('prod', 'AllTraffic', 4);
  const first = await scaled.ask('DescribeScalingActivities', { ...count, MaxResults: 2 });
  assert.deepEqual(
    first.ScalingActivities.map((each) => [each['Cause'], each['StatusCode']]),
    [
      ['grew to 4', 'InProgress'],
      ['grew to 3', 'Successful'],
    ],
  );
  const second = await scaled.ask('DescribeScalingActivities', { ...count, MaxResults: 2, NextToken: first.NextToken });
  assert.deepEqual([second.ScalingActivities.map((each) => each['Cause']), second.NextToken], [['grew to 2'], undefined]);
  const other = scaled.ask('DescribeScalingActivities', { ServiceNamespace: 'sagemaker', NextToken: first.NextToken });
  await assert.rejects(other, refusal('InvalidNextTokenException', /begin without it/));
});

test('what is foreseen is told by the last decision, within the time that is asked for', async () => {
  const scaled = await Scaled.open();
  await scaled.register();
  const specification = { TargetValue: 70 };
  const predictive = { MetricSpecifications: [specification], Mode: 'ForecastAndScale' };
  const policy = { PolicyName: 'r', PolicyType: 'PredictiveScaling', PredictiveScalingPolicyConfiguration: predictive };
  await scaled.ask('PutScalingPolicy', { ...count, ...policy });
  const nowMs = scaled.aws.house.clock.wallMs();
  const ask = (more: object = {}) =>
    scaled.ask('GetPredictiveScalingForecast', { ...count, PolicyName: 'r', StartTime: nowMs, EndTime: nowMs + 600_000, ...more });
  await assert.rejects(ask(), refusal('ValidationException', /Nothing is foreseen by policy r yet/));
  const inputs = {
    slotMs: 60_000,
    types: { 'ml.m5.large': { ratePerSecond: 10 } },
    forecast: { horizons: [1, 5, 20], mean: [100, 1000, 9] },
  };
  const decision = {
    kind: 'scaling',
    endpoint: 'prod',
    variant: 'AllTraffic',
    trigger: 'period',
    alternatives: [],
    reason: 'argmin',
  } as const;
  await scaled.decisions.record({ ...decision, inputs, chosen: {}, explanation: '', changes: false });
  const { LoadForecast, CapacityForecast } = (await ask()) as unknown as Record<string, unknown>;
  const Timestamps = [new Date(nowMs + 60_000), new Date(nowMs + 300_000)];
  assert.deepEqual(LoadForecast, [{ Timestamps, Values: [100, 1000], MetricSpecification: specification }]);
  assert.deepEqual(CapacityForecast, { Timestamps, Values: [1, 2] });
  await assert.rejects(ask({ PolicyName: 's' }), refusal('ValidationException', /no PredictiveScaling policy s/));
  await assert.rejects(ask({ EndTime: nowMs }), refusal('ValidationException', /later than StartTime/));
});

test('PostgreSQL keeps endpoints and their scaling as SQLite does', async () => {
  const scaled = await Scaled.open(await openPglite());
  const { ask } = scaled.aws;
  await settle(200);
  await scaled.register({ MinCapacity: 2 });
  await scaled.ask('PutScalingPolicy', { ...count, ...tracking() });
  await scaled.ask('PutScheduledAction', {
    ...count,
    ScheduledActionName: 'a',
    Schedule: 'rate(1 hour)',
    ScalableTargetAction: { MinCapacity: 3 },
  });
  await settle(200);
  assert.deepEqual([scaled.now.wanted, scaled.now.scaling?.policy], [2, 'track:700,metric=invocations,out=300s,in=300s']);
  await ask('CreateEndpointConfig', { EndpointConfigName: 'd', ProductionVariants: [{ ...instances, ModelName: 'digits-two' }] });
  await ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'd' });
  await settle(200);
  assert.equal((await ask('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'd');
  const { ScalingPolicies } = await scaled.ask('DescribeScalingPolicies', { ServiceNamespace: 'sagemaker' });
  assert.equal(ScalingPolicies.length, 1);
  const { EndpointConfigs, NextToken } = await ask('ListEndpointConfigs', { MaxResults: 1, SortBy: 'Name' });
  assert.deepEqual([EndpointConfigs[0].EndpointConfigName, NextToken !== undefined], ['d', true]);
  await scaled.ask('DeregisterScalableTarget', count);
  await ask('DeleteEndpointConfig', { EndpointConfigName: 'd' });
  await ask('DeleteEndpoint', { EndpointName: 'prod' });
  await settle(200);
  assert.deepEqual((await ask('ListEndpoints', {})).Endpoints, []);
});

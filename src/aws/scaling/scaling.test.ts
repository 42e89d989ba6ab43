import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { count, instances, refusal, Scaled, tracking } from '../../../test/aws-scaling-fixture.ts';
import { settle } from '../../../test/deployment-fixture.ts';
import { openPglite } from '../../../test/pglite.ts';

describe('a scheduled action', () => {
  const put = (scaled: Scaled, more: object = {}) =>
    scaled.call('PutScheduledAction', {
      ...count,
      ScheduledActionName: 'morning',
      Schedule: 'cron(0 8 * * ? *)',
      Timezone: 'Europe/Berlin',
      ScalableTargetAction: { MinCapacity: 3, MaxCapacity: 6 },
      ...more,
    });

  test('sets the limits each time it is due in its time zone', async () => {
    const scaled = await Scaled.open(); // at 1 January, 0:00 UTC
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
    const [activity] = (await scaled.call('DescribeScalingActivities', count)).ScalingActivities;
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
    const shown = (await scaled.call('DescribeScheduledActions', { ...count, ScheduledActionNames: ['morning'] })).ScheduledActions;
    assert.deepEqual([shown.length, shown[0]?.['Schedule'], shown[0]?.['Timezone']], [1, 'cron(0 8 * * ? *)', 'Europe/Berlin']);
    await scaled.call('DeleteScheduledAction', { ...count, ScheduledActionName: 'morning' });
    await assert.rejects(
      scaled.call('DeleteScheduledAction', { ...count, ScheduledActionName: 'morning' }),
      refusal('ObjectNotFoundException', /scheduled action name: morning$/),
    );
    await scaled.scaling.close();
  });

  test('runs once after a restart if it was missed, and not at all while suspended', async () => {
    const scaled = await Scaled.open();
    await scaled.register();
    await put(scaled, { Schedule: 'rate(1 hour)' });
    scaled.aws.fixture.clock.advance(5 * 3_600_000);
    scaled.scaling.open();
    await settle(60);
    assert.equal(scaled.now.wanted, 3);
    assert.equal((await scaled.call('DescribeScalingActivities', count)).ScalingActivities.length, 1);
    await scaled.register({ MinCapacity: 1, SuspendedState: { ScheduledScalingSuspended: true } });
    await scaled.pass(3700, 100);
    assert.equal(scaled.now.scaling?.instancesMin, 1);
    await scaled.register({ SuspendedState: { ScheduledScalingSuspended: false } });
    await scaled.pass(60);
    assert.equal(scaled.now.scaling?.instancesMin, 1, 'an action that came due while suspended has no effect later');
    await scaled.scaling.close();
  });

  // What schedules reject is the platform's own error; clients see it as a ValidationException, too.
  for (const [what, more, message, code] of [
    ['no schedule', { Schedule: undefined }, /requires a Schedule/],
    ['an invalid schedule', { Schedule: 'daily' }, /is invalid/, 'invalid_request'],
    ['a time in the past', { Schedule: 'at(2025-01-01T00:00:00)' }, /is in the past/],
    ['no capacities', { ScalableTargetAction: {} }, /MinCapacity, MaxCapacity or both/],
    ['MaxCapacity below MinCapacity', { ScalableTargetAction: { MinCapacity: 3, MaxCapacity: 2 } }, /must be MinCapacity \(3\) or more/],
    ['an unknown time zone', { Timezone: 'Moon/Crater' }, /Moon\/Crater' is unknown/, 'invalid_request'],
    ['an end before its start', { StartTime: 2e12, EndTime: 1e12 }, /later than StartTime/],
  ] as const) {
    test(`is rejected with ${what}`, async () => {
      const scaled = await Scaled.open();
      await scaled.register();
      await assert.rejects(put(scaled, more), refusal(code ?? 'ValidationException', message));
    });
  }
});

test('lists scaling activities newest first, page by page', async () => {
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
  const { deployments, provider } = scaled.aws.fixture;
  for (const wanted of [2, 3, 4]) {
    provider.isPrompt = wanted < 4;
    const record = { ...decision, chosen: { plan: { 'ml.m5.large': wanted } }, explanation: `grew to ${wanted}`, changes: true };
    await deployments.counts.decided({ endpoint: 'prod', variant: 'AllTraffic', before: wanted - 1, count: wanted, leaving: [], record });
    await scaled.decisions.record({ ...decision, chosen: { plan: { 'ml.m5.large': wanted } }, explanation: 'kept', changes: false });
    scaled.aws.fixture.clock.advance(1000);
  }
  const first = await scaled.call('DescribeScalingActivities', { ...count, MaxResults: 2 });
  assert.deepEqual(
    first.ScalingActivities.map((each) => [each['Cause'], each['StatusCode']]),
    [
      ['grew to 4', 'InProgress'],
      ['grew to 3', 'Successful'],
    ],
  );
  const second = await scaled.call('DescribeScalingActivities', { ...count, MaxResults: 2, NextToken: first.NextToken });
  assert.deepEqual([second.ScalingActivities.map((each) => each['Cause']), second.NextToken], [['grew to 2'], undefined]);
  const other = scaled.call('DescribeScalingActivities', { ServiceNamespace: 'sagemaker', NextToken: first.NextToken });
  await assert.rejects(other, refusal('InvalidNextTokenException', /Start again without NextToken/));
});

test('returns the forecast of the last decision within the requested range', async () => {
  const scaled = await Scaled.open();
  await scaled.register();
  const specification = { TargetValue: 70 };
  const predictive = { MetricSpecifications: [specification], Mode: 'ForecastAndScale' };
  const policy = { PolicyName: 'r', PolicyType: 'PredictiveScaling', PredictiveScalingPolicyConfiguration: predictive };
  await scaled.call('PutScalingPolicy', { ...count, ...policy });
  const nowMs = scaled.aws.fixture.clock.wallMs();
  const call = (more: object = {}) =>
    scaled.call('GetPredictiveScalingForecast', { ...count, PolicyName: 'r', StartTime: nowMs, EndTime: nowMs + 600_000, ...more });
  await assert.rejects(call(), refusal('ValidationException', /Policy r has no forecast yet/));
  const inputs = {
    strategy: 'economic',
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
  const { LoadForecast, CapacityForecast } = (await call()) as unknown as Record<string, unknown>;
  const Timestamps = [new Date(nowMs + 60_000), new Date(nowMs + 300_000)];
  assert.deepEqual(LoadForecast, [{ Timestamps, Values: [100, 1000], MetricSpecification: specification }]);
  assert.deepEqual(CapacityForecast, { Timestamps, Values: [1, 2] });
  await assert.rejects(call({ PolicyName: 's' }), refusal('ValidationException', /PredictiveScaling policy s does not exist/));
  await assert.rejects(call({ EndTime: nowMs }), refusal('ValidationException', /later than StartTime/));
});

test('stores endpoints and their scaling in PostgreSQL as in SQLite', async () => {
  const scaled = await Scaled.open(await openPglite());
  const { call } = scaled.aws;
  await settle(200);
  await scaled.register({ MinCapacity: 2 });
  await scaled.call('PutScalingPolicy', { ...count, ...tracking() });
  await scaled.call('PutScheduledAction', {
    ...count,
    ScheduledActionName: 'a',
    Schedule: 'rate(1 hour)',
    ScalableTargetAction: { MinCapacity: 3 },
  });
  await settle(200);
  assert.deepEqual([scaled.now.wanted, scaled.now.scaling?.policy], [2, 'track:700,metric=invocations,out=300s,in=300s']);
  await call('CreateEndpointConfig', { EndpointConfigName: 'd', ProductionVariants: [{ ...instances, ModelName: 'digits-two' }] });
  await call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'd' });
  await settle(200);
  assert.equal((await call('DescribeEndpoint', { EndpointName: 'prod' })).EndpointConfigName, 'd');
  const { ScalingPolicies } = await scaled.call('DescribeScalingPolicies', { ServiceNamespace: 'sagemaker' });
  assert.equal(ScalingPolicies.length, 1);
  const { EndpointConfigs, NextToken } = await call('ListEndpointConfigs', { MaxResults: 1, SortBy: 'Name' });
  assert.deepEqual([EndpointConfigs[0].EndpointConfigName, NextToken !== undefined], ['d', true]);
  await scaled.call('DeregisterScalableTarget', count);
  await call('DeleteEndpointConfig', { EndpointConfigName: 'd' });
  await call('DeleteEndpoint', { EndpointName: 'prod' });
  await settle(200);
  assert.deepEqual((await call('ListEndpoints', {})).Endpoints, []);
});

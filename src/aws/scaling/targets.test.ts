import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { count, instances, refusal, Scaled, tracking, warm } from '../../../test/aws-scaling-fixture.ts';
import { settle } from '../../../test/deployment-fixture.ts';

describe('a scalable target', () => {
  test('moves the capacity into its range at once while the endpoint stays in service', async () => {
    const scaled = await Scaled.open();
    const { ScalableTargetARN } = await scaled.register({ MinCapacity: 2, RoleARN: 'arn:aws:iam::000000000000:role/r', Tags: { a: 'b' } });
    assert.match(ScalableTargetARN, /^arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target\/[0-9a-f]{32}$/);
    const { scaling, ...now } = scaled.now;
    assert.deepEqual(now, { status: 'InService', generation: 1, wanted: 2, ready: 2 });
    assert.deepEqual(scaling, { policy: 'hold', instancesMin: 2, instancesMax: 4, usdPerHourMax: null });
    const [target] = (await scaled.call('DescribeScalableTargets', { ServiceNamespace: 'sagemaker' })).ScalableTargets;
    const { CreationTime, ...shown } = target ?? {};
    assert(CreationTime instanceof Date);
    assert.deepEqual(shown, {
      ...count,
      MinCapacity: 2,
      MaxCapacity: 4,
      RoleARN: 'arn:aws:iam::000000000000:role/r',
      SuspendedState: { DynamicScalingInSuspended: false, DynamicScalingOutSuspended: false, ScheduledScalingSuspended: false },
      ScalableTargetARN,
    });
    assert.deepEqual((await scaled.call('ListTagsForResource', { ResourceARN: ScalableTargetARN })).Tags, { a: 'b' });
    await scaled.call('TagResource', { ResourceARN: ScalableTargetARN, Tags: { c: 'd' } });
    await scaled.call('UntagResource', { ResourceARN: ScalableTargetARN, TagKeys: ['a'] });
    assert.deepEqual((await scaled.call('ListTagsForResource', { ResourceARN: ScalableTargetARN })).Tags, { c: 'd' });
    assert.equal(
      await scaled.register({ MinCapacity: undefined, MaxCapacity: 1 }).catch((error: Error) => error.message),
      'MaxCapacity must be MinCapacity (2) or more, got 1.',
    );
    await scaled.register({ MinCapacity: 0, MaxCapacity: undefined });
    assert.deepEqual([scaled.now.wanted, scaled.now.scaling?.instancesMin, scaled.now.scaling?.instancesMax], [2, 0, 4]);
  });

  test('keeps its capacity but loses its policies and actions when deregistered', async () => {
    const scaled = await Scaled.open();
    await scaled.register({ MinCapacity: 3 });
    await scaled.call('PutScalingPolicy', { ...count, ...tracking() });
    await scaled.call('DeregisterScalableTarget', count);
    assert.deepEqual([scaled.now.wanted, scaled.now.scaling], [3, undefined]);
    await assert.rejects(
      scaled.call('DeregisterScalableTarget', count),
      refusal('ObjectNotFoundException', /^No scalable target registered/),
    );
    await scaled.register();
    assert.deepEqual((await scaled.call('DescribeScalingPolicies', { ServiceNamespace: 'sagemaker' })).ScalingPolicies, []);
    assert.equal(scaled.now.scaling?.policy, 'hold');
  });

  test('is deleted with its endpoint, whichever API deletes it', async () => {
    const scaled = await Scaled.open();
    await scaled.register();
    await scaled.aws.fixture.deployments.remove('prod', 'me');
    await settle(60);
    await scaled.aws.call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    assert.deepEqual((await scaled.call('DescribeScalableTargets', { ServiceNamespace: 'sagemaker' })).ScalableTargets, []);
  });

  test('exists for a variant that scales through another API, and follows its changes', async () => {
    const scaled = await Scaled.open();
    const { deployments } = scaled.aws.fixture;
    const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 9, usdPerHourMax: 2 };
    await deployments.setScaling('prod', 'AllTraffic', scaling, 'me');
    const { ScalableTargets } = await scaled.call('DescribeScalableTargets', {
      ServiceNamespace: 'sagemaker',
      ResourceIds: [count.ResourceId],
    });
    assert.deepEqual([ScalableTargets[0]?.['MinCapacity'], ScalableTargets[0]?.['MaxCapacity']], [1, 9]);
    await scaled.register({ MaxCapacity: 7 });
    assert.deepEqual(scaled.now.scaling, { ...scaling, instancesMax: 7 }, 'its policy stays until another replaces it');
    await scaled.call('PutScalingPolicy', { ...count, ...tracking() });
    assert.match(scaled.now.scaling?.policy ?? '', /^track:700/);
    assert.equal(scaled.now.scaling?.usdPerHourMax, 2);
    await deployments.setScaling('prod', 'AllTraffic', null, 'me');
    assert.deepEqual((await scaled.call('DescribeScalableTargets', { ServiceNamespace: 'sagemaker' })).ScalableTargets, []);
  });

  test('keeps scaling after an update to another model', async () => {
    const scaled = await Scaled.open();
    await scaled.register({ MinCapacity: 2 });
    await scaled.aws.call('CreateEndpointConfig', {
      EndpointConfigName: 'd',
      ProductionVariants: [{ ...instances, ModelName: 'digits-two' }],
    });
    await scaled.aws.call('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'd' });
    await settle();
    assert.deepEqual([scaled.now.status, scaled.now.wanted, scaled.now.scaling?.instancesMax], ['InService', 2, 4]);
    const change = [{ VariantName: 'AllTraffic', DesiredInstanceCount: 3 }];
    await scaled.aws.call('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities: change });
    await settle();
    assert.deepEqual([scaled.now.wanted, scaled.now.scaling?.instancesMin], [3, 2]);
    await scaled.aws.call('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities: change });
    await scaled.call('DeregisterScalableTarget', count);
    const reported = await scaled.aws.fixture.events.recent({ kinds: ['endpoint.settings-changed'], limit: 2 });
    const counts = reported.map(({ detail }) =>
      (detail as { settings: { setting: string }[] }).settings.filter(({ setting }) => setting.endsWith('instance_count')),
    );
    assert.deepEqual(counts, [[], [{ setting: 'AllTraffic.instance_count', from: 2, to: 3 }]], 'newest first');
  });

  for (const [what, input, code, message] of [
    ['another service', { ...count, ServiceNamespace: 'ecs' }, 'ValidationException', /'ecs' is not supported: expected sagemaker/],
    ['another dimension', { ...count, ScalableDimension: 'ecs:service:DesiredCount' }, 'ValidationException', /is not supported: expected/],
    ['no resource', { ...count, ResourceId: 'endpoint/prod' }, 'ValidationException', /expected endpoint\/NAME\/variant\/NAME/],
    [
      'a missing endpoint',
      { ...count, ResourceId: 'endpoint/other/variant/AllTraffic' },
      'ValidationException',
      /variant\/AllTraffic does not exist/,
    ],
    [
      'instances of a serverless variant',
      { ...count, ResourceId: warm.ResourceId },
      'ValidationException',
      /serverless and has no instances/,
    ],
    [
      'provisioned concurrency of instances',
      { ...warm, ResourceId: count.ResourceId },
      'ValidationException',
      /has instances and no provisioned/,
    ],
    ['a negative MinCapacity', { ...count, MinCapacity: -1 }, 'ValidationException', /0 or more, got -1/],
    ['no limits', { ...count, MinCapacity: undefined }, 'ValidationException', /requires both/],
    ['more than the limit', { ...count, MaxCapacity: 900 }, 'invalid_request', /from 1 to 64, got 900/],
  ] as const) {
    test(`is rejected for ${what}`, async () => {
      const scaled = await Scaled.open();
      await assert.rejects(scaled.call('RegisterScalableTarget', { MinCapacity: 1, MaxCapacity: 2, ...input }), refusal(code, message));
      assert.equal(scaled.now.scaling, undefined);
    });
  }

  test('can be suspended in one direction or both', async () => {
    const scaled = await Scaled.open();
    await scaled.register({ SuspendedState: { DynamicScalingInSuspended: true } });
    assert.equal(scaled.now.scaling?.directions, 'out');
    await scaled.register({ SuspendedState: { DynamicScalingOutSuspended: true } });
    assert.equal(scaled.now.scaling?.directions, 'none');
    await scaled.register({ SuspendedState: { DynamicScalingInSuspended: false } });
    assert.equal(scaled.now.scaling?.directions, 'in');
  });
});

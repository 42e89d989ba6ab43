import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { count, instances, refusal, Scaled, tracking, warm } from '../../../test/aws-scaling-house.ts';
import { settle } from '../../../test/deployment-house.ts';

describe('a scalable target', () => {
  test('moves the capacity into its range at once, and the endpoint stays in service', async () => {
    const scaled = await Scaled.open();
    const { ScalableTargetARN } = await scaled.register({ MinCapacity: 2, RoleARN: 'arn:aws:iam::000000000000:role/r', Tags: { a: 'b' } });
    assert.match(ScalableTargetARN, /^arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target\/[0-9a-f]{32}$/);
    const { scaling, ...now } = scaled.now;
    assert.deepEqual(now, { status: 'InService', generation: 1, wanted: 2, ready: 2 });
    assert.deepEqual(scaling, { policy: 'hold', instancesMin: 2, instancesMax: 4, usdPerHourMax: null });
    const [target] = (await scaled.ask('DescribeScalableTargets', { ServiceNamespace: 'sagemaker' })).ScalableTargets;
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
    assert.deepEqual((await scaled.ask('ListTagsForResource', { ResourceARN: ScalableTargetARN })).Tags, { a: 'b' });
    await scaled.ask('TagResource', { ResourceARN: ScalableTargetARN, Tags: { c: 'd' } });
    await scaled.ask('UntagResource', { ResourceARN: ScalableTargetARN, TagKeys: ['a'] });
    assert.deepEqual((await scaled.ask('ListTagsForResource', { ResourceARN: ScalableTargetARN })).Tags, { c: 'd' });
    assert.equal(
      await scaled.register({ MinCapacity: undefined, MaxCapacity: 1 }).catch((error: Error) => error.message),
      'MaxCapacity must be MinCapacity (2) or more, got 1.',
    );
    await scaled.register({ MinCapacity: 0, MaxCapacity: undefined });
    assert.deepEqual([scaled.now.wanted, scaled.now.scaling?.instancesMin, scaled.now.scaling?.instancesMax], [2, 0, 4]);
  });

  test('stays as large as it is when it is deregistered, and its policies and actions go', async () => {
    const scaled = await Scaled.open();
    await scaled.register({ MinCapacity: 3 });
    await scaled.ask('PutScalingPolicy', { ...count, ...tracking() });
    await scaled.ask('DeregisterScalableTarget', count);
    assert.deepEqual([scaled.now.wanted, scaled.now.scaling], [3, undefined]);
    await assert.rejects(
      scaled.ask('DeregisterScalableTarget', count),
      refusal('ObjectNotFoundException', /^No scalable target registered/),
    );
    await scaled.register();
    assert.deepEqual((await scaled.ask('DescribeScalingPolicies', { ServiceNamespace: 'sagemaker' })).ScalingPolicies, []);
    assert.equal(scaled.now.scaling?.policy, 'hold');
  });

  test('goes with its endpoint, by whatever door that goes', async () => {
    const scaled = await Scaled.open();
    await scaled.register();
    await scaled.aws.house.deployments.remove('prod', 'me');
    await settle(60);
    await scaled.aws.ask('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    assert.deepEqual((await scaled.ask('DescribeScalableTargets', { ServiceNamespace: 'sagemaker' })).ScalableTargets, []);
  });

  test('is any variant that another door lets scale, and follows what that door says', async () => {
    const scaled = await Scaled.open();
    const { deployments } = scaled.aws.house;
    const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 9, usdPerHourMax: 2 };
    await deployments.setScaling('prod', 'AllTraffic', scaling, 'me');
    const { ScalableTargets } = await scaled.ask('DescribeScalableTargets', {
      ServiceNamespace: 'sagemaker',
      ResourceIds: [count.ResourceId],
    });
    assert.deepEqual([ScalableTargets[0]?.['MinCapacity'], ScalableTargets[0]?.['MaxCapacity']], [1, 9]);
    await scaled.register({ MaxCapacity: 7 });
    assert.deepEqual(scaled.now.scaling, { ...scaling, instancesMax: 7 }, 'its policy stays until there is another');
    await scaled.ask('PutScalingPolicy', { ...count, ...tracking() });
    assert.match(scaled.now.scaling?.policy ?? '', /^track:700/);
    assert.equal(scaled.now.scaling?.usdPerHourMax, 2);
    await deployments.setScaling('prod', 'AllTraffic', null, 'me');
    assert.deepEqual((await scaled.ask('DescribeScalableTargets', { ServiceNamespace: 'sagemaker' })).ScalableTargets, []);
  });

  test('keeps scaling when the endpoint gets another model', async () => {
    const scaled = await Scaled.open();
    await scaled.register({ MinCapacity: 2 });
    await scaled.aws.ask('CreateEndpointConfig', {
      EndpointConfigName: 'd',
      ProductionVariants: [{ ...instances, ModelName: 'digits-two' }],
    });
    await scaled.aws.ask('UpdateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'd' });
    await settle();
    assert.deepEqual([scaled.now.status, scaled.now.wanted, scaled.now.scaling?.instancesMax], ['InService', 2, 4]);
    const change = [{ VariantName: 'AllTraffic', DesiredInstanceCount: 3 }];
    await scaled.aws.ask('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities: change });
    await settle();
    assert.deepEqual([scaled.now.wanted, scaled.now.scaling?.instancesMin], [3, 2]);
    await scaled.aws.ask('UpdateEndpointWeightsAndCapacities', { EndpointName: 'prod', DesiredWeightsAndCapacities: change });
    await scaled.ask('DeregisterScalableTarget', count);
    const told = await scaled.aws.house.events.recent({ kinds: ['endpoint.settings-changed'], limit: 2 });
    const counts = told.map(({ detail }) =>
      (detail as { settings: { setting: string }[] }).settings.filter(({ setting }) => setting.endsWith('instance_count')),
    );
    assert.deepEqual(counts, [[], [{ setting: 'AllTraffic.instance_count', from: 2, to: 3 }]], 'the latest first');
  });

  for (const [what, input, code, message] of [
    ['another service', { ...count, ServiceNamespace: 'ecs' }, 'ValidationException', /'ecs' is not here: expected sagemaker/],
    ['another dimension', { ...count, ScalableDimension: 'ecs:service:DesiredCount' }, 'ValidationException', /cannot be scaled here/],
    ['no resource', { ...count, ResourceId: 'endpoint/prod' }, 'ValidationException', /expected endpoint\/NAME\/variant\/NAME/],
    [
      'an endpoint that is not there',
      { ...count, ResourceId: 'endpoint/other/variant/AllTraffic' },
      'ValidationException',
      /There is no variant/,
    ],
    ['instances of functions', { ...count, ResourceId: warm.ResourceId }, 'ValidationException', /serverless and has no instances/],
    ['environments of instances', { ...warm, ResourceId: count.ResourceId }, 'ValidationException', /has instances and no provisioned/],
    ['less than none', { ...count, MinCapacity: -1 }, 'ValidationException', /0 or more, got -1/],
    ['no limits', { ...count, MinCapacity: undefined }, 'ValidationException', /both needed/],
    ['more than there may be', { ...count, MaxCapacity: 900 }, 'invalid_request', /from 1 to 64, got 900/],
  ] as const) {
    test(`is refused for ${what}`, async () => {
      const scaled = await Scaled.open();
      await assert.rejects(scaled.ask('RegisterScalableTarget', { MinCapacity: 1, MaxCapacity: 2, ...input }), refusal(code, message));
      assert.equal(scaled.now.scaling, undefined);
    });
  }

  test('may be suspended one way or both', async () => {
    const scaled = await Scaled.open();
    await scaled.register({ SuspendedState: { DynamicScalingInSuspended: true } });
    assert.equal(scaled.now.scaling?.directions, 'out');
    await scaled.register({ SuspendedState: { DynamicScalingOutSuspended: true } });
    assert.equal(scaled.now.scaling?.directions, 'none');
    await scaled.register({ SuspendedState: { DynamicScalingInSuspended: false } });
    assert.equal(scaled.now.scaling?.directions, 'in');
  });
});

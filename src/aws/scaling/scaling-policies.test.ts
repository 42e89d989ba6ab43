import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { count, refusal, Scaled, tracking, warm } from '../../../test/aws-scaling-fixture.ts';
import { parsePolicy } from '../../autoscaling/index.ts';

describe('a scaling policy', () => {
  test('of target tracking takes effect and returns two alarms', async () => {
    const scaled = await Scaled.open();
    await scaled.register();
    const { PolicyARN, Alarms } = await scaled.call('PutScalingPolicy', { ...count, ...tracking({ ScaleInCooldown: 60 }) });
    assert.match(
      PolicyARN,
      /^arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:[-0-9a-f]{36}:resource\/sagemaker\/endpoint\/prod\/variant\/AllTraffic:policyName\/p$/,
    );
    assert.deepEqual(
      Alarms.map(({ AlarmName }) => AlarmName.replace(/[-0-9a-f]{37}$/, '')),
      ['TargetTracking-endpoint/prod/variant/AllTraffic-AlarmHigh', 'TargetTracking-endpoint/prod/variant/AllTraffic-AlarmLow'],
    );
    assert.equal(Alarms[0]?.AlarmARN, `arn:aws:cloudwatch:us-east-1:000000000000:alarm:${Alarms[0]?.AlarmName}`);
    assert.equal(scaled.now.scaling?.policy, 'track:700,metric=invocations,out=300s,in=60s');
    const [shown] = (await scaled.call('DescribeScalingPolicies', { ...count, PolicyNames: ['p'] })).ScalingPolicies;
    const { CreationTime, ...rest } = shown ?? {};
    assert(CreationTime instanceof Date);
    assert.deepEqual(rest, { PolicyARN, ...count, ...tracking({ ScaleInCooldown: 60 }), Alarms });
    const again = await scaled.call('PutScalingPolicy', { ...count, ...tracking({ TargetValue: 0.5, DisableScaleIn: true }) });
    assert.deepEqual([again.PolicyARN, again.Alarms], [PolicyARN, Alarms]);
    assert.equal(scaled.now.scaling?.policy, 'track:0.5,metric=invocations,out=300s,in=never');
  });

  test('combines with others, and the largest capacity wins', async () => {
    const scaled = await Scaled.open();
    await scaled.register();
    await scaled.call('PutScalingPolicy', { ...count, ...tracking() });
    const concurrency = {
      PredefinedMetricSpecification: { PredefinedMetricType: 'SageMakerVariantConcurrentRequestsPerModelHighResolution' },
    };
    await scaled.call('PutScalingPolicy', { ...count, ...tracking({ TargetValue: 5, ...concurrency }), PolicyName: 'q' });
    const predictive = { MetricSpecifications: [{ TargetValue: 70 }], Mode: 'ForecastAndScale' };
    await scaled.call('PutScalingPolicy', {
      ...count,
      PolicyName: 'r',
      PolicyType: 'PredictiveScaling',
      PredictiveScalingPolicyConfiguration: predictive,
    });
    const policy = parsePolicy(scaled.now.scaling?.policy ?? '');
    assert.deepEqual(policy.kind === 'largest' ? policy.policies.map(({ kind }) => kind) : policy, ['track', 'track', 'economic']);
    for (const PolicyName of ['p', 'q', 'r']) await scaled.call('DeleteScalingPolicy', { ...count, PolicyName });
    assert.equal(scaled.now.scaling?.policy, 'hold');
    await assert.rejects(
      scaled.call('DeleteScalingPolicy', { ...count, PolicyName: 'p' }),
      refusal('ObjectNotFoundException', /^No scaling policy found.*policy name: p$/),
    );
  });

  test('of steps scales when its alarm fires, then cools down', async () => {
    const scaled = await Scaled.open();
    await scaled.register({ MaxCapacity: 10 });
    const StepScalingPolicyConfiguration = {
      AdjustmentType: 'ChangeInCapacity',
      Cooldown: 120,
      StepAdjustments: [
        { MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 100, ScalingAdjustment: 1 },
        { MetricIntervalLowerBound: 100, ScalingAdjustment: 3 },
      ],
    };
    const { PolicyARN, Alarms } = await scaled.call('PutScalingPolicy', { ...count, PolicyName: 's', StepScalingPolicyConfiguration });
    assert.deepEqual([Alarms, scaled.now.scaling?.policy, scaled.now.wanted], [[], 'hold', 1]);
    assert.deepEqual([await scaled.scaling.hasStepPolicy(PolicyARN), await scaled.scaling.hasStepPolicy(`${PolicyARN}2`)], [true, false]);
    assert.equal(await scaled.scaling.alarmed(PolicyARN, 150), true);
    assert.equal(scaled.now.wanted, 4);
    await scaled.scaling.alarmed(PolicyARN, 150);
    assert.equal(scaled.now.wanted, 4, 'it cools down');
    scaled.aws.fixture.clock.advance(120_000);
    await scaled.scaling.alarmed(PolicyARN, 50);
    assert.equal(scaled.now.wanted, 5);
    assert.equal(await scaled.scaling.alarmed('arn:aws:autoscaling:other', 1), false);
    const [last] = (await scaled.call('DescribeScalingActivities', { ServiceNamespace: 'sagemaker' })).ScalingActivities;
    assert.equal(last?.['Cause'], 'policy s was triggered by an alarm: its metric is 50 above the threshold');
  });

  for (const [what, policy, message] of [
    ['no configuration', { PolicyType: 'TargetTrackingScaling' }, /requires TargetTrackingScalingPolicyConfiguration/],
    ['a target of 0', tracking({ TargetValue: 0 }), /TargetValue must be above 0/],
    [
      'another metric',
      tracking({ PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' } }),
      /ECSServiceAverageCPUUtilization is not supported.*InvocationsPerInstance or /,
    ],
    ['two metrics', tracking({ CustomizedMetricSpecification: {} }), /exactly one of/],
    ['no steps', { StepScalingPolicyConfiguration: { AdjustmentType: 'ExactCapacity' } }, /1 to 20 StepAdjustments, got 0/],
    [
      'a gap between steps',
      {
        StepScalingPolicyConfiguration: {
          AdjustmentType: 'ExactCapacity',
          StepAdjustments: [
            { MetricIntervalUpperBound: 1, ScalingAdjustment: 1 },
            { MetricIntervalLowerBound: 2, ScalingAdjustment: 2 },
          ],
        },
      },
      /ends at 1, the next begins at 2/,
    ],
    ['a cooldown of weeks', tracking({ ScaleInCooldown: 1e6 }), /ScaleInCooldown must be 0 to 86400 seconds/],
  ] as const) {
    test(`is rejected with ${what}`, async () => {
      const scaled = await Scaled.open();
      await scaled.register();
      await assert.rejects(
        scaled.call('PutScalingPolicy', { ...count, PolicyName: 'p', ...policy }),
        refusal('ValidationException', message),
      );
      assert.deepEqual((await scaled.call('DescribeScalingPolicies', { ServiceNamespace: 'sagemaker' })).ScalingPolicies, []);
    });
  }

  test('requires its scalable target', async () => {
    const scaled = await Scaled.open();
    await assert.rejects(
      scaled.call('PutScalingPolicy', { ...count, ...tracking() }),
      refusal(
        'ObjectNotFoundException',
        /^No scalable target registered for service namespace: sagemaker, resource ID: endpoint\/prod\/variant\/AllTraffic, scalable dimension/,
      ),
    );
  });
});

test('tracks any metric, as the only policy', async () => {
  const scaled = await Scaled.open();
  await scaled.register({ MaxCapacity: 5 });
  const Dimensions = [{ Name: 'EndpointName', Value: 'prod' }];
  const metric = { Namespace: '/aws/sagemaker/Endpoints', MetricName: 'CPUUtilization', Statistic: 'Average', Dimensions };
  const custom = {
    TargetValue: 50,
    CustomizedMetricSpecification: metric,
    PredefinedMetricSpecification: undefined,
    ScaleInCooldown: 60,
    ScaleOutCooldown: 30,
  };
  await scaled.call('PutScalingPolicy', { ...count, ...tracking(custom) });
  assert.equal(scaled.now.scaling?.policy, 'hold');
  await assert.rejects(
    scaled.call('PutScalingPolicy', { ...count, ...tracking(), PolicyName: 'q' }),
    refusal('ValidationException', /must be the only target tracking/),
  );
  scaled.scaling.open();
  await scaled.pass(20);
  assert.equal(scaled.now.wanted, 1, 'no data yet');
  scaled.metric = 140;
  await scaled.pass(10);
  assert.equal(scaled.now.wanted, 3);
  assert.deepEqual(scaled.metrics[0], {
    namespace: metric.Namespace,
    name: metric.MetricName,
    dimensions: { EndpointName: 'prod' },
    statistic: 'Average',
  });
  await scaled.pass(10);
  assert.equal(scaled.now.wanted, 3, 'it cools down');
  scaled.metric = 48;
  await scaled.pass(120);
  assert.equal(scaled.now.wanted, 3, 'within a tenth');
  scaled.metric = 20;
  await scaled.pass(30);
  assert.equal(scaled.now.wanted, 2);
  const [last] = (await scaled.call('DescribeScalingActivities', count)).ScalingActivities;
  assert.equal(last?.['Cause'], 'policy p was triggered: CPUUtilization is 20, target 50');
  await scaled.scaling.close();
});

describe('provisioned concurrency', () => {
  const utilization = {
    TargetValue: 0.5,
    ScaleInCooldown: 60,
    ScaleOutCooldown: 60,
    PredefinedMetricSpecification: { PredefinedMetricType: 'SageMakerVariantProvisionedConcurrencyUtilization' },
  };

  test('moves into its range at once, then tracks its use', async () => {
    const scaled = await Scaled.open();
    await scaled.register({}, warm);
    assert.equal(scaled.provisioned, 1);
    await scaled.call('PutScalingPolicy', { ...warm, ...tracking(utilization) });
    scaled.scaling.open();
    scaled.busy = 1.5;
    await scaled.pass(60);
    assert.equal(scaled.provisioned, 3);
    assert.equal(scaled.now.status, 'InService');
    scaled.busy = 9;
    await scaled.pass(60);
    assert.equal(scaled.provisioned, 4, 'no more than the maximum');
    scaled.busy = 0;
    await scaled.pass(200);
    assert.equal(scaled.provisioned, 1);
    const { ProductionVariants, EndpointConfigName } = await scaled.aws.call('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual(
      [EndpointConfigName, ProductionVariants[1].CurrentServerlessConfig],
      ['c', { MemorySizeInMB: 2048, MaxConcurrency: 5, ProvisionedConcurrency: 1 }],
    );
    await scaled.scaling.close();
  });
});

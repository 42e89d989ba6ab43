import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Aws, callOf, openAws } from '../../../test/aws-endpoint-house.ts';
import { settle } from '../../../test/deployment-house.ts';
import { openPglite } from '../../../test/pglite.ts';
import { parsePolicy } from '../../autoscaling/index.ts';
import { PlatformError } from '../../errors.ts';
import { Decisions } from '../../monitoring/index.ts';
import type { OpenDatabase } from '../../storage/index.ts';
import { AwsError, type AwsInput, type AwsOperation } from '../service.ts';
import { steppedCapacity } from './policy-rules.ts';
import type { CustomMetric } from './scaling-documents.ts';
import { ApplicationAutoScaling } from './scaling-service.ts';

/** Members of the answers that tests look at. */
interface Answer {
  readonly ScalableTargetARN: string;
  readonly PolicyARN: string;
  readonly Alarms: readonly { readonly AlarmName: string; readonly AlarmARN: string }[];
  readonly ScalableTargets: readonly Readonly<Record<string, unknown>>[];
  readonly ScalingPolicies: readonly Readonly<Record<string, unknown>>[];
  readonly ScheduledActions: readonly Readonly<Record<string, unknown>>[];
  readonly ScalingActivities: readonly Readonly<Record<string, unknown>>[];
  readonly Tags: unknown;
  readonly NextToken?: string;
}

const instances = { VariantName: 'AllTraffic', ModelName: 'digits-one', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 };
const serverless = { VariantName: 'blue', ModelName: 'digits-one', ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 5 } };
const count = {
  ServiceNamespace: 'sagemaker',
  ResourceId: 'endpoint/prod/variant/AllTraffic',
  ScalableDimension: 'sagemaker:variant:DesiredInstanceCount',
};
const warm = {
  ServiceNamespace: 'sagemaker',
  ResourceId: 'endpoint/prod/variant/blue',
  ScalableDimension: 'sagemaker:variant:DesiredProvisionedConcurrency',
};

class Scaled {
  readonly aws: Aws;
  readonly scaling: ApplicationAutoScaling;
  readonly decisions: Decisions;
  busy = 0;
  /** What is measured of any metric. */
  metric: number | null = null;
  readonly metrics: CustomMetric[] = [];

  constructor(aws: Aws) {
    this.aws = aws;
    const { db, clock, log, deployments, events } = aws.house;
    this.decisions = new Decisions(db, clock, events);
    const measure = async (metric: CustomMetric) => {
      this.metrics.push(metric);
      return this.metric;
    };
    const { decisions } = this;
    this.scaling = new ApplicationAutoScaling({ db, clock, log, deployments, decisions, busyOf: () => this.busy, measure });
  }

  static async open(database?: OpenDatabase): Promise<Scaled> {
    const scaled = new Scaled(await openAws(database));
    await scaled.aws.ask('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances, serverless] });
    await scaled.aws.ask('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    return scaled;
  }

  async ask(operation: string, input: AwsInput): Promise<Answer> {
    const answer = await (this.scaling.operations[operation] as AwsOperation)(input, callOf(operation));
    await settle();
    return answer as unknown as Answer;
  }

  register(more: object = {}, name: object = count): Promise<Answer> {
    return this.ask('RegisterScalableTarget', { ...name, MinCapacity: 1, MaxCapacity: 4, ...more });
  }

  /** Of the variant with instances. */
  get now() {
    const { config, status, generation, variants } = this.aws.house.deployments.get('prod');
    return { status, generation, wanted: variants[0]?.wanted, ready: variants[0]?.ready, scaling: config.variants[0]?.scaling };
  }

  get provisioned(): number | undefined {
    return this.aws.house.deployments.get('prod').config.variants[1]?.functions?.provisioned;
  }

  async pass(seconds: number, step = 10): Promise<void> {
    for (let i = 0; i < seconds; i += step) {
      this.aws.house.clock.advance(1000 * step);
      await settle(40);
    }
  }
}

function refusal(code: string, message: RegExp) {
  return (error: unknown) => {
    const name = error instanceof AwsError ? error.code : error instanceof PlatformError ? error.code : String(error);
    assert.deepEqual([name, message.test((error as Error).message)], [code, true], (error as Error).message);
    return true;
  };
}

const tracking = (more: object = {}) => ({
  PolicyName: 'p',
  PolicyType: 'TargetTrackingScaling',
  TargetTrackingScalingPolicyConfiguration: {
    TargetValue: 700,
    PredefinedMetricSpecification: { PredefinedMetricType: 'SageMakerVariantInvocationsPerInstance' },
    ...more,
  },
});

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

describe('a scaling policy', () => {
  test('that tracks a target is followed, and answers with two alarms', async () => {
    const scaled = await Scaled.open();
    await scaled.register();
    const { PolicyARN, Alarms } = await scaled.ask('PutScalingPolicy', { ...count, ...tracking({ ScaleInCooldown: 60 }) });
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
    const [shown] = (await scaled.ask('DescribeScalingPolicies', { ...count, PolicyNames: ['p'] })).ScalingPolicies;
    const { CreationTime, ...rest } = shown ?? {};
    assert(CreationTime instanceof Date);
    assert.deepEqual(rest, { PolicyARN, ...count, ...tracking({ ScaleInCooldown: 60 }), Alarms });
    const again = await scaled.ask('PutScalingPolicy', { ...count, ...tracking({ TargetValue: 0.5, DisableScaleIn: true }) });
    assert.deepEqual([again.PolicyARN, again.Alarms], [PolicyARN, Alarms]);
    assert.equal(scaled.now.scaling?.policy, 'track:0.5,metric=invocations,out=300s,in=never');
  });

  test('may stand beside others: the one that wants most is followed', async () => {
    const scaled = await Scaled.open();
    await scaled.register();
    await scaled.ask('PutScalingPolicy', { ...count, ...tracking() });
    const concurrency = {
      PredefinedMetricSpecification: { PredefinedMetricType: 'SageMakerVariantConcurrentRequestsPerModelHighResolution' },
    };
    await scaled.ask('PutScalingPolicy', { ...count, ...tracking({ TargetValue: 5, ...concurrency }), PolicyName: 'q' });
    const predictive = { MetricSpecifications: [{ TargetValue: 70 }], Mode: 'ForecastAndScale' };
    await scaled.ask('PutScalingPolicy', {
      ...count,
      PolicyName: 'r',
      PolicyType: 'PredictiveScaling',
      PredictiveScalingPolicyConfiguration: predictive,
    });
    const policy = parsePolicy(scaled.now.scaling?.policy ?? '');
    assert.deepEqual(policy.kind === 'largest' ? policy.policies.map(({ kind }) => kind) : policy, ['track', 'track', 'economic']);
    for (const PolicyName of ['p', 'q', 'r']) await scaled.ask('DeleteScalingPolicy', { ...count, PolicyName });
    assert.equal(scaled.now.scaling?.policy, 'hold');
    await assert.rejects(
      scaled.ask('DeleteScalingPolicy', { ...count, PolicyName: 'p' }),
      refusal('ObjectNotFoundException', /^No scaling policy found.*policy name: p$/),
    );
  });

  test('of steps waits for its alarm, then moves by what its step says, and cools down', async () => {
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
    const { PolicyARN, Alarms } = await scaled.ask('PutScalingPolicy', { ...count, PolicyName: 's', StepScalingPolicyConfiguration });
    assert.deepEqual([Alarms, scaled.now.scaling?.policy, scaled.now.wanted], [[], 'hold', 1]);
    assert.deepEqual([await scaled.scaling.hasStepPolicy(PolicyARN), await scaled.scaling.hasStepPolicy(`${PolicyARN}2`)], [true, false]);
    assert.equal(await scaled.scaling.alarmed(PolicyARN, 150), true);
    assert.equal(scaled.now.wanted, 4);
    await scaled.scaling.alarmed(PolicyARN, 150);
    assert.equal(scaled.now.wanted, 4, 'it cools down');
    scaled.aws.house.clock.advance(120_000);
    await scaled.scaling.alarmed(PolicyARN, 50);
    assert.equal(scaled.now.wanted, 5);
    assert.equal(await scaled.scaling.alarmed('arn:aws:autoscaling:other', 1), false);
    const [last] = (await scaled.ask('DescribeScalingActivities', { ServiceNamespace: 'sagemaker' })).ScalingActivities;
    assert.equal(last?.['Cause'], 'policy s was triggered by an alarm: its metric is 50 above the threshold');
  });

  for (const [what, policy, message] of [
    ['no configuration', { PolicyType: 'TargetTrackingScaling' }, /needs its TargetTrackingScalingPolicyConfiguration/],
    ['a target of nothing', tracking({ TargetValue: 0 }), /TargetValue must be above 0/],
    [
      'another metric',
      tracking({ PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' } }),
      /ECSServiceAverageCPUUtilization cannot be followed.*InvocationsPerInstance or /,
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
    test(`is refused with ${what}`, async () => {
      const scaled = await Scaled.open();
      await scaled.register();
      await assert.rejects(
        scaled.ask('PutScalingPolicy', { ...count, PolicyName: 'p', ...policy }),
        refusal('ValidationException', message),
      );
      assert.deepEqual((await scaled.ask('DescribeScalingPolicies', { ServiceNamespace: 'sagemaker' })).ScalingPolicies, []);
    });
  }

  test('needs its target', async () => {
    const scaled = await Scaled.open();
    await assert.rejects(
      scaled.ask('PutScalingPolicy', { ...count, ...tracking() }),
      refusal(
        'ObjectNotFoundException',
        /^No scalable target registered for service namespace: sagemaker, resource ID: endpoint\/prod\/variant\/AllTraffic, scalable dimension/,
      ),
    );
  });
});

test('a policy may follow any metric that is measured, by itself', async () => {
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
  await scaled.ask('PutScalingPolicy', { ...count, ...tracking(custom) });
  assert.equal(scaled.now.scaling?.policy, 'hold');
  await assert.rejects(
    scaled.ask('PutScalingPolicy', { ...count, ...tracking(), PolicyName: 'q' }),
    refusal('ValidationException', /must be the only one/),
  );
  scaled.scaling.open();
  await scaled.pass(20);
  assert.equal(scaled.now.wanted, 1, 'nothing is measured yet');
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
  const [last] = (await scaled.ask('DescribeScalingActivities', count)).ScalingActivities;
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

  test('moves into its range at once, and follows its use', async () => {
    const scaled = await Scaled.open();
    await scaled.register({}, warm);
    assert.equal(scaled.provisioned, 1);
    await scaled.ask('PutScalingPolicy', { ...warm, ...tracking(utilization) });
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
    const { ProductionVariants, EndpointConfigName } = await scaled.aws.ask('DescribeEndpoint', { EndpointName: 'prod' });
    assert.deepEqual(
      [EndpointConfigName, ProductionVariants[1].CurrentServerlessConfig],
      ['c', { MemorySizeInMB: 2048, MaxConcurrency: 5, ProvisionedConcurrency: 1 }],
    );
    await scaled.scaling.close();
  });
});

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

test('a step never leaves the side it moves to, and moves by one at least', () => {
  const kinds = fc.constantFrom('ChangeInCapacity', 'PercentChangeInCapacity', 'ExactCapacity');
  fc.assert(
    fc.property(
      kinds,
      fc.integer({ min: -300, max: 300 }),
      fc.nat(100),
      fc.integer({ min: 1, max: 9 }),
      (AdjustmentType, ScalingAdjustment, current, least) => {
        const percent = AdjustmentType === 'PercentChangeInCapacity';
        const policy = { AdjustmentType, StepAdjustments: [{ ScalingAdjustment }], ...(percent ? { MinAdjustmentMagnitude: least } : {}) };
        const capacity = steppedCapacity(policy, current, 0) as number;
        assert(Number.isInteger(capacity) && capacity >= 0);
        if (AdjustmentType === 'ExactCapacity') return;
        assert(ScalingAdjustment >= 0 ? capacity >= current : capacity <= current);
        if (ScalingAdjustment > 0) assert(capacity - current >= (percent ? least : ScalingAdjustment));
      },
    ),
  );
});

test('bounds of steps: above the threshold the lower is within, below it the upper', () => {
  const policy = (ScalingAdjustment: number, MetricIntervalLowerBound?: number, MetricIntervalUpperBound?: number) => ({
    ScalingAdjustment,
    ...(MetricIntervalLowerBound === undefined ? {} : { MetricIntervalLowerBound }),
    ...(MetricIntervalUpperBound === undefined ? {} : { MetricIntervalUpperBound }),
  });
  const StepAdjustments = [policy(-2, undefined, -10), policy(-1, -10, 0), policy(1, 0, 10), policy(2, 10)];
  const at = (above: number) => steppedCapacity({ AdjustmentType: 'ChangeInCapacity', StepAdjustments }, 5, above);
  assert.deepEqual([-20, -10, -9, 0, 9, 10, 1e9].map(at), [3, 3, 4, 6, 6, 7, 7]);
  assert.equal(steppedCapacity({ AdjustmentType: 'ExactCapacity', StepAdjustments: [policy(7, 5)] }, 5, 1), null);
});

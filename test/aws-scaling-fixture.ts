/** An endpoint with instances and functions to scale through the AWS API, with scripted workers and a virtual clock. */
import assert from 'node:assert/strict';
import type { CustomMetric } from '../src/aws/scaling/scaling-documents.ts';
import { ApplicationAutoScaling } from '../src/aws/scaling/scaling-service.ts';
import { AwsError, type AwsInput, type AwsOperation } from '../src/aws/service.ts';
import { PlatformError } from '../src/errors.ts';
import type { Decisions } from '../src/records/index.ts';
import type { OpenDatabase } from '../src/storage/index.ts';
import { type Aws, callOf, openAws } from './aws-endpoint-fixture.ts';
import { settle } from './deployment-fixture.ts';

/** Members of responses that tests check. */
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

export const instances = { VariantName: 'AllTraffic', ModelName: 'digits-one', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 };
const serverless = { VariantName: 'blue', ModelName: 'digits-one', ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 5 } };
export const count = {
  ServiceNamespace: 'sagemaker',
  ResourceId: 'endpoint/prod/variant/AllTraffic',
  ScalableDimension: 'sagemaker:variant:DesiredInstanceCount',
};
export const warm = {
  ServiceNamespace: 'sagemaker',
  ResourceId: 'endpoint/prod/variant/blue',
  ScalableDimension: 'sagemaker:variant:DesiredProvisionedConcurrency',
};

export class Scaled {
  readonly aws: Aws;
  readonly scaling: ApplicationAutoScaling;
  readonly decisions: Decisions;
  busy = 0;
  /** The value of every metric; null for no data. */
  metric: number | null = null;
  readonly metrics: CustomMetric[] = [];

  constructor(aws: Aws) {
    this.aws = aws;
    const { db, clock, log, deployments, decisions } = aws.fixture;
    this.decisions = decisions;
    const measure = async (metric: CustomMetric) => {
      this.metrics.push(metric);
      return this.metric;
    };
    this.scaling = new ApplicationAutoScaling({ db, clock, log, deployments, decisions, busyOf: () => this.busy, measure });
  }

  static async open(database?: OpenDatabase): Promise<Scaled> {
    const scaled = new Scaled(await openAws(database));
    await scaled.aws.call('CreateEndpointConfig', { EndpointConfigName: 'c', ProductionVariants: [instances, serverless] });
    await scaled.aws.call('CreateEndpoint', { EndpointName: 'prod', EndpointConfigName: 'c' });
    await settle();
    return scaled;
  }

  async call(operation: string, input: AwsInput): Promise<Answer> {
    const answer = await (this.scaling.operations[operation] as AwsOperation).run(input, callOf(operation));
    await settle();
    return answer as unknown as Answer;
  }

  register(more: object = {}, name: object = count): Promise<Answer> {
    return this.call('RegisterScalableTarget', { ...name, MinCapacity: 1, MaxCapacity: 4, ...more });
  }

  /** The state of the variant with instances. */
  get now() {
    const { config, status, generation, variants } = this.aws.fixture.deployments.get('prod');
    return { status, generation, wanted: variants[0]?.wanted, ready: variants[0]?.ready, scaling: config.variants[0]?.scaling };
  }

  get provisioned(): number | undefined {
    return this.aws.fixture.deployments.get('prod').config.variants[1]?.functions?.provisioned;
  }

  async pass(seconds: number, step = 10): Promise<void> {
    for (let i = 0; i < seconds; i += step) {
      this.aws.fixture.clock.advance(1000 * step);
      await settle(40);
    }
  }
}

export function refusal(code: string, message: RegExp) {
  return (error: unknown) => {
    const name = error instanceof AwsError ? error.code : error instanceof PlatformError ? error.code : String(error);
    assert.deepEqual([name, message.test((error as Error).message)], [code, true], (error as Error).message);
    return true;
  };
}

export const tracking = (more: object = {}) => ({
  PolicyName: 'p',
  PolicyType: 'TargetTrackingScaling',
  TargetTrackingScalingPolicyConfiguration: {
    TargetValue: 700,
    PredefinedMetricSpecification: { PredefinedMetricType: 'SageMakerVariantInvocationsPerInstance' },
    ...more,
  },
});

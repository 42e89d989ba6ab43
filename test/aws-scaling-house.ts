/** An endpoint with instances and functions, which AWS's clients scale, in a scripted world. */
import assert from 'node:assert/strict';
import type { CustomMetric } from '../src/aws/scaling/scaling-documents.ts';
import { ApplicationAutoScaling } from '../src/aws/scaling/scaling-service.ts';
import { AwsError, type AwsInput, type AwsOperation } from '../src/aws/service.ts';
import { PlatformError } from '../src/errors.ts';
import { Decisions } from '../src/monitoring/index.ts';
import type { OpenDatabase } from '../src/storage/index.ts';
import { type Aws, callOf, openAws } from './aws-endpoint-house.ts';
import { settle } from './deployment-house.ts';

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

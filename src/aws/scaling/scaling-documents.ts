/** The stored state of Application Auto Scaling: one document for each scalable target, with its policies and scheduled actions. */
import { AwsError, type AwsLocation } from '../service.ts';

/** The number of instances of a variant. */
export const countDimension = 'sagemaker:variant:DesiredInstanceCount';
/** The functions of a serverless variant that stay warm. */
export const provisionedDimension = 'sagemaker:variant:DesiredProvisionedConcurrency';
/** What a scalable target scales. */
export type Dimension = typeof countDimension | typeof provisionedDimension;

/** Which kinds of scaling a client has paused. Their policies stay. */
export interface SuspendedState {
  readonly DynamicScalingInSuspended?: boolean;
  readonly DynamicScalingOutSuspended?: boolean;
  readonly ScheduledScalingSuspended?: boolean;
}

/** A target tracking configuration, as it was sent. Cooldowns are seconds. */
export interface TargetTracking {
  readonly TargetValue: number;
  readonly PredefinedMetricSpecification?: { readonly PredefinedMetricType: string };
  readonly CustomizedMetricSpecification?: Readonly<Record<string, unknown>>;
  readonly ScaleOutCooldown?: number;
  readonly ScaleInCooldown?: number;
  readonly DisableScaleIn?: boolean;
}

/** The metric of a `CustomizedMetricSpecification`. */
export interface CustomMetric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: 'Average' | 'Minimum' | 'Maximum' | 'SampleCount' | 'Sum';
}

/** A step. Its bounds are relative to the threshold of the alarm; an absent one is infinite. */
export interface StepAdjustment {
  readonly MetricIntervalLowerBound?: number;
  readonly MetricIntervalUpperBound?: number;
  readonly ScalingAdjustment: number;
}

/** A step scaling configuration, as it was sent. */
export interface StepScaling {
  readonly AdjustmentType?: 'ChangeInCapacity' | 'PercentChangeInCapacity' | 'ExactCapacity';
  readonly StepAdjustments?: readonly StepAdjustment[];
  readonly MinAdjustmentMagnitude?: number;
  /** Seconds. */
  readonly Cooldown?: number;
  readonly MetricAggregationType?: string;
}

/** A predictive scaling configuration, as it was sent. */
export interface PredictiveScaling {
  readonly MetricSpecifications: readonly Readonly<Record<string, unknown>>[];
  readonly Mode?: 'ForecastOnly' | 'ForecastAndScale';
}

/** A policy of a target. The member of its type is set. */
export interface PolicyDocument {
  readonly name: string;
  readonly id: string;
  readonly createdAtMs: number;
  readonly type: 'TargetTrackingScaling' | 'StepScaling' | 'PredictiveScaling';
  readonly targetTracking?: TargetTracking;
  readonly stepScaling?: StepScaling;
  readonly predictiveScaling?: PredictiveScaling;
  /** Ids of the two alarms of a target tracking policy. */
  readonly alarms?: { readonly high: string; readonly low: string };
  /** Wall time of its last step, for the cooldown. */
  readonly steppedAtMs?: number;
}

/** A scheduled action. Times are epoch milliseconds; omitted limits do not change. */
export interface ActionDocument {
  readonly name: string;
  readonly id: string;
  readonly createdAtMs: number;
  readonly schedule: string;
  readonly zone?: string;
  readonly startMs?: number;
  readonly endMs?: number;
  readonly min?: number;
  readonly max?: number;
  /** Due times up to this wall time have been handled. */
  readonly observedMs: number;
}

/** A change that was not a scaling decision: by a schedule, an alarm or an API call. */
export interface ActivityDocument {
  readonly id: string;
  readonly atMs: number;
  readonly cause: string;
  readonly capacity: number;
}

/** A scalable target: one dimension of one variant. */
export interface TargetDocument {
  readonly endpoint: string;
  readonly variant: string;
  readonly dimension: Dimension;
  /** The last part of its ARN. */
  readonly id: string;
  readonly createdAtMs: number;
  readonly min: number;
  readonly max: number;
  readonly role: string | null;
  readonly suspended: SuspendedState;
  readonly policies: readonly PolicyDocument[];
  readonly actions: readonly ActionDocument[];
  readonly activities: readonly ActivityDocument[];
  readonly tags: Readonly<Record<string, string>>;
}

/** Identifies a scalable target in a call. */
export interface TargetName {
  readonly endpoint: string;
  readonly variant: string;
  readonly dimension: Dimension;
}

const namePattern = '[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}';
const resourcePattern = new RegExp(`^endpoint/(${namePattern})/variant/(${namePattern})$`);

/** `endpoint/prod/variant/AllTraffic` */
export function resourceIdOf({ endpoint, variant }: Pick<TargetName, 'endpoint' | 'variant'>): string {
  return `endpoint/${endpoint}/variant/${variant}`;
}

/** Throws `ValidationException` for an unsupported namespace, dimension or resource. */
export function readTargetName(input: Readonly<Record<string, unknown>>): TargetName {
  const { ResourceId, ScalableDimension } = input;
  checkNamespace(input);
  if (ScalableDimension !== countDimension && ScalableDimension !== provisionedDimension) {
    throw validationError(
      `ScalableDimension '${String(ScalableDimension)}' is not supported: expected ${countDimension} or ${provisionedDimension}.`,
    );
  }
  const resource = String(ResourceId);
  const [, endpoint, variant] = resource.length <= 200 ? (resourcePattern.exec(resource) ?? []) : [];
  if (endpoint === undefined || variant === undefined) {
    throw validationError(`ResourceId '${resource.slice(0, 200)}' is not a variant: expected endpoint/NAME/variant/NAME.`);
  }
  return { endpoint, variant, dimension: ScalableDimension };
}

/** Throws `ValidationException`. */
export function checkNamespace({ ServiceNamespace }: Readonly<Record<string, unknown>>): void {
  if (ServiceNamespace !== 'sagemaker')
    throw validationError(`ServiceNamespace '${String(ServiceNamespace)}' is not supported: expected sagemaker.`);
}

export function targetArn({ region, account }: AwsLocation, { id }: Pick<TargetDocument, 'id'>): string {
  return `arn:aws:application-autoscaling:${region}:${account}:scalable-target/${id}`;
}

export function policyArn({ region, account }: AwsLocation, target: TargetName, { id, name }: PolicyDocument): string {
  return `arn:aws:autoscaling:${region}:${account}:scalingPolicy:${id}:resource/sagemaker/${resourceIdOf(target)}:policyName/${name}`;
}

export function actionArn({ region, account }: AwsLocation, target: TargetName, { id, name }: ActionDocument): string {
  return `arn:aws:autoscaling:${region}:${account}:scheduledAction:${id}:resource/sagemaker/${resourceIdOf(target)}:scheduledActionName/${name}`;
}

/** The two alarms of a target tracking policy; other policies have none. */
export function alarmsOf({ region, account }: AwsLocation, target: TargetName, { alarms }: PolicyDocument) {
  if (alarms === undefined) return [];
  return (['High', 'Low'] as const).map((side) => {
    const AlarmName = `TargetTracking-${resourceIdOf(target)}-Alarm${side}-${side === 'High' ? alarms.high : alarms.low}`;
    return { AlarmName, AlarmARN: `arn:aws:cloudwatch:${region}:${account}:alarm:${AlarmName}` };
  });
}

export function validationError(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

/** AWS's message for a missing target, policy or scheduled action. */
export function notFound(target: TargetName, what = 'scalable target registered', more = ''): AwsError {
  const { dimension } = target;
  const text = `No ${what} for service namespace: sagemaker, resource ID: ${resourceIdOf(target)}, scalable dimension: ${dimension}${more}`;
  return new AwsError('ObjectNotFoundException', text);
}

/** Validates AWS scaling policies and translates them to Penstock policies. Pure. */
import type { ScalingConfig } from '../../deployment/index.ts';
import {
  type CustomMetric,
  type Dimension,
  type PolicyDocument,
  type PredictiveScaling,
  provisionedDimension,
  type StepAdjustment,
  type StepScaling,
  type SuspendedState,
  type TargetDocument,
  type TargetTracking,
  validationError,
} from './scaling-documents.ts';

const cooldownSecondsDefault = 300;
const cooldownSecondsMax = 86_400;
/** AWS's limit. */
const stepsMax = 20;

/** AWS's predefined metrics of instances, and the metric of our `track` policy. */
const instanceMetrics: Readonly<Record<string, string>> = {
  SageMakerVariantInvocationsPerInstance: 'invocations',
  SageMakerVariantConcurrentRequestsPerModelHighResolution: 'concurrency',
};
const provisionedMetric = 'SageMakerVariantProvisionedConcurrencyUtilization';

/** Throws `ValidationException`. */
export function checkPolicy(policy: PolicyDocument, dimension: Dimension): void {
  const { type, targetTracking, stepScaling, predictiveScaling } = policy;
  if (type === 'TargetTrackingScaling') return checkTargetTracking(requiredConfiguration(type, targetTracking), dimension);
  if (type === 'StepScaling') return checkStepScaling(requiredConfiguration(type, stepScaling));
  const { MetricSpecifications } = requiredConfiguration(type, predictiveScaling);
  if (dimension === provisionedDimension)
    throw validationError('PredictiveScaling applies to instances and not to provisioned concurrency.');
  if (MetricSpecifications.length !== 1) throw validationError('A PredictiveScaling policy requires exactly one MetricSpecification.');
}

function requiredConfiguration<Configuration>(type: string, configuration: Configuration | undefined): Configuration {
  if (configuration === undefined)
    throw validationError(`A policy of type ${type} requires ${type.replace(/Scaling$/, '')}ScalingPolicyConfiguration.`);
  return configuration;
}

function checkTargetTracking(tracking: TargetTracking, dimension: Dimension): void {
  const { TargetValue, PredefinedMetricSpecification: predefined, CustomizedMetricSpecification: customized } = tracking;
  if ((predefined === undefined) === (customized === undefined)) {
    throw validationError(
      'A target tracking policy requires exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification.',
    );
  }
  const metrics = dimension === provisionedDimension ? [provisionedMetric] : Object.keys(instanceMetrics);
  const isKnown = metrics.includes(metricOf(tracking) ?? '');
  const isMeasured = dimension !== provisionedDimension && customMetricOf(tracking) !== null;
  if (!isKnown && !isMeasured) {
    throw validationError(
      `The metric ${predefined?.PredefinedMetricType ?? 'of this CustomizedMetricSpecification'} is not supported for ${dimension}: ` +
        `expected PredefinedMetricType ${metrics.join(' or ')}, or, for instances, one metric by Namespace, MetricName and Statistic.`,
    );
  }
  if (!(TargetValue > 0 && TargetValue <= 1e9))
    throw validationError(`TargetValue must be above 0 and at most 1000000000, got ${TargetValue}.`);
  for (const [name, seconds = 0] of [
    ['ScaleOutCooldown', tracking.ScaleOutCooldown],
    ['ScaleInCooldown', tracking.ScaleInCooldown],
  ] as const) {
    if (!(seconds >= 0 && seconds <= cooldownSecondsMax))
      throw validationError(`${name} must be 0 to ${cooldownSecondsMax} seconds, got ${seconds}.`);
  }
}

/** The tracked predefined metric. Includes customized metrics that equal a predefined one; null for all others. */
export function metricOf({
  PredefinedMetricSpecification: predefined,
  CustomizedMetricSpecification: customized,
}: TargetTracking): string | null {
  if (predefined !== undefined) return predefined.PredefinedMetricType;
  const { Namespace, MetricName, Statistic } = customized ?? {};
  const isInvocations = Namespace === 'AWS/SageMaker' && MetricName === 'InvocationsPerInstance' && Statistic === 'Sum';
  return isInvocations ? 'SageMakerVariantInvocationsPerInstance' : null;
}

/** The metric of a customized specification; null if it equals a predefined one or is an expression of several metrics. */
export function customMetricOf(tracking: TargetTracking): CustomMetric | null {
  const { Namespace, MetricName, Statistic, Dimensions = [] } = tracking.CustomizedMetricSpecification ?? {};
  if (metricOf(tracking) !== null || typeof Namespace !== 'string' || typeof MetricName !== 'string' || !isStatistic(Statistic))
    return null;
  const dimensions = Object.fromEntries((Dimensions as { Name: string; Value: string }[]).map(({ Name, Value }) => [Name, Value]));
  return { namespace: Namespace, name: MetricName, dimensions, statistic: Statistic };
}

function isStatistic(text: unknown): text is CustomMetric['statistic'] {
  return typeof text === 'string' && ['Average', 'Minimum', 'Maximum', 'SampleCount', 'Sum'].includes(text);
}

/** Throws `ValidationException` if a customized metric is combined with another continuous policy: the two would fight. */
export function checkCompatible(policies: readonly PolicyDocument[]): void {
  const isCustom = ({ targetTracking }: PolicyDocument) => targetTracking !== undefined && customMetricOf(targetTracking) !== null;
  const custom = policies.filter(isCustom);
  if (custom.length > 1 || (custom.length === 1 && policyText({ policies }) !== 'hold')) {
    throw validationError(
      'A policy on a customized metric must be the only target tracking or predictive policy. Delete the other one first.',
    );
  }
}

function checkStepScaling({ AdjustmentType, StepAdjustments: steps = [], MinAdjustmentMagnitude, Cooldown = 0 }: StepScaling): void {
  if (AdjustmentType === undefined) throw validationError('A step scaling policy requires an AdjustmentType.');
  if (steps.length === 0 || steps.length > stepsMax)
    throw validationError(`A step scaling policy requires 1 to ${stepsMax} StepAdjustments, got ${steps.length}.`);
  if (MinAdjustmentMagnitude !== undefined && AdjustmentType !== 'PercentChangeInCapacity') {
    throw validationError('MinAdjustmentMagnitude requires the AdjustmentType PercentChangeInCapacity.');
  }
  if (!(Cooldown >= 0 && Cooldown <= cooldownSecondsMax))
    throw validationError(`Cooldown must be 0 to ${cooldownSecondsMax} seconds, got ${Cooldown}.`);
  const sorted = steps.map(boundsOf).sort((a, b) => a.lower - b.lower || a.upper - b.upper);
  for (const [index, { lower, upper }] of sorted.entries()) {
    if (!(lower < upper)) throw validationError(`The lower bound of a step must be less than its upper bound, got ${lower} and ${upper}.`);
    const next = sorted[index + 1];
    if (next !== undefined && next.lower !== upper)
      throw validationError(`Steps must neither overlap nor leave a gap: one ends at ${upper}, the next begins at ${next.lower}.`);
  }
}

/** A missing bound is infinite. */
function boundsOf({ MetricIntervalLowerBound: lower, MetricIntervalUpperBound: upper }: StepAdjustment) {
  return { lower: lower ?? Number.NEGATIVE_INFINITY, upper: upper ?? Number.POSITIVE_INFINITY };
}

/**
 * The capacity that a step scaling policy sets; null if no step matches. `delta` is the metric minus the threshold. A step above
 * the threshold includes its lower bound; a step below the threshold includes its upper bound.
 */
export function steppedCapacity(
  { AdjustmentType, StepAdjustments: steps = [], MinAdjustmentMagnitude = 1 }: StepScaling,
  current: number,
  delta: number,
): number | null {
  const step = steps.find((each) => {
    const { lower, upper } = boundsOf(each);
    return delta >= 0 ? lower <= delta && delta < upper : lower < delta && delta <= upper;
  });
  if (step === undefined) return null;
  const { ScalingAdjustment: by } = step;
  if (AdjustmentType === 'ExactCapacity') return Math.max(0, by);
  if (AdjustmentType === 'ChangeInCapacity') return Math.max(0, current + by);
  // AWS rounds percentages towards zero, except that a change moves by at least one.
  const change = Math.trunc((current * by) / 100);
  const least = by === 0 ? 0 : Math.sign(by) * Math.max(1, MinAdjustmentMagnitude);
  return Math.max(0, current + (Math.abs(change) >= Math.abs(least) ? change : least));
}

/** The Penstock policy equivalent to a target's policies; `hold` if none of them acts continuously. */
export function policyText({ policies }: Pick<TargetDocument, 'policies'>): string {
  const texts = policies.flatMap(({ type, targetTracking, predictiveScaling }) => {
    if (type === 'TargetTrackingScaling' && targetTracking !== undefined) {
      return customMetricOf(targetTracking) === null ? [trackText(targetTracking)] : [];
    }
    return type === 'PredictiveScaling' && isActing(predictiveScaling) ? ['economic'] : [];
  });
  return texts.length === 0 ? 'hold' : [...new Set(texts)].join(' | ');
}

function isActing(predictive: PredictiveScaling | undefined): boolean {
  return predictive?.Mode === 'ForecastAndScale';
}

function trackText(tracking: TargetTracking): string {
  const { TargetValue, DisableScaleIn = false } = tracking;
  const { ScaleOutCooldown = cooldownSecondsDefault, ScaleInCooldown = cooldownSecondsDefault } = tracking;
  const metric = instanceMetrics[metricOf(tracking) ?? ''] ?? 'invocations';
  return `track:${plain(TargetValue)},metric=${metric},out=${ScaleOutCooldown}s,in=${DisableScaleIn ? 'never' : `${ScaleInCooldown}s`}`;
}

/** Formats without an exponent, which policy texts do not allow. */
function plain(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, '');
}

/** The directions that suspended scaling leaves; undefined if none is suspended. */
export function directionsOf({
  DynamicScalingInSuspended: inSuspended,
  DynamicScalingOutSuspended: outSuspended,
}: SuspendedState): ScalingConfig['directions'] {
  if (inSuspended === true) return outSuspended === true ? 'none' : 'out';
  return outSuspended === true ? 'in' : undefined;
}

/** The inverse of `directionsOf`. */
export function suspendedOf(directions: ScalingConfig['directions'] = 'both'): SuspendedState {
  return {
    DynamicScalingInSuspended: directions === 'out' || directions === 'none',
    DynamicScalingOutSuspended: directions === 'in' || directions === 'none',
  };
}

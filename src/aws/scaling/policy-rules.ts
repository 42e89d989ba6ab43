/** Scaling policies of AWS: whether they can be followed, and which policy of ours follows them. Pure. */
import type { ScalingConfig } from '../../deployment/index.ts';
import {
  type CustomMetric,
  type Dimension,
  type PolicyDocument,
  type PredictiveScaling,
  provisionedDimension,
  refused,
  type StepAdjustment,
  type StepScaling,
  type SuspendedState,
  type TargetDocument,
  type TargetTracking,
} from './scaling-documents.ts';

const cooldownSecondsDefault = 300;
const cooldownSecondsMax = 86_400;
const stepsMax = 20;

/** What of a variant's instances is tracked, by the names of AWS's metrics. */
const instanceMetrics: Readonly<Record<string, string>> = {
  SageMakerVariantInvocationsPerInstance: 'invocations',
  SageMakerVariantConcurrentRequestsPerModelHighResolution: 'concurrency',
};
const provisionedMetric = 'SageMakerVariantProvisionedConcurrencyUtilization';

/** Throws `ValidationException`. */
export function checkPolicy(policy: PolicyDocument, dimension: Dimension): void {
  const { type, targetTracking, stepScaling, predictiveScaling } = policy;
  if (type === 'TargetTrackingScaling') return checkTargetTracking(given(type, targetTracking), dimension);
  if (type === 'StepScaling') return checkStepScaling(given(type, stepScaling));
  const { MetricSpecifications } = given(type, predictiveScaling);
  if (dimension === provisionedDimension) throw refused('PredictiveScaling plans instances: it cannot plan provisioned concurrency.');
  if (MetricSpecifications.length !== 1) throw refused('A PredictiveScaling policy has exactly one MetricSpecification.');
}

function given<Configuration>(type: string, configuration: Configuration | undefined): Configuration {
  if (configuration === undefined)
    throw refused(`A policy of type ${type} needs its ${type.replace(/Scaling$/, '')}ScalingPolicyConfiguration.`);
  return configuration;
}

function checkTargetTracking(tracking: TargetTracking, dimension: Dimension): void {
  const { TargetValue, PredefinedMetricSpecification: predefined, CustomizedMetricSpecification: customized } = tracking;
  if ((predefined === undefined) === (customized === undefined)) {
    throw refused('A target tracking policy has exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification.');
  }
  const metrics = dimension === provisionedDimension ? [provisionedMetric] : Object.keys(instanceMetrics);
  const isKnown = metrics.includes(metricOf(tracking) ?? '');
  const isMeasured = dimension !== provisionedDimension && customMetricOf(tracking) !== null;
  if (!isKnown && !isMeasured) {
    throw refused(
      `The metric ${predefined?.PredefinedMetricType ?? 'of this CustomizedMetricSpecification'} cannot be followed for ${dimension}: ` +
        `expected the PredefinedMetricType ${metrics.join(' or ')}, or of instances one metric by Namespace, MetricName and Statistic.`,
    );
  }
  if (!(TargetValue > 0 && TargetValue <= 1e9)) throw refused(`TargetValue must be above 0 and at most 1000000000, got ${TargetValue}.`);
  for (const [name, seconds = 0] of [
    ['ScaleOutCooldown', tracking.ScaleOutCooldown],
    ['ScaleInCooldown', tracking.ScaleInCooldown],
  ] as const) {
    if (!(seconds >= 0 && seconds <= cooldownSecondsMax))
      throw refused(`${name} must be 0 to ${cooldownSecondsMax} seconds, got ${seconds}.`);
  }
}

/** The predefined metric that is tracked, or that a customized one amounts to; null where it is another. */
export function metricOf({
  PredefinedMetricSpecification: predefined,
  CustomizedMetricSpecification: customized,
}: TargetTracking): string | null {
  if (predefined !== undefined) return predefined.PredefinedMetricType;
  const { Namespace, MetricName, Statistic } = customized ?? {};
  const isInvocations = Namespace === 'AWS/SageMaker' && MetricName === 'InvocationsPerInstance' && Statistic === 'Sum';
  return isInvocations ? 'SageMakerVariantInvocationsPerInstance' : null;
}

/** The metric that a policy names by itself, to be looked up; null where it is one that is known here, or an expression of several. */
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

/** Throws `ValidationException` where a metric of its own is followed beside another policy that acts all the time. */
export function checkTogether(policies: readonly PolicyDocument[]): void {
  const isCustom = ({ targetTracking }: PolicyDocument) => targetTracking !== undefined && customMetricOf(targetTracking) !== null;
  const custom = policies.filter(isCustom);
  if (custom.length > 1 || (custom.length === 1 && policyText({ policies }) !== 'hold')) {
    throw refused('A policy on a customized metric must be the only one that tracks a target or forecasts: delete the other first.');
  }
}

function checkStepScaling({ AdjustmentType, StepAdjustments: steps = [], MinAdjustmentMagnitude, Cooldown = 0 }: StepScaling): void {
  if (AdjustmentType === undefined) throw refused('A step scaling policy needs an AdjustmentType.');
  if (steps.length === 0 || steps.length > stepsMax)
    throw refused(`A step scaling policy has 1 to ${stepsMax} StepAdjustments, got ${steps.length}.`);
  if (MinAdjustmentMagnitude !== undefined && AdjustmentType !== 'PercentChangeInCapacity') {
    throw refused('MinAdjustmentMagnitude goes with the AdjustmentType PercentChangeInCapacity alone.');
  }
  if (!(Cooldown >= 0 && Cooldown <= cooldownSecondsMax))
    throw refused(`Cooldown must be 0 to ${cooldownSecondsMax} seconds, got ${Cooldown}.`);
  const sorted = steps.map(boundsOf).sort((a, b) => a.lower - b.lower || a.upper - b.upper);
  for (const [index, { lower, upper }] of sorted.entries()) {
    if (!(lower < upper)) throw refused(`The lower bound of a step must be less than its upper bound, got ${lower} and ${upper}.`);
    const next = sorted[index + 1];
    if (next !== undefined && next.lower !== upper)
      throw refused(`Steps must neither overlap nor leave a gap: one ends at ${upper}, the next begins at ${next.lower}.`);
  }
}

function boundsOf({ MetricIntervalLowerBound: lower, MetricIntervalUpperBound: upper }: StepAdjustment) {
  return { lower: lower ?? Number.NEGATIVE_INFINITY, upper: upper ?? Number.POSITIVE_INFINITY };
}

/**
 * The capacity that a step scaling policy sets where its alarm's metric is so much above the threshold, or below it; null where no
 * step covers that. Above, a step holds from its lower bound on up to its upper one; below, the other way round.
 */
export function steppedCapacity(
  { AdjustmentType, StepAdjustments: steps = [], MinAdjustmentMagnitude = 1 }: StepScaling,
  current: number,
  above: number,
): number | null {
  const step = steps.find((each) => {
    const { lower, upper } = boundsOf(each);
    return above >= 0 ? lower <= above && above < upper : lower < above && above <= upper;
  });
  if (step === undefined) return null;
  const { ScalingAdjustment: by } = step;
  if (AdjustmentType === 'ExactCapacity') return Math.max(0, by);
  if (AdjustmentType === 'ChangeInCapacity') return Math.max(0, current + by);
  // Towards zero, but at least by one: half of an instance is none, or one.
  const change = Math.trunc((current * by) / 100);
  const least = by === 0 ? 0 : Math.sign(by) * Math.max(1, MinAdjustmentMagnitude);
  return Math.max(0, current + (Math.abs(change) >= Math.abs(least) ? change : least));
}

/** The policy of ours that does what a target's policies say; `hold` where they leave the number to others. */
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

/** Without an exponent. */
function plain(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, '');
}

export function directionsOf({
  DynamicScalingInSuspended: noIn,
  DynamicScalingOutSuspended: noOut,
}: SuspendedState): ScalingConfig['directions'] {
  if (noIn === true) return noOut === true ? 'none' : 'out';
  return noOut === true ? 'in' : undefined;
}

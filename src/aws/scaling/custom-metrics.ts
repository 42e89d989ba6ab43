/** Target tracking on a customized metric: capacity times metric divided by target, from the last full minute. */
import { nameKey } from '../../names.ts';
import { customMetricOf } from './policy-rules.ts';
import { type CustomMetric, resourceIdOf } from './scaling-documents.ts';
import type { ScalableTarget } from './targets.ts';

/** The metric's value over the minute before `untilMs`; null if it has no data. */
export type MeasureMetric = (metric: CustomMetric, untilMs: number) => Promise<number | null>;

/** The new capacity, and its cause as shown in scaling activities. */
export interface DesiredCapacity {
  readonly capacity: number;
  readonly cause: string;
}

/** Scales in only below 90 % of the target, like AWS's AlarmLow. */
const belowShare = 0.9;
const cooldownSecondsDefault = 300;

export class CustomMetrics {
  readonly #measure: MeasureMetric;
  /** Times of the last scale-out and scale-in, by resource id in lower case. */
  readonly #moved = new Map<string, { readonly moreAtMs: number; readonly fewerAtMs: number }>();

  constructor(measure: MeasureMetric) {
    this.#measure = measure;
  }

  /** null if the capacity does not change. */
  async desiredCapacity({ document, view, variant }: ScalableTarget, nowMs: number): Promise<DesiredCapacity | null> {
    const policy = document.policies.find(({ targetTracking }) => targetTracking !== undefined && customMetricOf(targetTracking) !== null);
    const tracking = policy?.targetTracking;
    const metric = tracking === undefined ? null : customMetricOf(tracking);
    if (policy === undefined || tracking === undefined || metric === null) return null;
    const current = view.variants.find(({ name }) => nameKey(name) === nameKey(variant.name))?.wanted ?? variant.instanceCount;
    const value = await this.#measure(metric, nowMs);
    if (value === null || current === 0) return null;
    const key = resourceIdOf(document).toLowerCase();
    const never = Number.NEGATIVE_INFINITY;
    const { moreAtMs, fewerAtMs } = this.#moved.get(key) ?? { moreAtMs: never, fewerAtMs: never };
    const {
      TargetValue,
      DisableScaleIn = false,
      ScaleInCooldown = cooldownSecondsDefault,
      ScaleOutCooldown = cooldownSecondsDefault,
    } = tracking;
    const { DynamicScalingInSuspended: noIn = false, DynamicScalingOutSuspended: noOut = false } = document.suspended;
    const needed = Math.min(document.max, Math.max(document.min, Math.ceil((current * value) / TargetValue - 1e-9)));
    const isOutCooling = nowMs - moreAtMs < 1000 * ScaleOutCooldown;
    // A metric lags behind capacity: scaling again during the cooldown would react to the same load twice.
    const mayMore = !noOut && !isOutCooling;
    const mayFewer =
      !noIn && !DisableScaleIn && !isOutCooling && nowMs - fewerAtMs >= 1000 * ScaleInCooldown && value < belowShare * TargetValue;
    if (needed === current || (needed > current ? !mayMore : !mayFewer)) return null;
    this.#moved.set(key, needed > current ? { moreAtMs: nowMs, fewerAtMs } : { moreAtMs, fewerAtMs: nowMs });
    const cause = `policy ${policy.name} was triggered: ${metric.name} is ${Number(value.toPrecision(4))}, target ${TargetValue}`;
    return { capacity: needed, cause };
  }
}

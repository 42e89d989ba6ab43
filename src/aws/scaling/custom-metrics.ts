/** How many instances a customized metric asks for: capacity times metric by target, over the last minute that was measured. */
import { keyOf } from '../../registry/index.ts';
import { customMetricOf } from './policy-rules.ts';
import { type CustomMetric, resourceIdOf } from './scaling-documents.ts';
import type { ScalableTarget } from './targets.ts';

/** What a metric was over the minute before; null where nothing was measured. */
export type MeasureMetric = (metric: CustomMetric, untilMs: number) => Promise<number | null>;

export interface Wanted {
  readonly capacity: number;
  readonly cause: string;
}

const belowShare = 0.9;
const cooldownSecondsDefault = 300;

export class CustomMetrics {
  readonly #measure: MeasureMetric;
  /** When a target was last moved, by its resource. */
  readonly #moved = new Map<string, { readonly moreAtMs: number; readonly fewerAtMs: number }>();

  constructor(measure: MeasureMetric) {
    this.#measure = measure;
  }

  /** null: nothing is to be changed. */
  async wanted({ document, view, variant }: ScalableTarget, nowMs: number): Promise<Wanted | null> {
    const policy = document.policies.find(({ targetTracking }) => targetTracking !== undefined && customMetricOf(targetTracking) !== null);
    const tracking = policy?.targetTracking;
    const metric = tracking === undefined ? null : customMetricOf(tracking);
    if (policy === undefined || tracking === undefined || metric === null) return null;
    const have = view.variants.find(({ name }) => keyOf(name) === keyOf(variant.name))?.wanted ?? variant.instanceCount;
    const value = await this.#measure(metric, nowMs);
    if (value === null || have === 0) return null;
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
    const needed = Math.min(document.max, Math.max(document.min, Math.ceil((have * value) / TargetValue - 1e-9)));
    const isOutCooling = nowMs - moreAtMs < 1000 * ScaleOutCooldown;
    // A metric follows capacity only after a while: to move again before would be to move for the same reason twice.
    const mayMore = !noOut && !isOutCooling;
    const mayFewer =
      !noIn && !DisableScaleIn && !isOutCooling && nowMs - fewerAtMs >= 1000 * ScaleInCooldown && value < belowShare * TargetValue;
    if (needed === have || (needed > have ? !mayMore : !mayFewer)) return null;
    this.#moved.set(key, needed > have ? { moreAtMs: nowMs, fewerAtMs } : { moreAtMs, fewerAtMs: nowMs });
    const cause = `policy ${policy.name} was triggered: ${metric.name} is ${Number(value.toPrecision(4))}, target ${TargetValue}`;
    return { capacity: needed, cause };
  }
}

/** What the forecaster of a predictive policy says of the time to come, as GetPredictiveScalingForecast tells it. Pure. */
import type { ScalingInputs } from '../../autoscaling/index.ts';
import type { Decision } from '../../monitoring/index.ts';
import { refused, type TargetDocument } from './scaling-documents.ts';

/** The utilisation that is planned for. */
const utilisation = 0.85;

export interface Within {
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * By the last decision: the requests of each slot that it looked at, and the instances that they need. Throws `ValidationException`
 * where there is no such policy, or nothing is foreseen yet.
 */
export function forecastOf(target: TargetDocument, policyName: string, decision: Decision | null, { fromMs, untilMs }: Within) {
  const policy = target.policies.find(({ name, type }) => name === policyName && type === 'PredictiveScaling');
  if (policy === undefined) throw refused(`There is no PredictiveScaling policy ${policyName}.`);
  if (!(untilMs > fromMs)) throw refused('EndTime must be later than StartTime.');
  const { forecast = null, slotMs = 0, types = {} } = (decision?.inputs ?? {}) as Partial<ScalingInputs>;
  if (decision === null || forecast === null) {
    throw refused(
      `Nothing is foreseen by policy ${policyName} yet: it is once requests have been counted, and the policy may act (ForecastAndScale).`,
    );
  }
  const [type] = Object.values(types);
  const perSlot = (type?.ratePerSecond ?? 0) * (slotMs / 1000) * utilisation;
  const slots = forecast.horizons
    .map((h, index) => ({ atMs: decision.atMs + h * slotMs, requests: Math.max(0, forecast.mean[index] ?? 0) }))
    .filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
  const Timestamps = slots.map(({ atMs }) => new Date(atMs));
  const capacity = (requests: number): number =>
    Math.min(target.max, Math.max(target.min, perSlot > 0 ? Math.ceil(requests / perSlot) : 0));
  const [MetricSpecification] = policy.predictiveScaling?.MetricSpecifications ?? [];
  return {
    LoadForecast: [{ Timestamps, Values: slots.map(({ requests }) => requests), MetricSpecification }],
    CapacityForecast: { Timestamps, Values: slots.map(({ requests }) => capacity(requests)) },
    UpdateTime: new Date(decision.atMs),
  };
}

/** The forecast of a predictive policy in the format of GetPredictiveScalingForecast. Pure. */
import type { ScalingInputs } from '../../autoscaling/index.ts';
import type { Decision } from '../../records/index.ts';
import { type TargetDocument, validationError } from './scaling-documents.ts';

/** The share of an instance's throughput that a plan uses. */
const utilisation = 0.85;

/** The requested time range, as wall time. */
export interface ForecastRange {
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * From the last decision: the requests forecast for each slot, and the instances they need. Throws `ValidationException` if there is
 * no such policy or no forecast yet.
 */
export function forecastOf(target: TargetDocument, policyName: string, decision: Decision | null, { fromMs, untilMs }: ForecastRange) {
  const policy = target.policies.find(({ name, type }) => name === policyName && type === 'PredictiveScaling');
  if (policy === undefined) throw validationError(`PredictiveScaling policy ${policyName} does not exist.`);
  if (!(untilMs > fromMs)) throw validationError('EndTime must be later than StartTime.');
  const { forecast = null, slotMs = 0, types = {} } = (decision?.inputs ?? {}) as Partial<ScalingInputs>;
  if (decision === null || forecast === null) {
    throw validationError(`Policy ${policyName} has no forecast yet: it requires traffic and Mode ForecastAndScale.`);
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

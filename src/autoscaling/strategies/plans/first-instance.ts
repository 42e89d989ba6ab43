/**
 * When to start a first instance alongside functions that have served alone, while little is known about the load. A forecast
 * with few residuals repeats the last slot, so after each burst it requests an instance that becomes ready when the burst is
 * over. Until it has enough residuals, this is the ski-rental problem of renting or buying. An instance is started once it would
 * recently have saved the cost of a wasted start. Sustained loads get an instance a few slots later; short bursts get none.
 */
import type { PricedType } from './plan-cost.ts';

/** From this number of residuals on, and after an hour of slots, the forecast alone decides. */
const errorsForTrust = 60;
const hourMs = 3_600_000;
const billedAtLeastMs = 60_000;

/** True if the forecast has too few residuals to justify a first instance. */
export function hasFewResiduals(residualsSeen: number, slotMs: number): boolean {
  return residualsSeen < Math.max(errorsForTrust, hourMs / slotMs);
}

/**
 * Updates the saving that one instance of the best type would recently have made, in US dollars, after a slot with `lastCount`
 * requests. Adds the cost of functions minus the price of the instance, which can be negative. Never below 0.
 */
export function savedAfter(savedUsd: number, lastCount: number | null, types: readonly PricedType[], perRequestUsd: number): number {
  if (lastCount === null) return savedUsd;
  const gains = types.map(({ capacity, usdPerSlot }) => perRequestUsd * Math.min(lastCount, capacity) - usdPerSlot);
  return Math.max(0, savedUsd + Math.max(...gains));
}

/**
 * Cost of an instance that was started without need: its start time plus the hold time, or the minimum charge if that is longer.
 */
export function wastedStartUsd(types: readonly PricedType[], hold: number, slotMs: number): number {
  return Math.min(...types.map(({ usdPerSlot, leadMs }) => (usdPerSlot * (leadMs + Math.max(billedAtLeastMs, hold * slotMs))) / slotMs));
}

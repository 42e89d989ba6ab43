/**
 * When a first instance is started beside functions that have served alone so far, while little is known of the load.
 *
 * A forecast that has seen few of its own errors takes the last slot for the next, and calls after each burst for an instance that is
 * ready when the burst is over. So as long as it is young the decision is that of renting or buying (ski rental): an instance is
 * started when one would have saved lately what a start in vain costs. Loads that stay get theirs a few slots later, loads that come in
 * bursts below break-even get none.
 */
import type { PricedType } from './plan-cost.ts';

/** From so many errors on a forecast is as good as it gets: then it decides alone. */
const errorsForTrust = 60;
const billedAtLeastMs = 60_000;

export function isYoung(residualsSeen: number): boolean {
  return residualsSeen < errorsForTrust;
}

/**
 * What one instance of the best type would have saved lately, in US dollars, after a slot in which so many came; from 0 up to what a
 * start in vain costs. Each slot adds what functions would have cost less the price of the instance; where it would have lost, that
 * is taken off, and it never owes.
 */
export function savedAfter(savedUsd: number, lastCount: number | null, types: readonly PricedType[], perRequestUsd: number): number {
  if (lastCount === null) return savedUsd;
  const gains = types.map(({ capacity, usdPerSlot }) => perRequestUsd * Math.min(lastCount, capacity) - usdPerSlot);
  return Math.max(0, savedUsd + Math.max(...gains));
}

/** What an instance costs that is started for nobody: until it is ready, and as long as it is kept then. */
export function startInVainUsd(types: readonly PricedType[], hold: number, slotMs: number): number {
  return Math.min(...types.map(({ usdPerSlot, leadMs }) => (usdPerSlot * (leadMs + Math.max(billedAtLeastMs, hold * slotMs))) / slotMs));
}

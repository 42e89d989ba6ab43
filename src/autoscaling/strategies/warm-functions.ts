/** Environments of functions that are kept warm by a ping now and then, so that a surge does not meet cold starts alone. */
import { pingEveryMs } from '../../costs/index.ts';
import type { Regime } from './observation.ts';

/** W. Who comes when all of them are busy still meets a cold start. */
export const warmFunctionsDefault = 12;

/**
 * How many to keep warm: no more than may be (`most`), nor than are `needed` where somebody knows that; but one at least. None where
 * functions serve alone: that is where little comes, and at 0.02 requests per second pings cost half as much again as the requests.
 * None where there are no functions.
 */
export function warmFunctions(regime: Regime, most = Number.POSITIVE_INFINITY, needed = Number.POSITIVE_INFINITY): number {
  return regime === 'hybrid' ? Math.min(warmFunctionsDefault, most, Math.max(1, needed)) : 0;
}

/**
 * How many functions would be busy at once (Little's law) if so many requests came in a slot, and instances carried so many of them.
 * `serviceMs` is what a function takes for one.
 */
export function functionsNeeded(requests: number, carried: number, serviceMs: number, slotMs: number): number {
  return requests <= carried ? 0 : Math.ceil(((requests - carried) * serviceMs) / slotMs - 1e-9);
}

/** What keeping them warm costs in a day; `usdPerPing` is one invocation of 20 ms. */
export function warmUsdPerDay(environments: number, usdPerPing: number): number {
  return environments * (86_400_000 / pingEveryMs) * usdPerPing;
}

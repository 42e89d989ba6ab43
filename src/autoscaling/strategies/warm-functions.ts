/** Function environments kept warm by pings, so the first requests of a surge find warm environments. */
import { pingEveryMs } from '../../costs/index.ts';
import type { Regime } from './observation.ts';

/** W: default number of warm environments. Requests beyond them still have a cold start. */
export const warmFunctionsDefault = 12;

/**
 * Number of environments to keep warm: at most `most` and `needed`, but at least one. None without functions, and none if
 * functions serve alone. That means little traffic, and at 0.02 requests per second pings cost half as much as the requests.
 */
export function warmFunctions(regime: Regime, most = Number.POSITIVE_INFINITY, needed = Number.POSITIVE_INFINITY): number {
  return regime === 'hybrid' ? Math.min(warmFunctionsDefault, most, Math.max(1, needed)) : 0;
}

/**
 * Number of functions busy at the same time (Little's law) for `requests` per slot, of which instances serve `carried`.
 * `serviceMs`: service time of one request.
 */
export function functionsNeeded(requests: number, carried: number, serviceMs: number, slotMs: number): number {
  return requests <= carried ? 0 : Math.ceil(((requests - carried) * serviceMs) / slotMs - 1e-9);
}

/** Cost of keeping environments warm for a day; `usdPerPing` is the price of one invocation of 20 ms. */
export function warmUsdPerDay(environments: number, usdPerPing: number): number {
  return environments * (86_400_000 / pingEveryMs) * usdPerPing;
}

/** Environments of functions that are kept warm by a ping now and then, so that a surge does not meet cold starts alone. */
import type { Regime } from './observation.ts';

/** W. Who comes when all of them are busy still meets a cold start. */
export const warmFunctionsDefault = 12;
/** Each environment is pinged once in so long, and busy for so long then. */
export const pingEveryMs = 300_000;
export const pingBusyMs = 20;

/**
 * How many to keep warm. None where functions serve alone: that is where little comes, and at 0.02 requests per second pings cost
 * half as much again as the requests. None where there are no functions.
 */
export function warmFunctions(regime: Regime, concurrencyMax = Number.POSITIVE_INFINITY, wish = warmFunctionsDefault): number {
  return regime === 'hybrid' ? Math.min(wish, concurrencyMax) : 0;
}

/** What keeping them warm costs in a day; `usdPerPing` is one invocation of 20 ms. */
export function warmUsdPerDay(environments: number, usdPerPing: number): number {
  return environments * (86_400_000 / pingEveryMs) * usdPerPing;
}

/** Traffic that a plan assumes: an average rate, and a busiest minute at a multiple of it. Pure functions. */
import { exponentialMs, SeededRandom } from '../../random.ts';

/** All that a user knows of a load before there is one. */
export interface AssumedTraffic {
  readonly ratePerSecond: number;
  /** Rate of the busiest minute divided by the average; at least 1. */
  readonly peakFactor: number;
}

/** Arrivals for a simulation. Times are milliseconds from its start. */
export interface GeneratedLoad {
  /** Arrival times, ascending, one row each. */
  readonly arrivalsMs: Float64Array;
  readonly durationMs: number;
  /** Beginning and rate of each stretch. */
  readonly stretches: readonly { readonly beginMs: number; readonly ratePerSecond: number }[];
}

const segments = 8;

/**
 * The load-duration curve of the rate is r(u) = λ·p·exp(−a·u), where u is the share of the time, λ = ratePerSecond and p =
 * peakFactor. The constant a makes the mean λ: p·(1 − exp(−a)) = a. The rate falls from p times the average in the busiest minute
 * to the quietest one. Returns the rates in the middle of eight equal stretches, ascending.
 */
export function stretchRates({ ratePerSecond, peakFactor }: AssumedTraffic): number[] {
  if (peakFactor <= 1.0001) return Array.from({ length: segments }, () => ratePerSecond);
  // The root lies in between: p·(1 − exp(−a)) − a is positive just above 0 and negative at a = p.
  let [low, high] = [1e-9, peakFactor];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (peakFactor * (1 - Math.exp(-middle)) > middle) low = middle;
    else high = middle;
  }
  const rates = Array.from({ length: segments }, (_, i) => peakFactor * Math.exp((-low * (i + 0.5)) / segments));
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / segments;
  return rates.map((rate) => (ratePerSecond * rate) / mean).toReversed();
}

/** Generates about `count` requests over the eight stretches, at random times within each. Deterministic. */
export function generateLoad(traffic: AssumedTraffic, count: number): GeneratedLoad {
  const random = new SeededRandom(1);
  const stretchMs = (count * 1000) / traffic.ratePerSecond / segments;
  const stretches = stretchRates(traffic).map((ratePerSecond, i) => ({ beginMs: i * stretchMs, ratePerSecond }));
  const times: number[] = [];
  for (const { beginMs, ratePerSecond } of stretches) {
    const endMs = beginMs + stretchMs;
    const next = (ms: number): number => ms + exponentialMs(random, ratePerSecond);
    for (let ms = next(beginMs); ms < endMs; ms = next(ms)) times.push(ms);
  }
  return { arrivalsMs: Float64Array.from(times), durationMs: segments * stretchMs, stretches };
}

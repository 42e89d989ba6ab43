/** Requests as a plan assumes them: an average rate, and a busiest minute so many times as high. Pure. */
import { exponentialMs, SeededRandom } from '../../random.ts';

export interface AssumedTraffic {
  readonly ratePerSecond: number;
  /** The busiest minute over the average, from 1. */
  readonly peakFactor: number;
}

export interface PlayedLoad {
  /** One after the other, rising, one row each. */
  readonly arrivalsMs: Float64Array;
  readonly durationMs: number;
  /** The rate, and from when on. */
  readonly stretches: readonly { readonly beginMs: number; readonly ratePerSecond: number }[];
}

const segments = 8;

/**
 * The load-duration curve of the rate: r(u) = λ·p·exp(−a·u) for the share u of the time, with a such that its mean is λ, that is
 * p·(1 − exp(−a)) = a. It falls from the busiest minute, p times the average, to the quietest one.
 *
 * λ = ratePerSecond, p = peakFactor; the answer are the rates in the middle of eight equal stretches, rising.
 */
export function stretchRates({ ratePerSecond, peakFactor }: AssumedTraffic): number[] {
  if (peakFactor <= 1.0001) return Array.from({ length: segments }, () => ratePerSecond);
  // p·(1 − exp(−a)) − a is positive just above 0 and falls below 0 by a = p.
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

/** About `count` requests over the eight stretches, at random times within each; the same each time. */
export function playedLoad(traffic: AssumedTraffic, count: number): PlayedLoad {
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

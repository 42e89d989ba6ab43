/** Derives the input of a plan from recorded traffic: the average rate and the peak minute. Pure. */

/** `peakFactor`: peak minute divided by the average, 1 to 100. */
export interface Traffic {
  readonly ratePerSecond: number;
  readonly peakFactor: number;
}

/** Null without traffic. Time before the first and after the last request is left out, because the endpoint may not have existed. */
export function recordedTraffic(ratesPerSecond: readonly (number | null)[]): Traffic | null {
  const first = ratesPerSecond.findIndex((rate) => (rate ?? 0) > 0);
  const last = ratesPerSecond.findLastIndex((rate) => (rate ?? 0) > 0);
  if (first < 0) return null;
  const between = ratesPerSecond.slice(first, last + 1).map((rate) => rate ?? 0);
  const mean = between.reduce((sum, rate) => sum + rate, 0) / between.length;
  const peak = Math.max(...between) / mean;
  return { ratePerSecond: Number(mean.toPrecision(3)), peakFactor: Math.min(100, Math.max(1, Number(peak.toPrecision(3)))) };
}

/** What came to an endpoint, as a plan takes it: the average of the minutes that had requests, and the busiest of them. Pure. */

export interface Traffic {
  readonly ratePerSecond: number;
  readonly peakFactor: number;
}

/** null where nobody came. Before the first request and after the last nothing is known, so that is not counted. */
export function recordedTraffic(ratesPerSecond: readonly (number | null)[]): Traffic | null {
  const first = ratesPerSecond.findIndex((rate) => (rate ?? 0) > 0);
  const last = ratesPerSecond.findLastIndex((rate) => (rate ?? 0) > 0);
  if (first < 0) return null;
  const between = ratesPerSecond.slice(first, last + 1).map((rate) => rate ?? 0);
  const mean = between.reduce((sum, rate) => sum + rate, 0) / between.length;
  const peak = Math.max(...between) / mean;
  return { ratePerSecond: Number(mean.toPrecision(3)), peakFactor: Math.min(100, Math.max(1, Number(peak.toPrecision(3)))) };
}

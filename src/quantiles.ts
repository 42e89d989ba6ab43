/** Quantiles of measured values. Pure. */

/** The value that the share q (0..1) of the ascending values does not exceed: nearest rank, without interpolation. Undefined if there are none. */
export function nearestRank(ascending: ArrayLike<number>, q: number): number {
  // The margin absorbs rounding: 0.55 * 100 is 55.00000000000001.
  const index = Math.ceil(q * ascending.length - 1e-9) - 1;
  return ascending[Math.min(Math.max(index, 0), ascending.length - 1)] as number;
}

/** The middle of values in any order, the upper one of two; null if there are none. */
export function upperMedian(values: readonly number[]): number | null {
  return Float64Array.from(values).sort()[values.length >> 1] ?? null;
}

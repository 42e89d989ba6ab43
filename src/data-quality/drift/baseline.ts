/**
 * The usual distribution of a feature: about ten parts of equal weight, a sample, and the share of rows without a value. Pure, plain data.
 */

/** Small enough to be compared every five minutes, whatever it was made of. */
export interface FeatureBaseline {
  readonly name: string;
  /**
   * Upper bounds of all parts but the last, ascending. The first part is below all values and the last above: both are empty in the
   * baseline.
   */
  readonly bounds: readonly number[];
  /** The share of the finite values in each part, one more than bounds. */
  readonly shares: readonly number[];
  /** Ascending; at most 1,000 finite values, evenly spread over all. */
  readonly sample: readonly number[];
  /** Number of values, including non-finite ones. */
  readonly count: number;
  /** Share of non-finite values; null if unknown. */
  readonly missing: number | null;
}

/** The format of earlier versions: without the outer parts and the share of missing values. */
export type StoredFeature = Omit<FeatureBaseline, 'missing'> & Partial<Pick<FeatureBaseline, 'missing'>>;

const parts = 10;
/** Size of the sample of a baseline. */
export const sampleMax = 1000;

/** Null with fewer than 20 values. */
export function baselineOf(name: string, values: ArrayLike<number>): FeatureBaseline | null {
  if (values.length < 20) return null;
  const sorted = finiteRising(values);
  const bounds = boundsOf(sorted);
  const sample =
    sorted.length <= sampleMax ? Array.from(sorted) : Array.from({ length: sampleMax }, (_, i) => quantile(sorted, (i + 0.5) / sampleMax));
  return { name, bounds, shares: bucketShares(bounds, sorted), sample, count: values.length, missing: 1 - sorted.length / values.length };
}

/** Recomputes parts and shares from the sample. If all `rows` of the baseline had a value, none was missing. */
export function upgradeStoredFeature(feature: StoredFeature, rows: number): FeatureBaseline {
  const { sample, count, missing } = feature;
  if (missing !== undefined) return { ...feature, missing };
  const bounds = boundsOf(sample);
  return { ...feature, bounds, shares: bucketShares(bounds, sample), missing: count === rows ? 0 : null };
}

/** Finite values in ascending order. Infinities count as missing, like NaN. */
export function finiteRising(values: ArrayLike<number>): Float64Array {
  // Typed arrays sort many times faster than a list with a comparison function.
  return Float64Array.from(values).filter(Number.isFinite).sort();
}

/** Share of the values in each part defined by the bounds. */
export function bucketShares(bounds: readonly number[], values: Iterable<number> & ArrayLike<number>): number[] {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  for (const value of values) {
    const part = partOf(bounds, value);
    counts[part] = (counts[part] as number) + 1;
  }
  return counts.map((count) => count / Math.max(values.length, 1));
}

/** The value that `share` of the ascending values do not exceed. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/**
 * Deciles plus bounds that isolate special values: a value that fills a decile by itself gets its own part, and values outside the range
 * fall into parts that were empty.
 */
function boundsOf(sorted: ArrayLike<number>): number[] {
  const [least, greatest] = [sorted[0], sorted[sorted.length - 1]];
  if (least === undefined || greatest === undefined) return [];
  const tenths = Array.from({ length: parts - 1 }, (_, i) => quantile(sorted, (i + 1) / parts));
  const heavy = tenths.filter((value, i) => value === tenths[i - 1]);
  const all = new Set([justBelow(least), ...heavy.map(justBelow), ...tenths, greatest]);
  return [...all].filter(Number.isFinite).sort((a, b) => a - b);
}

/** The next smaller floating-point number. */
function justBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return view.getFloat64(0);
}

/** The first part whose upper bound is not exceeded. */
function partOf(bounds: readonly number[], value: number): number {
  let [low, high] = [0, bounds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= (bounds[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}

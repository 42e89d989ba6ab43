/**
 * What values usually look like: of a feature, a distribution in about ten parts of equal weight, a sample of it, and the share of rows that
 * had no value. Pure, plain data.
 */

export interface FeatureBaseline {
  readonly name: string;
  /** Upper bounds of all parts but the last, rising. The first part lies below all values, the last above them: both are empty. */
  readonly bounds: readonly number[];
  /** The share of the finite values in each part, one more than bounds. */
  readonly shares: readonly number[];
  /** Rising; at most 1,000 of the finite values, evenly spread over them. */
  readonly sample: readonly number[];
  /** How many values it was made of, with those that are no finite number. */
  readonly count: number;
  /** The share of them that are no finite number. null where nobody counted them. */
  readonly missing: number | null;
}

/** As earlier versions stored it: without parts beside the values, and with a count of the finite ones alone. */
export type StoredFeature = Omit<FeatureBaseline, 'missing'> & Partial<Pick<FeatureBaseline, 'missing'>>;

const parts = 10;
/** Of a baseline's values, so many are kept. */
export const sampleMax = 1000;

/** Null where there are fewer than 20 values. */
export function baselineOf(name: string, values: readonly number[]): FeatureBaseline | null {
  if (values.length < 20) return null;
  const sorted = finiteRising(values);
  const bounds = boundsOf(sorted);
  const sample = sorted.length <= sampleMax ? sorted : Array.from({ length: sampleMax }, (_, i) => quantile(sorted, (i + 0.5) / sampleMax));
  return { name, bounds, shares: sharesOf(bounds, sorted), sample, count: values.length, missing: 1 - sorted.length / values.length };
}

/** Parts and shares follow from the sample. Where all of the baseline's `rows` had a value, none was missing. */
export function asStoredNow(feature: StoredFeature, rows: number): FeatureBaseline {
  const { sample, count, missing } = feature;
  if (missing !== undefined) return { ...feature, missing };
  const bounds = boundsOf(sample);
  return { ...feature, bounds, shares: sharesOf(bounds, sample), missing: count === rows ? 0 : null };
}

/** Infinities count as missing, as what is no number does. */
export function finiteRising(values: readonly number[]): number[] {
  return values.filter(Number.isFinite).sort((a, b) => a - b);
}

/** The share of the values in each part that the bounds make. */
export function sharesOf(bounds: readonly number[], values: readonly number[]): number[] {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  for (const value of values) counts[partOf(bounds, value)] = (counts[partOf(bounds, value)] as number) + 1;
  return counts.map((count) => count / Math.max(values.length, 1));
}

/** Of rising values: `share` of them are less, or equal. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/**
 * The tenths, and what keeps values from hiding beside them: a value that fills a tenth by itself is a part of its own, and what is below
 * the least or above the greatest is in a part where nothing was.
 */
function boundsOf(sorted: readonly number[]): number[] {
  const [least, greatest] = [sorted[0], sorted.at(-1)];
  if (least === undefined || greatest === undefined) return [];
  const tenths = Array.from({ length: parts - 1 }, (_, i) => quantile(sorted, (i + 1) / parts));
  const heavy = tenths.filter((value, i) => value === tenths[i - 1]);
  const all = new Set([justBelow(least), ...heavy.map(justBelow), ...tenths, greatest]);
  return [...all].filter(Number.isFinite).sort((a, b) => a - b);
}

/** The next smaller number there is. */
function justBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return view.getFloat64(0);
}

/** The first part whose bound is not exceeded. */
function partOf(bounds: readonly number[], value: number): number {
  let [low, high] = [0, bounds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= (bounds[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}

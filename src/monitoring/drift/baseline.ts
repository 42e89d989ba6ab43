/** What values usually look like: of a feature, a distribution in ten parts of equal weight and a sample of it. Pure, plain data. */

export interface FeatureBaseline {
  readonly name: string;
  /** Upper bounds of all parts but the last, rising. Few where values repeat. */
  readonly bounds: readonly number[];
  /** The share in each part, one more than bounds. */
  readonly shares: readonly number[];
  /** Rising; at most 1,000 of the values, evenly spread over them. */
  readonly sample: readonly number[];
  /** How many values it was made of. */
  readonly count: number;
}

const parts = 10;
const sampleMax = 1000;

/** Of finite values; others are left out. Null where there are fewer than 20. */
export function baselineOf(name: string, values: readonly number[]): FeatureBaseline | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length < 20) return null;
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  const quantiles = Array.from({ length: parts - 1 }, (_, i) => at((i + 1) / parts));
  // Where many values are equal, a part ends with all of them.
  const bounds = [...new Set(quantiles)].filter((bound) => bound < (sorted.at(-1) as number));
  const sample = sorted.length <= sampleMax ? sorted : Array.from({ length: sampleMax }, (_, i) => at((i + 0.5) / sampleMax));
  return { name, bounds, shares: sharesOf(bounds, sorted), sample, count: sorted.length };
}

/** The share of the values in each part that the bounds make. */
export function sharesOf(bounds: readonly number[], values: readonly number[]): number[] {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  for (const value of values) counts[partOf(bounds, value)] = (counts[partOf(bounds, value)] as number) + 1;
  return counts.map((count) => count / Math.max(values.length, 1));
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

/** Compares two samples: how much they differ, and how likely that is by chance. Pure. */

/**
 * Population stability index: sum of (a - b) ln(a / b) over the parts. Below 0.1 is negligible; 0.25 and above is a shift (Siddiqi, Credit
 * Risk Scorecards, 2006, chapter 9). An empty part counts as half a value of `counts`, so that the logarithm is finite.
 */
export function stabilityIndex(
  expected: readonly number[],
  actual: readonly number[],
  counts: { expected: number; actual: number },
): number {
  const least = { expected: 0.5 / counts.expected, actual: 0.5 / counts.actual };
  let index = 0;
  for (const [i, share] of expected.entries()) {
    if (share === 0 && (actual[i] ?? 0) === 0) continue;
    const [a, b] = [Math.max(actual[i] ?? 0, least.actual), Math.max(share, least.expected)];
    index += (a - b) * Math.log(a / b);
  }
  return index;
}

/** Ascending values, and the share of missing ones. */
export interface WeightedSample {
  readonly sorted: ArrayLike<number>;
  readonly missing: number;
}

/**
 * Largest distance between the two distribution functions (Kolmogorov, Smirnov). A missing value counts as smaller than all others, so one
 * test covers both values and missing values.
 */
export function largestDistance(first: WeightedSample, second: WeightedSample): number {
  const upTo = ({ sorted, missing }: WeightedSample, count: number): number =>
    missing + (1 - missing) * (count / Math.max(sorted.length, 1));
  let distance = Math.abs(first.missing - second.missing);
  let [i, k] = [0, 0];
  while (i < first.sorted.length && k < second.sorted.length) {
    const value = Math.min(first.sorted[i] as number, second.sorted[k] as number);
    while (i < first.sorted.length && (first.sorted[i] as number) <= value) i++;
    while (k < second.sorted.length && (second.sorted[k] as number) <= value) k++;
    distance = Math.max(distance, Math.abs(upTo(first, i) - upTo(second, k)));
  }
  return distance;
}

/**
 * Probability of at least this distance if both samples come from one distribution: Smirnov's limit with the small-sample correction of
 * Stephens (JASA 69, 1974): lambda = (sqrt(n) + 0.12 + 0.11 / sqrt(n)) D with n = n1 n2 / (n1 + n2).
 */
export function chanceProbability(distance: number, firstCount: number, secondCount: number): number {
  if (firstCount === 0 || secondCount === 0) return 1;
  const root = Math.sqrt((firstCount * secondCount) / (firstCount + secondCount));
  const lambda = (root + 0.12 + 0.11 / root) * distance;
  if (lambda < 0.2) return 1;
  let [sum, sign] = [0, 1];
  for (let k = 1; k <= 100; k++, sign = -sign) {
    const term = Math.exp(-2 * k * k * lambda * lambda);
    sum += sign * term;
    if (term < 1e-12) break;
  }
  return Math.min(Math.max(2 * sum, 0), 1);
}

/**
 * Which of many tests reject, with an expected false discovery rate of at most `rate` (Benjamini, Hochberg, JRSS B 57, 1995). In the order
 * of `chances`.
 */
export function rejected(chances: readonly number[], rate: number): boolean[] {
  const order = chances.map((chance, i) => ({ chance, i })).sort((a, b) => a.chance - b.chance);
  let last = -1;
  for (const [rank, { chance }] of order.entries()) if (chance <= ((rank + 1) / chances.length) * rate) last = rank;
  const result = new Array<boolean>(chances.length).fill(false);
  for (const { i } of order.slice(0, last + 1)) result[i] = true;
  return result;
}

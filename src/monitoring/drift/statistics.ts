/** Whether two samples come from one distribution: by how much they differ, and how likely that is by chance. Pure. */

/** No part counts as empty: half a value in so many. */
const leastShare = 1e-4;

/**
 * Population stability index, sum of (a - b) ln(a / b) over the parts. Below 0.1 nothing to speak of, from 0.25 on a shift (Siddiqi, Credit Risk
 * Scorecards, 2006, chapter 9).
 */
export function stabilityIndex(expected: readonly number[], actual: readonly number[]): number {
  let index = 0;
  for (const [i, share] of expected.entries()) {
    const [a, b] = [Math.max(actual[i] ?? 0, leastShare), Math.max(share, leastShare)];
    index += (a - b) * Math.log(a / b);
  }
  return index;
}

/** The largest distance between the two distribution functions (Kolmogorov, Smirnov). Both samples rising. */
export function largestDistance(first: readonly number[], second: readonly number[]): number {
  let [i, k, distance] = [0, 0, 0];
  while (i < first.length && k < second.length) {
    const value = Math.min(first[i] as number, second[k] as number);
    while (i < first.length && (first[i] as number) <= value) i++;
    while (k < second.length && (second[k] as number) <= value) k++;
    distance = Math.max(distance, Math.abs(i / first.length - k / second.length));
  }
  return distance;
}

/**
 * How likely so large a distance is where both samples come from one distribution: Smirnov's limit with the correction for small samples of
 * Stephens (JASA 69, 1974): lambda = (sqrt(n) + 0.12 + 0.11 / sqrt(n)) D with n = n1 n2 / (n1 + n2).
 */
export function chanceOf(distance: number, firstCount: number, secondCount: number): number {
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
 * Which of many tests reject, so that of those that do no more than `rate` do so wrongly in the mean (Benjamini, Hochberg, JRSS B 57, 1995).
 * In the order of the chances given.
 */
export function rejected(chances: readonly number[], rate: number): boolean[] {
  const order = chances.map((chance, i) => ({ chance, i })).sort((a, b) => a.chance - b.chance);
  let last = -1;
  for (const [rank, { chance }] of order.entries()) if (chance <= ((rank + 1) / chances.length) * rate) last = rank;
  const result = new Array<boolean>(chances.length).fill(false);
  for (const { i } of order.slice(0, last + 1)) result[i] = true;
  return result;
}

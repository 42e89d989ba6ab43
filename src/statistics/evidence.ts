/**
 * Evidence that may be looked at after every row, unlike a p-value: a mixture of likelihood ratios is a supermartingale under the null
 * hypothesis, so it ever exceeds 1/alpha with probability at most alpha (Ville 1939). It depends on two counts only, so it survives
 * restarts and adds up over machines.
 */
import { bisect, type Interval } from './intervals.ts';

/** Number of alternatives that are mixed. */
const alternatives = 20;

/** The natural logarithm of the evidence against "the share of ones is at most `share`". */
export function logEvidence(ones: number, rows: number, share: number): number {
  const zeros = rows - ones;
  const logs = new Float64Array(alternatives);
  for (let j = 1; j <= alternatives; j++) {
    // Alternatives are dense near the null, where evidence grows slowly.
    const alternative = share + (1 - share) * (j / (alternatives + 1)) ** 2;
    const one = ones === 0 ? 0 : ones * Math.log(alternative / share);
    logs[j - 1] = one + zeros * Math.log((1 - alternative) / (1 - share));
  }
  const most = Math.max(...logs);
  if (most === Number.POSITIVE_INFINITY) return most;
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / alternatives);
}

/** An interval for the share that holds at all times at once with probability 1 - `alpha`: a confidence sequence. */
export function confidenceSequence(ones: number, rows: number, alpha: number): Interval {
  const limit = Math.log(2 / alpha);
  const low = ones === 0 ? 0 : bisect((share) => logEvidence(ones, rows, share) < limit);
  const high = ones === rows ? 1 : bisect((share) => logEvidence(rows - ones, rows, 1 - share) >= limit);
  return { low, high };
}

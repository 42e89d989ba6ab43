/** Intervals for a share that was estimated from independent rows, and the rows that a bound needs. */
import { binomialCdf } from './binomial.ts';

/** Shares from 0 to 1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Bisection halves the interval to below the precision of a number. */
const steps = 60;

/** The largest evaluation set; more rows cannot be asked for. */
const rowsMax = 100_000;

/** The exact interval of `ones` in `rows` at confidence 1 - `alpha` (Clopper and Pearson 1934). */
export function clopperPearson(ones: number, rows: number, alpha = 0.05): Interval {
  if (rows === 0) return { low: 0, high: 1 };
  // Low: at least this many ones have probability alpha/2. High: at most this many have it.
  const low = ones === 0 ? 0 : bisect((share) => 1 - binomialCdf(ones - 1, rows, share) >= alpha / 2);
  const high = ones === rows ? 1 : bisect((share) => binomialCdf(ones, rows, share) <= alpha / 2);
  return { low, high };
}

/** The accuracy that is exceeded with probability 1 - `delta`, after `errors` in `rows`. */
export function accuracyLowerBound(errors: number, rows: number, delta: number): number {
  if (errors >= rows) return 0;
  return 1 - bisect((share) => binomialCdf(errors, rows, share) <= delta);
}

/**
 * About how many rows would certify the floor at this level if the share of errors stays as it is; null if it is not below 1 - `floor`, or
 * if more than the largest evaluation set would be needed. Errors are whole, so that a few rows less may do as well.
 */
export function rowsNeeded(errorRate: number, floor: number, level: number): number | null {
  const allowed = 1 - floor;
  if (errorRate >= allowed) return null;
  const isEnough = (rows: number): boolean => binomialCdf(Math.ceil(rows * errorRate), rows, allowed) <= level;
  let high = 1;
  while (!isEnough(high)) {
    high *= 2;
    if (high > rowsMax) return null;
  }
  let low = high / 2;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** The share from which on `isBeyond` holds. */
export function bisect(isBeyond: (share: number) => boolean): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < steps; step++) {
    const middle = (low + high) / 2;
    if (isBeyond(middle)) high = middle;
    else low = middle;
  }
  return (low + high) / 2;
}

/**
 * Service times of a cascade: the first model runs all b rows, and the rows that it is unsure of go on to the second model within the same
 * worker. How many go on is binomial, with the share `e` of rows that went on when the models were evaluated.
 *
 *   E[S(b)] = s1(b) + sum over k = 0 .. b of P(K = k) s2(k),   K ~ Bin(b, e)
 *   S_q(b)  = s1,q(b) + s2,q(k_q),   k_q = min { k : P(K <= k) >= q }
 *
 * Both stages at their own q is pessimistic: two tails at once are rarer.
 */
import assert from 'node:assert/strict';

/** Time of a batch by its rows, in milliseconds; 0 for no rows. Never decreases. */
export type ServiceTime = (rows: number) => number;

/** The models of a plan; without a second one, all rows are answered by the first. */
export interface PlanService {
  readonly first: ServiceTime;
  readonly second: ServiceTime | null;
  /** Share of rows that go on, from 0 to 1. */
  readonly escalated: number;
}

/** Below this, P(K = 0) would underflow, and the shares are computed by their logarithms. */
const smallestLog = -700;

/** P(Bin(trials, share) = k) for k = 0 .. trials. */
export function binomialShares(trials: number, share: number): Float64Array {
  assert(share >= 0 && share <= 1, `expected a share from 0 to 1, got ${share}`);
  const shares = new Float64Array(trials + 1);
  if (share === 0 || share === 1) {
    shares[share === 0 ? 0 : trials] = 1;
    return shares;
  }
  const odds = share / (1 - share);
  let log = trials * Math.log1p(-share); // P(K = 0)
  if (log > smallestLog) {
    let each = Math.exp(log);
    for (let k = 0; k <= trials; k++) {
      shares[k] = each;
      each *= ((trials - k) / (k + 1)) * odds;
    }
    return shares;
  }
  for (let k = 0; k <= trials; k++) {
    shares[k] = Math.exp(log);
    log += Math.log(((trials - k) / (k + 1)) * odds);
  }
  return shares;
}

/** E[S(b)] from times that are means or medians. */
export function compositeMeanMs(service: PlanService, rows: number): number {
  return meanMs(service, rows, sharesOf(service, rows));
}

/** S_q(b) from times that are quantiles for the same share q. */
export function compositeQuantileMs(service: PlanService, rows: number, share: number): number {
  return quantileMs(service, rows, sharesOf(service, rows), share);
}

/** How many of `rows` rows go on; null if the plan has no second model. */
function sharesOf({ second, escalated }: PlanService, rows: number): Float64Array | null {
  return second === null ? null : binomialShares(rows, escalated);
}

function meanMs({ first, second }: PlanService, rows: number, shares: Float64Array | null): number {
  let ms = first(rows);
  if (second === null || shares === null) return ms;
  for (let k = 1; k <= rows; k++) ms += (shares[k] as number) * second(k);
  return ms;
}

function quantileMs({ first, second }: PlanService, rows: number, shares: Float64Array | null, share: number): number {
  if (second === null || shares === null) return first(rows);
  const goOn = quantileRows(shares, share);
  return first(rows) + (goOn === 0 ? 0 : second(goOn));
}

/** A rounding error must not count as another row. */
const roundingError = 1e-12;

function quantileRows(shares: Float64Array, share: number): number {
  let sum = 0;
  for (let k = 0; k < shares.length; k++) {
    sum += shares[k] as number;
    if (sum >= share - roundingError) return k;
  }
  return shares.length - 1;
}

/** What bounds the batch size of a plan: the objective and the largest measured batch. */
export interface PlanBatchLimits {
  readonly batchMax: number;
  /** The promised latency; infinite without a promise. */
  readonly limitMs: number;
  /** The promised share, as 0.95. */
  readonly share: number;
  /** d: time in addition to the service. */
  readonly overheadMs: number;
}

/** The batch size of a plan, and the capacity it gives. */
export interface PlanBatch {
  /** B. */
  readonly batch: number;
  /** mu: rows per second of one executor in full batches. */
  readonly rowsPerSecond: number;
  /** S_q(B). */
  readonly fullMs: number;
  /** Whether a request that waits for one batch and runs in the next is in time. */
  readonly isFeasible: boolean;
}

/**
 * B = argmax b / E[S(b)] over 2 S_q(b) + d <= L, the smallest on ties; 1 if no b is in time. `mean` and `quantile` are the plan with times
 * of both kinds.
 */
export function planBatch(mean: PlanService, quantile: PlanService, { batchMax, limitMs, share, overheadMs }: PlanBatchLimits): PlanBatch {
  const timesOf = (rows: number): { readonly perMs: number; readonly fullMs: number } => {
    const shares = sharesOf(mean, rows);
    return { perMs: rows / meanMs(mean, rows, shares), fullMs: quantileMs(quantile, rows, shares, share) };
  };
  const isInTime = (fullMs: number): boolean => 2 * fullMs + overheadMs <= limitMs;
  let best = { batch: 1, ...timesOf(1) };
  const isFeasible = isInTime(best.fullMs);
  for (let rows = 2; isFeasible && rows <= batchMax; rows++) {
    const times = timesOf(rows);
    if (!isInTime(times.fullMs)) break;
    if (times.perMs > best.perMs) best = { batch: rows, ...times };
  }
  return { batch: best.batch, rowsPerSecond: 1000 * best.perMs, fullMs: best.fullMs, isFeasible };
}

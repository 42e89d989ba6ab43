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
  for (let k = 0; k <= trials; k++) {
    shares[k] = Math.exp(log);
    log += Math.log(((trials - k) / (k + 1)) * odds);
  }
  return shares;
}

/** E[S(b)] from times that are means or medians. */
export function compositeMeanMs({ first, second, escalated }: PlanService, rows: number): number {
  if (second === null || escalated === 0) return first(rows);
  return binomialShares(rows, escalated).reduce((sum, share, k) => sum + (k === 0 ? 0 : share * second(k)), first(rows));
}

/** S_q(b) from times that are quantiles for the same share q. */
export function compositeQuantileMs({ first, second, escalated }: PlanService, rows: number, share: number): number {
  if (second === null) return first(rows);
  const goOn = quantileRows(rows, escalated, share);
  return first(rows) + (goOn === 0 ? 0 : second(goOn));
}

/** A rounding error must not count as another row. */
const roundingError = 1e-12;

function quantileRows(rows: number, escalated: number, share: number): number {
  let sum = 0;
  for (const [k, each] of binomialShares(rows, escalated).entries()) {
    sum += each;
    if (sum >= share - roundingError) return k;
  }
  return rows;
}

export interface PlanBatchLimits {
  readonly batchMax: number;
  /** The promised latency; infinite without a promise. */
  readonly limitMs: number;
  /** The promised share, as 0.95. */
  readonly share: number;
  /** d: time in addition to the service. */
  readonly overheadMs: number;
}

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
  const fullMs = (rows: number): number => compositeQuantileMs(quantile, rows, share);
  let best = { batch: 1, perMs: 1 / compositeMeanMs(mean, 1) };
  const isFeasible = 2 * fullMs(1) + overheadMs <= limitMs;
  for (let rows = 2; isFeasible && rows <= batchMax && 2 * fullMs(rows) + overheadMs <= limitMs; rows++) {
    const perMs = rows / compositeMeanMs(mean, rows);
    if (perMs > best.perMs) best = { batch: rows, perMs };
  }
  return { batch: best.batch, rowsPerSecond: 1000 * best.perMs, fullMs: fullMs(best.batch), isFeasible };
}

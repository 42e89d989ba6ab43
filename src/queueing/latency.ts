/** Latency of requests from waits and service times: distribution and quantiles. */
import assert from 'node:assert/strict';
import { longestServiceMs, type ServiceDistribution } from './service-law.ts';
import type { WaitTable } from './waits/wait-table.ts';

/** Additions to wait and service. */
export interface LatencyExtras {
  /** Time for network, decoding and encoding; added to every request. */
  readonly overheadMs?: number;
  /** p_c: the share of batches that find no warm environment, assumed equal for all batch sizes. */
  readonly coldStartProbability?: number;
  /** Time that a cold start adds. */
  readonly coldStartMs?: number;
}

/** Instants that differ by less than this are equal: x − S(b) is rounded, and 9.999… must still count as the atom at 10. */
const sameInstantMs = 1e-9;

/**
 * F(x): the probability that a request is answered within `latencyMs` of its arrival.
 *
 * For fixed service times, F(x) = (1/E[b])·Σ_b H_b(x − S(b)), with H_b of the wait table. For random service times with
 * distribution G_b, F(x) = (1/E[b])·Σ_b ∫ G_b(x − w) dH_b(w), integrated by Simpson's rule over the masses of the table. Cold
 * starts replace G_b(s) by (1 − p_c)·G_b(s) + p_c·G_b(s − coldMs). This is the same for all b, so F is mixed in the same way. An
 * overhead shifts F.
 */
export function latencyCdf(table: WaitTable, service: ServiceDistribution, latencyMs: number, extras: LatencyExtras = {}): number {
  const { overheadMs = 0, coldStartProbability = 0, coldStartMs = 0 } = extras;
  const warm = bareCdf(table, service, latencyMs - overheadMs);
  if (coldStartProbability === 0) return warm;
  const cold = bareCdf(table, service, latencyMs - overheadMs - coldStartMs);
  return (1 - coldStartProbability) * warm + coldStartProbability * cold;
}

function bareCdf(table: WaitTable, service: ServiceDistribution, latencyMs: number): number {
  const { batchSizeMax, waitMsMax } = table;
  let requests = 0;
  for (let b = 1; b <= batchSizeMax; b++) {
    if (isNegligible(table, b)) continue;
    if (service.kind === 'fixed') {
      const waitMs = latencyMs - service.serviceMs(b);
      if (waitMs < -sameInstantMs) continue;
      requests += table.requestsWithin(b, snapped(waitMs, waitMsMax));
    } else {
      requests += requestsServedWithin(table, b, (waitMs) => service.serviceCdf(b, latencyMs - waitMs));
    }
  }
  return Math.min(1, requests / table.meanBatch);
}

/** Whether batches of b rows are too rare to affect F. The tail of a Poisson distribution has many such sizes. */
export function isNegligible({ batchSizePmf, meanBatch }: WaitTable, batchSize: number): boolean {
  return batchSize * (batchSizePmf[batchSize] as number) <= 1e-13 * meanBatch;
}

/** Moves a wait to the atom at 0 or at T if it differs only by rounding. */
function snapped(waitMs: number, waitMsMax: number | null): number {
  if (waitMs < sameInstantMs) return Math.max(waitMs, 0);
  return waitMsMax !== null && Math.abs(waitMs - waitMsMax) <= sameInstantMs ? waitMsMax : waitMs;
}

/** ∫ G_b(x − w) dH_b(w), by Simpson's rule in each piece, in which mass is spread evenly. */
function requestsServedWithin(table: WaitTable, batchSize: number, servedAfterWait: (waitMs: number) => number): number {
  let sum = 0;
  table.forEachWaitMass(batchSize, (fromMs, toMs, mass) => {
    if (fromMs === toMs) sum += mass * servedAfterWait(fromMs);
    else sum += (mass / 6) * (servedAfterWait(fromMs) + 4 * servedAfterWait((fromMs + toMs) / 2) + servedAfterWait(toMs));
  });
  return sum;
}

/**
 * The smallest x with F(x) ≥ `quantile`, in milliseconds, by bisection to twelve digits. Often x is an atom of F: T + S(b), for the
 * first requests of batches that timed out, or S(B), for the last requests of full batches.
 */
export function latencyQuantileMs(table: WaitTable, service: ServiceDistribution, quantile: number, extras: LatencyExtras = {}): number {
  assert(quantile > 0 && quantile < 1, `invalid quantile: expected between 0 and 1, got ${quantile}`);
  const { overheadMs = 0, coldStartProbability = 0, coldStartMs = 0 } = extras;
  const longestMs = overheadMs + longestWaitMs(table) + longestServiceMs(service, table.batchSizeMax);
  const addedMs = coldStartProbability > 0 ? [overheadMs, overheadMs + coldStartMs] : [overheadMs];
  const ms = smallestReaching(
    (x) => latencyCdf(table, service, x, extras),
    quantile,
    longestMs + (coldStartProbability > 0 ? coldStartMs : 0),
  );
  return atomAt(table, service, addedMs, ms) ?? ms;
}

/**
 * The exact position of an atom at `ms`, or null. F tolerates rounding, so bisection finds an atom up to a billionth of a
 * millisecond early.
 */
function atomAt(table: WaitTable, service: ServiceDistribution, addedMs: readonly number[], ms: number): number | null {
  if (service.kind === 'random') return null;
  for (let b = 1; b <= table.batchSizeMax; b++) {
    for (const added of addedMs) {
      const atom =
        service.serviceMs(b) + added + ((table.batchSizePmf[b] as number) > 0 && b < table.batchSizeMax ? (table.waitMsMax ?? 0) : 0);
      if (Math.abs(atom - ms) <= 2 * sameInstantMs) return atom;
    }
  }
  return null;
}

/** The smallest x in [0, `upper`] with cdf(x) ≥ `quantile`, to twelve digits and rounded up. Requires cdf(upper) ≥ `quantile`. */
export function smallestReaching(cdf: (ms: number) => number, quantile: number, upper: number): number {
  let [low, high] = [0, upper];
  while (high - low > 1e-12 * high) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (cdf(middle) >= quantile) high = middle;
    else low = middle;
  }
  return high;
}

/** The longest wait in a table, in milliseconds. */
export function longestWaitMs(table: WaitTable): number {
  if (table.waitMsMax !== null) return table.waitMsMax;
  let longest = 0;
  for (let b = 1; b <= table.batchSizeMax; b++) {
    table.forEachWaitMass(b, (_, toMs) => {
      longest = Math.max(longest, toMs);
    });
  }
  return longest;
}

/** E[W] of all requests, in milliseconds. */
export function meanWaitMs(table: WaitTable): number {
  let sum = 0;
  for (let b = 1; b <= table.batchSizeMax; b++) {
    table.forEachWaitMass(b, (fromMs, toMs, mass) => {
      sum += (mass * (fromMs + toMs)) / 2;
    });
  }
  return sum / table.meanBatch;
}

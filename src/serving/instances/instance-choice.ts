/** Which instance runs a batch, and whether a batch may be sent behind a running one. */
import type { Executor } from '../executor.ts';
import type { PendingRequest } from '../request.ts';

/**
 * Requests closer to their timeout are not sent ahead. A batch sent ahead runs even if its timeout passes, and the run before it
 * may take unexpectedly long.
 */
const aheadTimeoutMsMin = 10_000;

/** Rows of all requests of a batch: its size, by which profiles are indexed. */
export function batchRows(batch: readonly PendingRequest[]): number {
  return batch.reduce((sum, { rows }) => sum + rows, 0);
}

/** Whether a batch may be sent ahead: it would gain little from more rows, and no request in it is close to its timeout. */
export function mayGoAhead(batch: readonly PendingRequest[], executor: Executor, nowMs: number, rung?: number): boolean {
  return (
    !executor.benefitsFromBatching(batchRows(batch), rung) && batch.every(({ timeoutAtMs }) => timeoutAtMs > nowMs + aheadTimeoutMsMin)
  );
}

/** The idle executor that is fastest for one row. Among equals, the most recently used one, because its caches are warm. */
export function bestIdle(executors: Iterable<Executor>): Executor | undefined {
  let best: Executor | undefined;
  for (const executor of executors) {
    if (executor.isBusy) continue;
    if (best === undefined || isBetter(executor, best)) best = executor;
  }
  return best;
}

/** The busy executor that finishes first, among those that accept a batch ahead. */
export function nextToFallIdle(executors: Iterable<Executor>, nowMs: number): Executor | undefined {
  let best: Executor | undefined;
  for (const executor of executors) {
    if (!executor.acceptsAhead(nowMs)) continue;
    if (best === undefined || executor.asServer(nowMs).residualMs < best.asServer(nowMs).residualMs) best = executor;
  }
  return best;
}

/** Time until one of them accepts a batch ahead; infinite if none will. */
export function aheadInMs(executors: Iterable<Executor>, nowMs: number): number {
  let leastMs = Number.POSITIVE_INFINITY;
  for (const executor of executors) leastMs = Math.min(leastMs, executor.aheadInMs(nowMs));
  return leastMs;
}

function isBetter(left: Executor, right: Executor): boolean {
  const difference = left.table.medianMs(1) - right.table.medianMs(1);
  return difference < 0 || (difference === 0 && left.sinceMs > right.sinceMs);
}

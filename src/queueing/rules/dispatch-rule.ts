/**
 * When a batch is dispatched, and with which requests. Pure rules, shared by the serving buffer, the replay of recorded arrivals
 * and the simulator.
 */
import assert from 'node:assert/strict';

/**
 * Why a batch was dispatched; recorded for each one, so the effect of batching can be explained. `ahead`: it was sent behind the
 * running batch, because more requests would hardly have made it cheaper. `company`: an idle instance waited a moment for more requests.
 * `late`: none of it could still be in time, so it ran when no other request waited, or in the share of the time that late
 * requests get.
 */
export type CloseReason = 'idle' | 'full' | 'ahead' | 'company' | 'late' | 'slack' | 'next-would-miss' | 'timeout' | 'rescue' | 'flush';

/** What the rules need to know about a waiting request. */
export interface Waiting {
  readonly rows: number;
  /** Requests share a batch only if their buckets are equal (same sizes of the dimensions that vary, same scalars). */
  readonly bucket: string;
}

/**
 * The requests dispatched together to an always-on instance: from the head, in the given order (earliest deadline first), as long
 * as they fit into `batchSizeMax` rows. Requests of the same bucket never overtake one that does not fit; requests of other
 * buckets are skipped and remain queued. A head with more rows than `batchSizeMax` runs alone. The batch is never reduced for a
 * late head: smaller batches lower the throughput and delay all requests.
 */
export function takeBatch<Request extends Waiting>(waiting: Iterable<Request>, batchSizeMax: number): Request[] {
  assert(batchSizeMax >= 1, 'a batch holds at least one row');
  const batch: Request[] = [];
  let rows = 0;
  for (const request of waiting) {
    const head = batch[0];
    if (head !== undefined && request.bucket !== head.bucket) continue;
    if (head !== undefined && rows + request.rows > batchSizeMax) break;
    batch.push(request);
    rows += request.rows;
    if (rows >= batchSizeMax) break;
  }
  return batch;
}

/** What the prediction needs to know about an instance. */
export interface Server {
  /** Time until it is free, by the service quantile of its current batch; 0 if idle. */
  readonly residualMs: number;
  /** B_i: its maximum batch size in rows. */
  readonly batchSizeMax: number;
  /** s_i(B_i): the service quantile of a full batch. */
  readonly fullBatchMs: number;
}

/**
 * Predicts the time until a request is answered. `rowsAhead` rows with an earlier or equal deadline run before it, in full batches
 * in sequence. If several servers become free at the same time, the first in order takes the next batch. Infinite without servers.
 * Each server's residual busy time is used: an estimate from the mean rate, (q + 1)/Σμ, is too optimistic in bursts.
 */
export function predictCompletionMs(servers: readonly Server[], rowsAhead: number): number {
  if (servers.length === 0) return Number.POSITIVE_INFINITY;
  const freeMs = servers.map((server) => server.residualMs);
  let remaining = skipRounds(servers, freeMs, rowsAhead);
  // A heap of the servers, by the time they become free.
  const heap = servers.map((_, i) => i);
  for (let index = (heap.length >> 1) - 1; index >= 0; index--) siftDown(heap, freeMs, index);
  for (;;) {
    const first = heap[0] as number;
    const { batchSizeMax, fullBatchMs } = servers[first] as Server;
    const doneMs = (freeMs[first] as number) + fullBatchMs;
    if (remaining < batchSizeMax) return doneMs;
    remaining -= batchSizeMax;
    freeMs[first] = doneMs;
    siftDown(heap, freeMs, 0);
  }
}

function siftDown(heap: number[], freeMs: readonly number[], from: number): void {
  const moved = heap[from] as number;
  let index = from;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as number, heap[child] as number, freeMs)) child++;
    if (isBefore(moved, heap[child] as number, freeMs)) break;
    heap[index] = heap[child] as number;
    index = child;
  }
  heap[index] = moved;
}

function isBefore(left: number, right: number, freeMs: readonly number[]): boolean {
  const leftMs = freeMs[left] as number;
  const rightMs = freeMs[right] as number;
  return leftMs < rightMs || (leftMs === rightMs && left < right);
}

/** Prevents a rounding error from counting a batch that has not begun by t. */
const roundingShare = 1e-9;

/**
 * Skips, in one step, all batches that begin by a time t, and returns the remaining rows. By t, server i has begun
 * ⌊(t − f_i)/s_i⌋ + 1 batches, hence at most B_i·((t − f_i)/s_i + 1) rows. t is chosen so that these upper bounds add up to
 * `rowsAhead`: no more rows than that are taken, and less than one batch per server remains. If any server is not free by t,
 * nothing is skipped.
 */
function skipRounds(servers: readonly Server[], freeMs: number[], rowsAhead: number): number {
  let rowsPerMs = 0;
  let rowsAtZero = 0;
  let latestMs = 0;
  for (let i = 0; i < servers.length; i++) {
    const { batchSizeMax, fullBatchMs, residualMs: residual } = servers[i] as Server;
    if (fullBatchMs <= 0) return rowsAhead;
    rowsPerMs += batchSizeMax / fullBatchMs;
    rowsAtZero += batchSizeMax * (1 - residual / fullBatchMs);
    if (residual > latestMs) latestMs = residual;
  }
  const atMs = (rowsAhead - rowsAtZero) / rowsPerMs;
  if (!(atMs > latestMs)) return rowsAhead;
  let remaining = rowsAhead;
  for (let i = 0; i < servers.length; i++) {
    const { batchSizeMax, fullBatchMs, residualMs: residual } = servers[i] as Server;
    const batches = Math.floor((atMs - residual) / fullBatchMs - roundingShare) + 1;
    freeMs[i] = residual + batches * fullBatchMs;
    remaining -= batches * batchSizeMax;
  }
  return remaining;
}

/** Whether a run exceeds its expected `serviceMs` by more than normal variation, so it may be hung. */
export function isOverdue(elapsedMs: number, serviceMs: number): boolean {
  return elapsedMs > 1.25 * serviceMs;
}

/** Expected remaining time of a busy executor. An overdue run is assumed to need another quarter of its service time. */
export function residualMs(elapsedMs: number, serviceMs: number): number {
  return isOverdue(elapsedMs, serviceMs) ? 0.25 * serviceMs : Math.max(0, serviceMs - elapsedMs);
}

/**
 * How far a priority shifts a request in the deadline order, in milliseconds (negative: forward). 0 is the default and shifts
 * nothing, 1 is the highest, 11 and above the lowest; each step is a fifth of `horizonMs`. The shift is bounded, so no request
 * starves: a request of the lowest priority is overtaken for at most two horizons.
 */
export function priorityShiftMs(priority: number, horizonMs: number): number {
  if (priority === 0) return 0;
  return ((Math.min(priority, 11) - 6) / 5) * horizonMs;
}

/**
 * How a batch for a pay-per-use function is held open for more requests:
 * - `none`: never; each request is dispatched at once.
 * - `timeout`: until it holds `batchSizeMax` rows or its first request has waited `waitMsMax` (BATCH, SC'20).
 * - `slack`: until it is full or its earliest deadline leaves no more time than the batch needs. It needs no tuning and no model
 * of the arrivals: it only stops waiting when waiting would miss an objective.
 */
export type HoldPolicy =
  | { readonly kind: 'none' }
  | { readonly kind: 'timeout'; readonly batchSizeMax: number; readonly waitMsMax: number }
  | {
      readonly kind: 'slack';
      readonly batchSizeMax: number;
      /**
       * S(b) at the objective's quantile. Must never fall as b grows (use the running maximum): otherwise a batch could be dispatched
       * although a larger one would still have been in time.
       */
      readonly serviceMs: (rows: number) => number;
    };

/** A batch that still accepts requests. */
export interface OpenBatch {
  /** Arrival of its first request. */
  readonly openedMs: number;
  readonly rows: number;
  /** D_min: the earliest deadline in it. */
  readonly deadlineMs: number;
}

/**
 * Effect of an arrival. `join`: it joins the open batch, or opens one. `join-and-full`: it joins, and the batch is dispatched as
 * `full`. Otherwise the open batch is dispatched without it for the given reason, and the rule is then applied again without an
 * open batch.
 */
export type ArrivalEffect = 'join' | 'join-and-full' | Extract<CloseReason, 'full' | 'next-would-miss' | 'slack' | 'timeout'>;

/**
 * Effect of a request of `rows` rows that arrives at t = `nowMs` with the deadline d = `deadlineMs`. Under `slack` it joins if
 * t + S(b + rows) ≤ min(D_min, d). Otherwise the open batch is dispatched now: S never falls, so no later request could join
 * either. At exactly the batch's due time an arrival may still join; after it (a timer was late) the batch is dispatched first. A
 * request of `batchSizeMax` rows or more runs alone. A request that does not fit closes the open batch.
 */
export function onArrival(policy: HoldPolicy, open: OpenBatch | null, nowMs: number, deadlineMs: number, rows: number): ArrivalEffect {
  if (policy.kind === 'none') return open === null ? 'join-and-full' : 'full';
  if (open === null) return rows >= policy.batchSizeMax ? 'join-and-full' : 'join';
  const together = open.rows + rows;
  if (policy.kind === 'timeout') {
    if (nowMs > open.openedMs + policy.waitMsMax) return 'timeout';
    if (together > policy.batchSizeMax) return 'full';
  } else {
    if (together > policy.batchSizeMax) return 'full';
    if (nowMs + policy.serviceMs(together) > Math.min(open.deadlineMs, deadlineMs)) {
      return nowMs > open.deadlineMs - policy.serviceMs(open.rows) ? 'slack' : 'next-would-miss';
    }
  }
  return together === policy.batchSizeMax ? 'join-and-full' : 'join';
}

/**
 * When the open batch is dispatched if no other request arrives, evaluated at `nowMs` after each join: D_min − S(b) under
 * `slack`, T after the first request under `timeout`, and never before now. The reason is then `slack` or `timeout`.
 */
export function leavesAtMs(policy: HoldPolicy, open: OpenBatch, nowMs: number): number {
  if (policy.kind === 'none') return nowMs;
  const dueMs = policy.kind === 'timeout' ? open.openedMs + policy.waitMsMax : open.deadlineMs - policy.serviceMs(open.rows);
  return Math.max(nowMs, dueMs);
}

/**
 * When does a batch leave, and who goes with it? Pure rules, so that the buffer that serves, the replay of recorded
 * arrivals and the simulator all decide by the same lines.
 */
import assert from 'node:assert/strict';

/**
 * Why a batch left. Recorded with each one: "batching does nothing" is then a question with an answer. `ahead`: it was sent behind the one that
 * ran, because company would have made it hardly cheaper.
 */
export type CloseReason = 'idle' | 'full' | 'ahead' | 'slack' | 'next-would-miss' | 'timeout' | 'rescue' | 'flush';

/** What the rules need to know of a request that waits. */
export interface Waiting {
  readonly rows: number;
  /** Requests share a batch only if their buckets are equal (same sizes of the dimensions that vary, same scalars). */
  readonly bucket: string;
}

/**
 * The requests that leave together for an always-on instance: from the head, in the order given (earliest deadline
 * first), as long as they fit into `batchSizeMax` rows. Others of the head's bucket never overtake one that does not
 * fit; requests of another bucket are passed over and stay. A head of more rows than `batchSizeMax` leaves alone.
 *
 * Never fewer for the sake of a late head: smaller batches lower the rate and make everybody later.
 */
export function take<Request extends Waiting>(waiting: Iterable<Request>, batchSizeMax: number): Request[] {
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

/** An instance as prediction sees it. */
export interface Server {
  /** How long until it is free, by the service quantile of the batch it runs; 0 when idle. */
  readonly residualMs: number;
  /** B_i: the rows it takes at once. */
  readonly batchSizeMax: number;
  /** s_i(B_i): the service quantile of a full batch. */
  readonly fullBatchMs: number;
}

/**
 * How long from now until a request is answered that has `rowsAhead` rows with an earlier or equal deadline before
 * it, if the servers take full batches one after the other; infinite without a server. Of servers that are free at the
 * same time the one named first takes the next batch.
 *
 * The residual busy times are used one by one: an estimate by the mean rate, (q + 1)/Σμ, is too rosy in bursts.
 */
export function predictCompletionMs(servers: readonly Server[], rowsAhead: number): number {
  if (servers.length === 0) return Number.POSITIVE_INFINITY;
  const freeMs = servers.map((server) => server.residualMs);
  let left = skipRounds(servers, freeMs, rowsAhead);
  // A heap of the servers, by when they are free.
  const heap = servers.map((_, i) => i);
  for (let place = (heap.length >> 1) - 1; place >= 0; place--) siftDown(heap, freeMs, place);
  for (;;) {
    const first = heap[0] as number;
    const { batchSizeMax, fullBatchMs } = servers[first] as Server;
    const doneMs = (freeMs[first] as number) + fullBatchMs;
    if (left < batchSizeMax) return doneMs;
    left -= batchSizeMax;
    freeMs[first] = doneMs;
    siftDown(heap, freeMs, 0);
  }
}

function siftDown(heap: number[], freeMs: readonly number[], from: number): void {
  const moved = heap[from] as number;
  let place = from;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as number, heap[child] as number, freeMs)) child++;
    if (isBefore(moved, heap[child] as number, freeMs)) break;
    heap[place] = heap[child] as number;
    place = child;
  }
  heap[place] = moved;
}

function isBefore(left: number, right: number, freeMs: readonly number[]): boolean {
  const leftMs = freeMs[left] as number;
  const rightMs = freeMs[right] as number;
  return leftMs < rightMs || (leftMs === rightMs && left < right);
}

/** Rounding must not make a batch begin that has not begun yet. */
const roundingShare = 1e-9;

/**
 * Lets the servers take, at one stroke, all batches that begin by a time t by which at most `rowsAhead` rows are taken,
 * and answers how many rows are left. Server i has begun ⌊(t − f_i)/s_i⌋ + 1 batches by then, hence at most
 * B_i·((t − f_i)/s_i + 1) rows; t is where these upper bounds add up to `rowsAhead`, so that less than a batch of each
 * server is left. Where some server is not free by t, nothing is skipped.
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
  let left = rowsAhead;
  for (let i = 0; i < servers.length; i++) {
    const { batchSizeMax, fullBatchMs, residualMs: residual } = servers[i] as Server;
    const batches = Math.floor((atMs - residual) / fullBatchMs - roundingShare) + 1;
    freeMs[i] = residual + batches * fullBatchMs;
    left -= batches * batchSizeMax;
  }
  return left;
}

/** Whether what was to take `serviceMs` has run for longer than chance makes it: it may hang. */
export function isOverdue(elapsedMs: number, serviceMs: number): boolean {
  return elapsedMs > 1.25 * serviceMs;
}

/** How long a busy executor still needs: an overdue one counts a quarter of its service time, after twice that nothing is known. */
export function residualMs(elapsedMs: number, serviceMs: number): number {
  return isOverdue(elapsedMs, serviceMs) ? 0.25 * serviceMs : Math.max(0, serviceMs - elapsedMs);
}

/**
 * How far a priority moves a request in the deadline order, in milliseconds (negative: forward). 0 is the default and
 * moves nothing, 1 is the highest, 11 and above the lowest; each step is a fifth of `horizonMs`. The shift is bounded,
 * so that nobody starves: a request of the lowest priority is overtaken for two horizons at most.
 */
export function priorityShiftMs(priority: number, horizonMs: number): number {
  if (priority === 0) return 0;
  return ((Math.min(priority, 11) - 6) / 5) * horizonMs;
}

/**
 * How a batch for a pay-per-use function is held for company:
 * - `none`: never; each request leaves at once.
 * - `timeout`: until it holds `batchSizeMax` rows or its first request has waited `waitMsMax` (BATCH, SC'20).
 * - `slack`: until it is full or its earliest deadline leaves no more time than the batch needs. No wait to tune, and no
 *   model of the arrivals: the rule cannot be wrong about what comes, it only stops waiting when waiting would break a promise.
 */
export type HoldPolicy =
  | { readonly kind: 'none' }
  | { readonly kind: 'timeout'; readonly batchSizeMax: number; readonly waitMsMax: number }
  | {
      readonly kind: 'slack';
      readonly batchSizeMax: number;
      /** S(b), the quantile of the promise; must never fall with b (its running maximum), or a batch left for good could have grown. */
      readonly serviceMs: (rows: number) => number;
    };

/** A batch that still takes company. */
export interface OpenBatch {
  /** When its first request came. */
  readonly openedMs: number;
  readonly rows: number;
  /** D_min: the earliest deadline in it. */
  readonly deadlineMs: number;
}

/**
 * What an arrival does: it joins the open batch, or opens one (`join`); it joins and the batch leaves, `full`
 * (`join-and-full`); or the open batch leaves without it, for the reason given, and the arrival asks again with none open.
 */
export type ArrivalEffect = 'join' | 'join-and-full' | Extract<CloseReason, 'full' | 'next-would-miss' | 'slack' | 'timeout'>;

/**
 * What becomes of a request of `rows` rows that comes at `nowMs` and is to be answered by `deadlineMs`.
 *
 * Under `slack` it joins where t + S(b + rows) ≤ min(D_min, d). Otherwise nobody could join later either, as S never
 * falls, so the open batch leaves now. At exactly the time at which the batch is due, an arrival may still join; after it
 * (a timer was late) the batch leaves first. A request of `batchSizeMax` rows or more leaves alone, and one that finds
 * too little room closes the batch before it.
 */
export function whenArrives(policy: HoldPolicy, open: OpenBatch | null, nowMs: number, deadlineMs: number, rows: number): ArrivalEffect {
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
 * When the open batch leaves if nobody else comes, asked at `nowMs` after each join: D_min − S(b) under `slack`, T after the
 * first request under `timeout`, and never before now. It leaves for the reason `slack` or `timeout`.
 */
export function leavesAtMs(policy: HoldPolicy, open: OpenBatch, nowMs: number): number {
  if (policy.kind === 'none') return nowMs;
  const dueMs = policy.kind === 'timeout' ? open.openedMs + policy.waitMsMax : open.deadlineMs - policy.serviceMs(open.rows);
  return Math.max(nowMs, dueMs);
}

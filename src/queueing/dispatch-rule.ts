/**
 * When does a batch leave, and who goes with it? Pure rules, so that the buffer that serves, the replay of recorded
 * arrivals and the simulator all decide by the same lines.
 */
import assert from 'node:assert/strict';

/** Why a batch left. Recorded with each one: "batching does nothing" is then a question with an answer. */
export type CloseReason = 'idle' | 'full' | 'slack' | 'next-would-miss' | 'timeout' | 'rescue' | 'flush';

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
 * it, if the servers take full batches one after the other; infinite without a server.
 *
 * The residual busy times are used one by one: an estimate by the mean rate, (q + 1)/Σμ, is too rosy in bursts.
 */
export function predictCompletionMs(servers: readonly Server[], rowsAhead: number): number {
  if (servers.length === 0) return Number.POSITIVE_INFINITY;
  const freeMs = servers.map((server) => server.residualMs);
  let left = rowsAhead;
  for (;;) {
    let first = 0;
    for (let i = 1; i < freeMs.length; i++) if ((freeMs[i] as number) < (freeMs[first] as number)) first = i;
    const server = servers[first] as Server;
    const doneMs = (freeMs[first] as number) + server.fullBatchMs;
    if (left < server.batchSizeMax) return doneMs;
    left -= server.batchSizeMax;
    freeMs[first] = doneMs;
  }
}

/** How long a busy executor still needs: an overdue one counts a quarter of its service time, after twice that nothing is known. */
export function residualMs(elapsedMs: number, serviceMs: number): number {
  if (elapsedMs <= serviceMs) return serviceMs - elapsedMs;
  return elapsedMs <= 1.25 * serviceMs ? 0 : 0.25 * serviceMs;
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

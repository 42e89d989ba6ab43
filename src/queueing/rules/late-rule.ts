/**
 * What happens to requests that can no longer be answered in time. Deadline order serves them first, which under overload makes
 * every later request late too: with S(b) = 7 + 0.7 b ms and an objective of 100 ms, a load of 1.2 leaves 3 % of the answers in
 * time. Here they go to the back: they run when no request that can still be in time waits, and in a small guaranteed share of the
 * executors' time.
 */
import assert from 'node:assert/strict';
import type { Waiting } from './dispatch-rule.ts';

/** What the rule needs to know about a request with an objective. */
export interface Promised extends Waiting {
  /** When it must be answered. */
  readonly promisedAtMs: number;
}

/** When a batch would be answered. */
export interface ExpectedEnd {
  /** `clock.nowMs()` for a batch of that many rows. */
  readonly doneAtMs: (rows: number) => number;
  /** The part of the objective that `promisedAtMs` reserves for slower runs. */
  readonly marginMs: number;
  /** A request that must be answered before this time gives its place in a batch of that many rows to another one that waits. */
  readonly safeAtMs: (rows: number) => number;
}

/**
 * `safeAtMs` while requests are late and more arrive than can be served. Some will be late whichever are chosen, so those are chosen
 * that have most time left: half of the time that the objective (`latencyMs`, less the margin) leaves for waiting. Deadline order would
 * choose those that are just in time if nothing takes longer than expected: on a busy machine a wide MLP with 50 ms then had 57 % of its
 * capacity as answers in time, because clients wait 3 ms (median) to 20 ms (p95) longer than the server can know.
 */
export function safeUnderOverload(doneAtMs: ExpectedEnd['doneAtMs'], nowMs: number, latencyMs: number): ExpectedEnd['safeAtMs'] {
  return (rows) => {
    const atMs = doneAtMs(rows);
    return atMs + Math.max(0, latencyMs - (atMs - nowMs)) / 2;
  };
}

/**
 * The requests of a batch that will be late in it. If there are `rowsBeyond` waiting rows to take their places, the batch stays as
 * large, so all that they can replace are returned. Otherwise the batch shrinks and gets faster, so only the first one is: call
 * again with the smaller batch.
 */
export function lateIn<Request extends Promised>(
  batch: readonly Request[],
  rowsBeyond: number,
  { doneAtMs, marginMs, safeAtMs }: ExpectedEnd,
): readonly Request[] {
  if (batch.length === 0) return [];
  const batchRows = rowsOf(batch);
  const safeMs = safeAtMs(batchRows);
  let rows = 0;
  const replaced = batch.filter((request) => request.promisedAtMs < safeMs && (rows += request.rows) <= rowsBeyond);
  if (replaced.length > 0) return replaced;
  const atMs = doneAtMs(batchRows);
  return batch.filter(({ promisedAtMs }) => promisedAtMs + marginMs < atMs).slice(0, 1);
}

/**
 * Late requests for the free places of a batch: those of its bucket that leave every request of the batch in time, in their
 * order. A late request never delays a request of its batch beyond its promise.
 */
export function fillWithLate<Request extends Promised>(
  batch: readonly Request[],
  late: Iterable<Request>,
  batchSizeMax: number,
  doneAtMs: (rows: number) => number,
): readonly Request[] {
  const [head] = batch;
  assert(head !== undefined, 'a batch holds at least one request');
  const promisedAtMs = batch.reduce((earliest, request) => Math.min(earliest, request.promisedAtMs), Number.POSITIVE_INFINITY);
  let rows = rowsOf(batch);
  const added: Request[] = [];
  for (const request of late) {
    if (rows >= batchSizeMax) break;
    if (request.bucket !== head.bucket) continue;
    if (rows + request.rows > batchSizeMax || doneAtMs(rows + request.rows) > promisedAtMs) break;
    added.push(request);
    rows += request.rows;
  }
  return added;
}

/**
 * The batch size while not all waiting requests can be in time: the largest of `sizes` that requests fill all of which are in time;
 * null if there is none. The most urgent requests are then late, but more are answered in time than with smaller batches, which
 * take longer per row. `latestFirst`: the waiting requests. `sizes`: ascending, each faster per row than those before it.
 */
export function sizeInTime(latestFirst: Iterable<Promised>, sizes: readonly number[], doneAtMs: (rows: number) => number): number | null {
  let best: number | null = null;
  let next = 0;
  let rows = 0;
  let promisedAtMs = Number.POSITIVE_INFINITY;
  for (const request of latestFirst) {
    rows += request.rows;
    promisedAtMs = Math.min(promisedAtMs, request.promisedAtMs);
    for (let size = sizes[next]; size !== undefined && size <= rows; size = sizes[++next]) if (doneAtMs(size) <= promisedAtMs) best = size;
    if (next === sizes.length) break;
  }
  return best;
}

/** The share of the executors' time that late requests get while others wait, so that they do not starve. */
export const lateShare = 0.05;

/** Keeps account of that share: `lateShare` of the time that batches take while late requests wait. */
export class LateShare {
  #earnedMs = 0;

  /** A batch of requests that can be in time was dispatched while late ones waited. `serviceMs`: its expected duration. */
  earn(serviceMs: number): void {
    this.#earnedMs += (serviceMs * lateShare) / (1 - lateShare);
  }

  /**
   * Whether a batch of late requests of this duration may go first. One that would make others late (`isHarmful`) goes first only if
   * twice its duration was earned: at a load below capacity, a moment without other requests comes earlier.
   */
  isDue(serviceMs: number, isHarmful: () => boolean): boolean {
    return this.#earnedMs >= serviceMs && (this.#earnedMs >= 2 * serviceMs || !isHarmful());
  }

  /** A batch of late requests was dispatched. One that ran in free time may cost more than was earned. */
  spend(serviceMs: number): void {
    this.#earnedMs = Math.max(0, this.#earnedMs - serviceMs);
  }

  /** No late request is left. */
  reset(): void {
    this.#earnedMs = 0;
  }
}

/** Rows per millisecond that late requests can count on: what those in time leave, at least their share. */
export function lateRowsPerMs(capacityPerMs: number, timelyPerMs: number): number {
  return Math.max(lateShare * capacityPerMs, capacityPerMs - timelyPerMs);
}

function rowsOf(batch: readonly Waiting[]): number {
  return batch.reduce((sum, { rows }) => sum + rows, 0);
}

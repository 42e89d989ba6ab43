/**
 * Replays recorded arrivals through the dispatch rule: what would have happened under another setting. Makes no assumption about
 * the arrivals, so it is correct for any correlation. It cannot predict other rates.
 */
import assert from 'node:assert/strict';
import { type HoldPolicy, leavesAtMs, onArrival } from './rules/dispatch-rule.ts';
import type { WaitPolicy, WaitTable } from './waits/wait-table.ts';

/**
 * Times that differ by less than this are equal: deadlines are rounded sums, and batches are often dispatched exactly at their
 * deadline.
 */
const roundingMs = 1e-9;

/** Approximate number of pieces by which the waits of a long history are represented. */
const piecesWanted = 256;

/** Why a batch was dispatched in a replay: a replay has no executors, so only requests and time matter. */
export type ReplayReason = 'full' | 'slack' | 'next-would-miss' | 'timeout';

/** A batch of the arrivals `first`, `first + 1`, …, `first + rows − 1`. */
export interface ReplayedBatch {
  readonly first: number;
  readonly rows: number;
  readonly dispatchedMs: number;
  readonly reason: ReplayReason;
}

/**
 * The batches of `arrivalsMs` (ascending, one row each) under a policy, in order. Each request's deadline is `latencyMs` after its
 * arrival; only the slack rule uses it. Timers are exact. The last batch is dispatched as if no request followed.
 */
export function replayBatches(arrivalsMs: Float64Array, policy: HoldPolicy, latencyMs: number): ReplayedBatch[] {
  const { firsts, dispatchedMs, reasons } = departures(arrivalsMs, policy, latencyMs);
  return firsts.map((first, i) => ({
    first,
    rows: (firsts[i + 1] ?? arrivalsMs.length) - first,
    dispatchedMs: dispatchedMs[i] as number,
    reason: reasons[i] as ReplayReason,
  }));
}

/**
 * The same as a wait table: H_b(w) is the number of requests that waited at most w in batches of b, divided by the number of
 * batches. An empty history yields the table of a single request, with a `sampleCount` of 0.
 */
export function replayTable(arrivalsMs: Float64Array, policy: HoldPolicy, latencyMs: number): WaitTable {
  const arrivals = arrivalsMs.length === 0 ? new Float64Array(1) : arrivalsMs;
  const table = tableOfBatches('replay', arrivals, policy, departures(arrivals, policy, latencyMs));
  return arrivalsMs.length === 0 ? table.withSampleCount(0) : table;
}

/**
 * The wait table of batches formed under a policy. Batch i has the requests from index `firsts[i]` up to `firsts[i + 1]`
 * (exclusive), which waited until `dispatchedMs[i]`.
 */
export function tableOfBatches(
  source: 'replay' | 'simulator',
  arrivalsMs: Float64Array,
  policy: HoldPolicy,
  { firsts, dispatchedMs }: Pick<Departures, 'firsts' | 'dispatchedMs'>,
): CountedTable {
  const waitMsMax = policy.kind === 'timeout' ? policy.waitMsMax : policy.kind === 'none' ? 0 : null;
  return new CountedTable({
    source,
    policy: policy.kind === 'slack' ? 'slack' : 'timeout',
    batchSizeMax: policy.kind === 'none' ? 1 : policy.batchSizeMax,
    // In a simulation, requests also wait for executors, so waits have no bound.
    waitMsMax: source === 'simulator' ? null : waitMsMax,
    sampleCount: arrivalsMs.length,
    arrivalsMs,
    firsts,
    dispatchedMs,
  });
}

/**
 * Makes arrival times non-decreasing, as the dispatch rules require. A time before its predecessor means that the clock was set
 * back: it counts as simultaneous, and later gaps are preserved.
 */
export function neverFalling(timesMs: Float64Array): Float64Array {
  let setBackMs = 0;
  let ascending: Float64Array | null = null;
  let before = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < timesMs.length; i++) {
    const atMs = timesMs[i] as number;
    assert(Number.isFinite(atMs), `invalid arrival: expected a time in milliseconds, got ${atMs} at index ${i}`);
    if (atMs < before) {
      setBackMs += before - atMs;
      ascending ??= timesMs.slice();
    }
    if (ascending !== null) ascending[i] = atMs + setBackMs;
    before = atMs;
  }
  return ascending ?? timesMs;
}

interface Departures {
  /** Per batch: the index of its first request. */
  readonly firsts: number[];
  readonly dispatchedMs: number[];
  readonly reasons: ReplayReason[];
}

function departures(arrivalsMs: Float64Array, policy: HoldPolicy, latencyMs: number): Departures {
  const timer: ReplayReason = policy.kind === 'slack' ? 'slack' : 'timeout';
  const found: Departures = { firsts: [], dispatchedMs: [], reasons: [] };
  // Plain variables instead of an object: the compiler then eliminates the open-batch object passed to each call.
  let openedMs = 0;
  let rows = 0;
  let deadlineMs = 0;
  let dueMs = 0;
  for (let i = 0; i < arrivalsMs.length; i++) {
    const nowMs = arrivalsMs[i] as number;
    if (rows > 0 && nowMs > dueMs) {
      leave(found, dueMs, timer);
      rows = 0;
    }
    let effect =
      rows > 0
        ? onArrival(policy, { openedMs, rows, deadlineMs }, nowMs, nowMs + latencyMs, 1)
        : onArrival(policy, null, nowMs, nowMs + latencyMs, 1);
    if (effect !== 'join' && effect !== 'join-and-full') {
      leave(found, nowMs, effect);
      rows = 0;
      effect = onArrival(policy, null, nowMs, nowMs + latencyMs, 1);
    }
    if (rows === 0) {
      found.firsts.push(i);
      openedMs = nowMs;
      deadlineMs = nowMs + latencyMs;
    }
    rows++;
    if (effect === 'join-and-full') {
      leave(found, nowMs, 'full');
      rows = 0;
    } else {
      dueMs = leavesAtMs(policy, { openedMs, rows, deadlineMs }, nowMs);
    }
  }
  if (rows > 0) leave(found, dueMs, timer);
  return found;
}

function leave(found: Departures, atMs: number, reason: ReplayReason): void {
  found.dispatchedMs.push(atMs);
  found.reasons.push(reason);
}

interface Counted {
  readonly source: 'replay' | 'simulator';
  readonly policy: WaitPolicy;
  readonly batchSizeMax: number;
  readonly waitMsMax: number | null;
  readonly sampleCount: number;
  readonly arrivalsMs: Float64Array;
  /** Per batch: the index of its first request, and when the batch was dispatched. */
  readonly firsts: ArrayLike<number>;
  readonly dispatchedMs: ArrayLike<number>;
}

/** A wait table of counted requests. */
class CountedTable implements WaitTable {
  readonly source: 'replay' | 'simulator';
  readonly policy: WaitPolicy;
  readonly batchSizeMax: number;
  readonly waitMsMax: number | null;
  readonly batchSizePmf: Float64Array;
  readonly meanBatch: number;
  readonly sampleCount: number;
  readonly #counted: Counted;
  /** Waits by batch size, each ascending: those of size b are from `#starts[b]` up to `#starts[b + 1]`. Created on first use. */
  #waitsMs: Float64Array | null = null;
  readonly #starts: Int32Array;

  constructor(counted: Counted) {
    const { batchSizeMax, firsts, arrivalsMs } = counted;
    this.source = counted.source;
    this.policy = counted.policy;
    this.waitMsMax = counted.waitMsMax;
    this.batchSizeMax = batchSizeMax;
    this.sampleCount = counted.sampleCount;
    this.meanBatch = arrivalsMs.length / firsts.length;
    this.#counted = counted;
    const batches = new Int32Array(batchSizeMax + 1);
    for (let i = 0; i < firsts.length; i++) {
      const rows = ((i + 1 < firsts.length ? firsts[i + 1] : arrivalsMs.length) as number) - (firsts[i] as number);
      batches[rows] = (batches[rows] as number) + 1;
    }
    this.batchSizePmf = new Float64Array(batchSizeMax + 1);
    this.#starts = new Int32Array(batchSizeMax + 2);
    for (let b = 1; b <= batchSizeMax; b++) {
      this.batchSizePmf[b] = (batches[b] as number) / firsts.length;
      this.#starts[b + 1] = (this.#starts[b] as number) + b * (batches[b] as number);
    }
  }

  withSampleCount(sampleCount: number): CountedTable {
    return new CountedTable({ ...this.#counted, sampleCount });
  }

  requestsWithin(batchSize: number, waitMs: number): number {
    const waits = this.#waitsBySize();
    const start = this.#starts[batchSize] as number;
    let low = start;
    let high = this.#starts[batchSize + 1] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((waits[middle] as number) <= waitMs + roundingMs) low = middle + 1;
      else high = middle;
    }
    return (low - start) / this.#counted.firsts.length;
  }

  /**
   * Equal waits form an atom, for example the first requests of all batches that used up their slack. In long histories,
   * neighbouring waits are merged into pieces, because distributions of service times are evaluated at the ends of each piece.
   */
  forEachWaitMass(batchSize: number, visit: (fromMs: number, toMs: number, mass: number) => void): void {
    const waits = this.#waitsBySize();
    const end = this.#starts[batchSize + 1] as number;
    const isShared = (i: number): boolean => i + 1 < end && (waits[i + 1] as number) - (waits[i] as number) <= roundingMs;
    const inPiece = Math.round(this.sampleCount / piecesWanted);
    for (let i = this.#starts[batchSize] as number; i < end; ) {
      let next = i + 1;
      let toMs = waits[i] as number;
      if (isShared(i)) {
        while (next < end && (waits[next] as number) - toMs <= roundingMs) next++;
      } else if (inPiece >= 4) {
        while (next < end && next - i < inPiece && !isShared(next)) next++;
        toMs = waits[next - 1] as number;
      }
      visit(waits[i] as number, toMs, (next - i) / this.#counted.firsts.length);
      i = next;
    }
  }

  #waitsBySize(): Float64Array {
    if (this.#waitsMs !== null) return this.#waitsMs;
    const { arrivalsMs, firsts, dispatchedMs } = this.#counted;
    const waitsMs = new Float64Array(arrivalsMs.length);
    const next = this.#starts.slice();
    for (let i = 0; i < firsts.length; i++) {
      const end = (i + 1 < firsts.length ? firsts[i + 1] : arrivalsMs.length) as number;
      const rows = end - (firsts[i] as number);
      let at = next[rows] as number;
      next[rows] = at + rows;
      for (let j = firsts[i] as number; j < end; j++) waitsMs[at++] = (dispatchedMs[i] as number) - (arrivalsMs[j] as number);
    }
    for (let b = 1; b <= this.batchSizeMax; b++) waitsMs.subarray(this.#starts[b], this.#starts[b + 1]).sort();
    this.#waitsMs = waitsMs;
    return waitsMs;
  }
}

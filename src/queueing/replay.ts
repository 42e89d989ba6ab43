/**
 * Recorded arrivals run through the rule that serves: what would have happened under another setting. It assumes nothing
 * of the arrivals, so it is right about any correlation, and it cannot say anything of another rate.
 */
import assert from 'node:assert/strict';
import { type HoldPolicy, leavesAtMs, whenArrives } from './dispatch-rule.ts';
import type { WaitPolicy, WaitTable } from './wait-table.ts';

/** Times closer than this are the same: deadlines are sums and differences of doubles, and whole batches leave exactly at theirs. */
const roundingMs = 1e-9;

/** A few more than so many pieces represent the waits of a long history. */
const piecesWanted = 256;

/** Why a batch left in a replay, where nothing else than company and time plays a part. */
export type ReplayReason = 'full' | 'slack' | 'next-would-miss' | 'timeout';

/** A batch of the arrivals `first`, `first + 1`, …, `first + rows − 1`. */
export interface ReplayedBatch {
  readonly first: number;
  readonly rows: number;
  readonly leftMs: number;
  readonly reason: ReplayReason;
}

/**
 * The batches of `arrivalsMs` (ascending, one row each) under a policy, in order. Each request is to be answered
 * `latencyMs` after it came; only the slack rule looks at that. Timers are exact, and the last batch leaves as if
 * nobody came after.
 */
export function replayBatches(arrivalsMs: Float64Array, policy: HoldPolicy, latencyMs: number): ReplayedBatch[] {
  const { firsts, leftMs, reasons } = departures(arrivalsMs, policy, latencyMs);
  return firsts.map((first, i) => ({
    first,
    rows: (firsts[i + 1] ?? arrivalsMs.length) - first,
    leftMs: leftMs[i] as number,
    reason: reasons[i] as ReplayReason,
  }));
}

/**
 * The same as a wait table: H_b(w) is the number of requests that waited at most w in batches of b, over the number of
 * batches. No arrivals at all are taken as one request on its own, with a `sampleCount` of 0: nothing can be said of company.
 */
export function replayTable(arrivalsMs: Float64Array, policy: HoldPolicy, latencyMs: number): WaitTable {
  const arrivals = arrivalsMs.length === 0 ? new Float64Array(1) : arrivalsMs;
  const table = tableOfBatches('replay', arrivals, policy, departures(arrivals, policy, latencyMs));
  return arrivalsMs.length === 0 ? table.withSampleCount(0) : table;
}

/** The wait table of batches that were formed under a policy, each of the requests from `firsts[i]` up to the next first, which waited until `leftMs[i]`. */
export function tableOfBatches(
  source: 'replay' | 'simulator',
  arrivalsMs: Float64Array,
  policy: HoldPolicy,
  { firsts, leftMs }: Pick<Departures, 'firsts' | 'leftMs'>,
): CountedTable {
  const waitMsMax = policy.kind === 'timeout' ? policy.waitMsMax : policy.kind === 'none' ? 0 : null;
  return new CountedTable({
    source,
    policy: policy.kind === 'slack' ? 'slack' : 'timeout',
    batchSizeMax: policy.kind === 'none' ? 1 : policy.batchSizeMax,
    // In a simulation requests also wait for executors, however long.
    waitMsMax: source === 'simulator' ? null : waitMsMax,
    sampleCount: arrivalsMs.length,
    arrivalsMs,
    firsts,
    leftMs,
  });
}

/**
 * Arrivals as the rules want them: never falling. A time before its predecessor comes of a clock that was set back; it counts
 * as simultaneous with it, and all that follow keep their gaps.
 */
export function neverFalling(timesMs: Float64Array): Float64Array {
  let setBackMs = 0;
  let ascending: Float64Array | null = null;
  let before = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < timesMs.length; i++) {
    const atMs = timesMs[i] as number;
    assert(Number.isFinite(atMs), `an arrival is a time in milliseconds, got ${atMs} at index ${i}`);
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
  /** By batch: the index of its first request. */
  readonly firsts: number[];
  readonly leftMs: number[];
  readonly reasons: ReplayReason[];
}

function departures(arrivalsMs: Float64Array, policy: HoldPolicy, latencyMs: number): Departures {
  const timer: ReplayReason = policy.kind === 'slack' ? 'slack' : 'timeout';
  const found: Departures = { firsts: [], leftMs: [], reasons: [] };
  // Plain numbers: the open batch is made for each question, and the compiler makes it disappear.
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
        ? whenArrives(policy, { openedMs, rows, deadlineMs }, nowMs, nowMs + latencyMs, 1)
        : whenArrives(policy, null, nowMs, nowMs + latencyMs, 1);
    if (effect !== 'join' && effect !== 'join-and-full') {
      leave(found, nowMs, effect);
      rows = 0;
      effect = whenArrives(policy, null, nowMs, nowMs + latencyMs, 1);
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
  found.leftMs.push(atMs);
  found.reasons.push(reason);
}

interface Counted {
  readonly source: 'replay' | 'simulator';
  readonly policy: WaitPolicy;
  readonly batchSizeMax: number;
  readonly waitMsMax: number | null;
  readonly sampleCount: number;
  readonly arrivalsMs: Float64Array;
  /** By batch: the index of its first request, which those up to the next batch's first join, and when it left. */
  readonly firsts: ArrayLike<number>;
  readonly leftMs: ArrayLike<number>;
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
  /** The waits by batch size, ascending, those of size b from `#starts[b]` up to `#starts[b + 1]`; made when first asked for. */
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
   * Equal waits are an atom: those of the first requests of all batches that used up their slack. Of many others, some
   * neighbours make a piece, as a law of service times is looked up for each end of it.
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
    const { arrivalsMs, firsts, leftMs } = this.#counted;
    const waitsMs = new Float64Array(arrivalsMs.length);
    const next = this.#starts.slice();
    for (let i = 0; i < firsts.length; i++) {
      const end = (i + 1 < firsts.length ? firsts[i + 1] : arrivalsMs.length) as number;
      const rows = end - (firsts[i] as number);
      let at = next[rows] as number;
      next[rows] = at + rows;
      for (let j = firsts[i] as number; j < end; j++) waitsMs[at++] = (leftMs[i] as number) - (arrivalsMs[j] as number);
    }
    for (let b = 1; b <= this.batchSizeMax; b++) waitsMs.subarray(this.#starts[b], this.#starts[b + 1]).sort();
    this.#waitsMs = waitsMs;
    return waitsMs;
  }
}

/**
 * Simulates a buffer and its executors request by request. Covers limited concurrency, cold starts and random service times, which
 * the formulas do not. Batches are formed by the dispatch rule; service times are drawn at random.
 */
import assert from 'node:assert/strict';
import type { UniformSource } from './arrivals/generate-arrivals.ts';
import { replayBatches, tableOfBatches } from './replay.ts';
import type { HoldPolicy } from './rules/dispatch-rule.ts';
import type { WaitTable } from './waits/wait-table.ts';

/** The executors of a simulated buffer. */
export interface SimulatedExecutors {
  /** c: maximum number of concurrent batches; infinite for functions without a limit. */
  readonly concurrencyMax: number;
  /** Draws a random service time of a batch of `rows`, in milliseconds. */
  readonly drawServiceMs: (rows: number, random: UniformSource) => number;
  /** Start time of an executor; 0: starts take no time. */
  readonly coldStartMs: number;
  /** An executor ends after being idle for longer than this. */
  readonly keepAliveMs: number;
}

/** The result of a simulation: the same table as formulas produce, and samples that they cannot give. */
export interface Simulated {
  /** Waits include everything until service begins: in the buffer, for a free executor, and for its start. */
  readonly table: WaitTable;
  /** Per request, from arrival to response. */
  readonly latenciesMs: Float64Array;
  /** Per batch, with the drawn service time. */
  readonly batches: readonly SimulatedBatch[];
  readonly coldStarts: number;
}

/** One batch; times are in milliseconds since the start of the simulation. */
export interface SimulatedBatch {
  readonly rows: number;
  readonly startMs: number;
  readonly serviceMs: number;
}

/**
 * Simulates `arrivalsMs` (ascending, one row each); `latencyMs` is the objective, used by the slack rule. Batches are served in
 * order of dispatch. Among idle executors, the most recently used one runs the batch, so the others can end.
 */
export function simulateBatching(
  arrivalsMs: Float64Array,
  { policy, latencyMs }: { readonly policy: HoldPolicy; readonly latencyMs: number },
  executors: SimulatedExecutors,
  random: UniformSource,
): Simulated {
  assert(arrivalsMs.length > 0, 'a simulation needs at least one arrival');
  const held = replayBatches(arrivalsMs, policy, latencyMs);
  const pool = new Pool(executors);
  const latenciesMs = new Float64Array(arrivalsMs.length);
  const batches: SimulatedBatch[] = [];
  for (const { first, rows, dispatchedMs } of held) {
    const serviceMs = executors.drawServiceMs(rows, random);
    const startMs = pool.run(dispatchedMs, serviceMs);
    for (let i = first; i < first + rows; i++) latenciesMs[i] = startMs + serviceMs - (arrivalsMs[i] as number);
    batches.push({ rows, startMs, serviceMs });
  }
  const firsts = held.map(({ first }) => first);
  const startsMs = batches.map(({ startMs }) => startMs);
  return {
    table: tableOfBatches('simulator', arrivalsMs, policy, { firsts, dispatchedMs: startsMs }),
    latenciesMs,
    batches,
    coldStarts: pool.coldStarts,
  };
}

class Pool {
  coldStarts = 0;
  readonly #executors: SimulatedExecutors;
  /** When each running executor becomes or became free. */
  #freeAtMs: number[] = [];

  constructor(executors: SimulatedExecutors) {
    this.#executors = executors;
  }

  /** Runs a batch dispatched at `leftMs` and returns when its service begins. */
  run(leftMs: number, serviceMs: number): number {
    const { concurrencyMax, coldStartMs, keepAliveMs } = this.#executors;
    this.#freeAtMs = this.#freeAtMs.filter((freeAtMs) => leftMs - freeAtMs <= keepAliveMs);
    let taken = -1;
    for (const [i, freeAtMs] of this.#freeAtMs.entries()) {
      if (freeAtMs <= leftMs && (taken < 0 || freeAtMs > (this.#freeAtMs[taken] as number))) taken = i;
    }
    if (taken >= 0) return this.#use(taken, leftMs, serviceMs);
    if (this.#freeAtMs.length < concurrencyMax) {
      if (coldStartMs > 0) this.coldStarts++;
      return this.#use(this.#freeAtMs.length, leftMs + coldStartMs, serviceMs);
    }
    const soonest = this.#freeAtMs.indexOf(Math.min(...this.#freeAtMs));
    return this.#use(soonest, this.#freeAtMs[soonest] as number, serviceMs);
  }

  #use(executor: number, startMs: number, serviceMs: number): number {
    this.#freeAtMs[executor] = startMs + serviceMs;
    return startMs;
  }
}

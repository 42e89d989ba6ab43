/**
 * A buffer and the executors behind it, request by request: for limited concurrency, cold starts and random service, where
 * formulas end. It forms batches by the rule that serves, and draws what happens to each.
 */
import assert from 'node:assert/strict';
import type { HoldPolicy } from './dispatch-rule.ts';
import type { UniformSource } from './generate-arrivals.ts';
import { replayBatches, tableOfBatches } from './replay.ts';
import type { WaitTable } from './wait-table.ts';

export interface SimulatedExecutors {
  /** c: batches that run at a time; infinite for functions without a limit. */
  readonly concurrencyMax: number;
  /** How long a batch of so many rows takes this time. */
  readonly drawServiceMs: (rows: number, random: UniformSource) => number;
  /** What it takes to start an executor; 0: all are always there. */
  readonly coldStartMs: number;
  /** An executor that was idle for longer has ended. */
  readonly keepAliveMs: number;
}

export interface Simulated {
  /** Waits are until service begins: in the buffer, for an executor to be free, and for it to start. */
  readonly table: WaitTable;
  /** By request, arrival to answer. */
  readonly latenciesMs: Float64Array;
  /** By batch, as drawn. */
  readonly batches: readonly SimulatedBatch[];
  readonly coldStarts: number;
}

export interface SimulatedBatch {
  readonly rows: number;
  readonly startMs: number;
  readonly serviceMs: number;
}

/**
 * `arrivalsMs` ascending, one row each; `latencyMs` is what the slack rule promises. Batches are served in the order in which
 * they left. Of several idle executors the one that was busy last is taken, so that the others may end.
 */
export function simulateBatching(
  arrivalsMs: Float64Array,
  { policy, latencyMs }: { readonly policy: HoldPolicy; readonly latencyMs: number },
  executors: SimulatedExecutors,
  random: UniformSource,
): Simulated {
  assert(arrivalsMs.length > 0, 'a simulation needs arrivals');
  const held = replayBatches(arrivalsMs, policy, latencyMs);
  const pool = new Pool(executors);
  const latenciesMs = new Float64Array(arrivalsMs.length);
  const batches: SimulatedBatch[] = [];
  for (const { first, rows, leftMs } of held) {
    const serviceMs = executors.drawServiceMs(rows, random);
    const startMs = pool.run(leftMs, serviceMs);
    for (let i = first; i < first + rows; i++) latenciesMs[i] = startMs + serviceMs - (arrivalsMs[i] as number);
    batches.push({ rows, startMs, serviceMs });
  }
  const firsts = held.map(({ first }) => first);
  const startsMs = batches.map(({ startMs }) => startMs);
  return {
    table: tableOfBatches('simulator', arrivalsMs, policy, { firsts, leftMs: startsMs }),
    latenciesMs,
    batches,
    coldStarts: pool.coldStarts,
  };
}

class Pool {
  coldStarts = 0;
  readonly #executors: SimulatedExecutors;
  /** When each that runs is free, or has been since. */
  #freeAtMs: number[] = [];

  constructor(executors: SimulatedExecutors) {
    this.#executors = executors;
  }

  /** When a batch that leaves at `leftMs` begins to be served. */
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

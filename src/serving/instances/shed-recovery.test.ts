/** `late: shed` while other load slows the machine: which requests are rejected, and that rejections end with the load. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../../clock.ts';
import { ServiceTable } from '../../profiling/index.ts';
import { SeededRandom } from '../../random.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { VariantPool } from '../variant-pool.ts';

const sizes = [1, 2, 4, 8, 16];
const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;
const model = { name: 'm/1', group: 'm', version: 1, signature, batchable: true, runtime: { kind: 'onnx' } } as unknown as ModelVersion;
const latencyMs = 25;
/** Capacity with full batches, rows per millisecond. */
const capacity = 16 / quietMs(16);

function quietMs(rows: number): number {
  return 4 + 0.25 * rows;
}

/** Returns the duration of a run under other load, given its duration without. */
type OtherLoad = (aloneMs: number, random: SeededRandom) => number;

/** A pool with one instance; outcomes are counted per second. */
class LoadedPool {
  readonly #clock = new VirtualClock();
  readonly #random = new SeededRandom(3);
  readonly #pool: VariantPool;
  #otherLoad: OtherLoad | null = null;
  #freeAtMs = 0;
  #nextAtMs = 0;
  #sent = 0;

  constructor() {
    const service = sizes.map((b) => {
      const samples = Array.from({ length: 200 }, () => this.#aloneMs(b));
      return { b, p50Ms: quietMs(b), p95Ms: quietMs(b), p99Ms: quietMs(b), samples, rssMiB: 0 };
    });
    const table = new ServiceTable({ executor: 'instance:local.1', service, measuredAtMs: 0, loadMs: 0, batchMax: 16, notes: [] });
    this.#pool = new VariantPool(
      { endpoint: 'e', variant: 'AllTraffic', model },
      { objective: { percentile: 95, latencyMs }, late: 'shed', timeoutMs: 60_000, queueRowsMax: 1000, functions: null },
      { clock: this.#clock, serviceTable: () => table, onDispatch: () => {}, restart: () => {}, onWorkerLost: () => {} },
    );
    this.#pool.attach({
      id: 'w1',
      instanceType: 'local.1',
      coldStartMs: 0,
      charge: () => 0,
      run: (requests, done) => {
        const aloneMs = this.#aloneMs(requests.length);
        this.#freeAtMs = Math.max(this.#freeAtMs, this.#clock.nowMs()) + (this.#otherLoad?.(aloneMs, this.#random) ?? aloneMs);
        const timings = { inMs: 0, runMs: 1, outMs: 0 };
        const outputs = requests.map(() => []);
        this.#clock.after(this.#freeAtMs - this.#clock.nowMs(), () => done({ kind: 'done', outputs, timings }));
      },
    });
  }

  #aloneMs(rows: number): number {
    return quietMs(rows) * (0.9 + 0.2 * this.#random.next());
  }

  /** Sends random arrivals at this share of the capacity. Returns the shares of requests that were rejected and late. */
  run(seconds: number, share: number, otherLoad: OtherLoad | null = null): { readonly rejected: number; readonly late: number } {
    this.#otherLoad = otherLoad;
    const counts = { rejected: 0, late: 0, all: 0 };
    const untilMs = this.#clock.nowMs() + seconds * 1000;
    for (; this.#nextAtMs < untilMs; this.#nextAtMs -= Math.log(1 - this.#random.next()) / (share * capacity)) {
      this.#clock.advance(Math.max(0, this.#nextAtMs - this.#clock.nowMs()));
      const arrivedAtMs = this.#clock.nowMs();
      counts.all++;
      this.#pool.submit({ requestId: String(this.#sent++), inputs: [], rows: 1, arrivedAtMs }, (outcome) => {
        if (!outcome.ok) counts.rejected++;
        else if (this.#clock.nowMs() - arrivedAtMs > latencyMs) counts.late++;
      });
    }
    this.#clock.advance(untilMs - this.#clock.nowMs());
    return { rejected: counts.rejected / counts.all, late: counts.late / counts.all };
  }
}

/** Every run takes `times` as long. */
const slower =
  (times: number): OtherLoad =>
  (aloneMs) =>
    aloneMs * times;
/** One in twelve runs waits for a processor. */
const occasionallyHeld: OtherLoad = (aloneMs, random) => (random.next() < 0.08 ? 40 : aloneMs);

describe('`late: shed` under other load', () => {
  for (const { when, share, otherLoad } of [
    { when: 'a quarter of the capacity, and every run took eight times as long', share: 0.25, otherLoad: slower(8) },
    { when: 'a quarter of the capacity, and some runs waited for a processor', share: 0.25, otherLoad: occasionallyHeld },
    { when: 'nine tenths of the capacity, and every run took three times as long', share: 0.9, otherLoad: slower(3) },
  ]) {
    test(`rejects no more than before within 20 s after the load ends: at ${when}`, () => {
      const pool = new LoadedPool();
      const before = pool.run(10, share);
      pool.run(15, share, otherLoad);
      pool.run(20, share);
      const after = pool.run(20, share);
      assert(before.rejected < 0.01 && after.rejected < 0.01, `${before.rejected} before, ${after.rejected} after`);
      assert(after.late < 0.01, `${after.late} are late`);
    });
  }

  // The worst of 525 such cases: 17 % if runs take half as long again, 49 % if they take twice as long, which leaves half of the capacity,
  // and the batches that are then needed take nearly all of the objective.
  for (const { slower: timesMax, rejectedMax } of [
    { slower: 1.5, rejectedMax: 0.25 },
    { slower: 2, rejectedMax: 0.6 },
  ]) {
    test(`at a quarter of the capacity, runs up to ${timesMax} times as slow, of which some are held, have at most ${rejectedMax * 100} % rejected, and none once the load has ended`, () => {
      const times = fc.double({ min: 1, max: timesMax, noNaN: true });
      const share = fc.double({ min: 0.05, max: 0.25, noNaN: true });
      const held = fc.double({ min: 0, max: 0.03, noNaN: true });
      fc.assert(
        fc.property(times, share, held, fc.integer({ min: 5, max: 20 }), (slowdown, load, heldShare, seconds) => {
          const pool = new LoadedPool();
          pool.run(5, load);
          const during = pool.run(seconds, load, (aloneMs, random) => (random.next() < heldShare ? 40 : aloneMs * slowdown));
          pool.run(20, load);
          const after = pool.run(10, load);
          assert(during.rejected < rejectedMax, `${during.rejected} are rejected while other load runs`);
          assert(after.rejected < 0.01 && after.late < 0.01, `${after.rejected} are rejected afterwards, ${after.late} are late`);
        }),
        { numRuns: 10 },
      );
    });
  }

  test('still rejects the excess over the capacity, and answers the rest in time', () => {
    const pool = new LoadedPool();
    const { rejected, late } = pool.run(20, 2);
    assert(Math.abs(rejected - 0.5) < 0.03, `${rejected} are rejected`);
    assert(late < 0.01, `${late} are late`);
  });
});

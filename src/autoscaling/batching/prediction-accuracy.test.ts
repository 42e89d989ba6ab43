/**
 * Predictions against the functions themselves: real buffers, rules, tables and margins on a virtual clock, under ten loads, on a machine that
 * was busy before. Of the model itself nothing is simulated: it predicts from what serving has observed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FunctionPoolFixture } from '../../../test/function-pool-fixture.ts';
import { defaultPrices } from '../../costs/index.ts';
import type { FunctionProfile } from '../../profiling/index.ts';
import { exponentialMs, SeededRandom } from '../../random.ts';
import { chooseBatching } from './choose-batching.ts';
import { choiceRequestFor } from './decide.ts';

const objective = { percentile: 95, latencyMs: 100 };
const memoryMiB = 2048;
const batchMax = 8;
const serviceMs = (rows: number): number => 2 + rows / 2;

const profile: FunctionProfile = {
  memoryMiB,
  basis: 'measured',
  fits: true,
  peakMemoryMiB: 90,
  coldMs: 100,
  profile: {
    executor: `function:${memoryMiB}`,
    measuredAtMs: 0,
    loadMs: 100,
    batchMax,
    notes: [],
    service: Array.from({ length: batchMax }, (_, i) => {
      const ms = serviceMs(i + 1);
      return { b: i + 1, p50Ms: ms, p95Ms: ms, p99Ms: ms, samples: new Array<number>(50).fill(ms), rssMiB: 90 };
    }),
  },
};

/** A pool under Poisson arrivals; `runMs` is the actual time of a run. */
class Loaded {
  readonly random: SeededRandom;
  readonly fixture: FunctionPoolFixture;
  #sent = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.fixture = new FunctionPoolFixture({ settings: { objective }, serviceMs, batchMax, marginMsFixed: Number.NaN });
    this.quiet();
  }

  quiet(): void {
    this.fixture.takesMs = (rows) => serviceMs(rows) * (0.95 + 0.1 * this.random.next());
  }

  /** One run in eight waits 50 ms for a core. */
  busy(): void {
    this.fixture.takesMs = (rows) => serviceMs(rows) + (this.random.next() < 0.125 ? 50 : 0);
  }

  load(ratePerSecond: number, seconds: number): void {
    const { clock } = this.fixture;
    const untilMs = clock.nowMs() + 1000 * seconds;
    for (;;) {
      const gapMs = exponentialMs(this.random, ratePerSecond);
      if (clock.nowMs() + gapMs > untilMs) break;
      clock.advance(gapMs);
      this.fixture.send(`r${this.#sent++}`);
    }
    clock.advance(untilMs - clock.nowMs());
  }

  /** Decides as the controller does, applies the setting, and returns its prediction. */
  decide() {
    const { functions } = this.fixture;
    const [executor] = functions.executors;
    assert(executor !== undefined);
    const request = choiceRequestFor({
      query: { model: 'm/1', objective, memoryMiB, policy: { kind: 'slack' } },
      profiles: [profile],
      live: { memoryMiB, table: executor.table },
      marginMs: functions.marginMs,
      arrivals: { kind: 'seen', timesMs: functions.arrivalsMs() },
      prices: defaultPrices.functions,
      coldStart: { probability: 0, ms: 0 },
      current: null,
      canKeepCurrent: false,
      inForce: { memoryMiB, batchSizeMax: 1, waitMsMax: null },
    });
    assert(request !== null);
    const choice = chooseBatching(request);
    this.fixture.apply({ ...choice.setting });
    const predicted = choice.alternatives[0]?.predicted;
    assert(predicted !== undefined);
    return predicted;
  }
}

const off = (predicted: number, measured: number): number => predicted / measured - 1;

for (let seed = 1; seed <= 10; seed++) {
  const rate = 15 + 6 * seed;
  test(`predicts p95 within 15 % and the cost within 10 %, a minute after the machine was busy, at ${rate} requests a second`, () => {
    const loaded = new Loaded(seed);
    loaded.busy(); // workers start, and profiles are measured
    loaded.load(rate, 20);
    loaded.quiet();
    loaded.decide();
    loaded.load(rate, 60);
    const predicted = loaded.decide();
    loaded.load(rate, 60);
    const measured = loaded.fixture.functions.period();
    const figures = `p95 ${predicted.p95Ms} / ${measured.p95Ms} ms, batch ${predicted.meanBatch} / ${measured.meanBatch}, $${predicted.costUsdPerMillion} / ${measured.costUsdPerMillion}`;
    assert.ok(Math.abs(off(predicted.p95Ms, measured.p95Ms)) <= 0.15, figures);
    assert.ok(Math.abs(off(predicted.costUsdPerMillion, measured.costUsdPerMillion)) <= 0.1, figures);
  });
}

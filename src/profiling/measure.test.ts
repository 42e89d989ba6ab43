import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { SeededRandom } from '../random.ts';
import { type RunResult, WorkerLost } from '../runtime/index.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { batchSizesMeasured, type MeasureOptions, measure } from './measure.ts';
import { timer } from './timer.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 4] }],
};
const answer: RunResult = { outputs: [], timings: { inMs: 0, runMs: 0, outMs: 0 } };

/** Measures a model that takes `msOf(b)` per run. Only its runs advance the clock. */
async function measured(msOf: (b: number) => number, more: Partial<MeasureOptions> = {}, runs?: Parameters<typeof measure>[0]) {
  const clock = new VirtualClock();
  const rows: number[] = [];
  const run = async (inputs: readonly Tensor[]) => {
    const b = inputs[0]?.shape[0] as number;
    rows.push(b);
    clock.advance(msOf(b));
    return answer;
  };
  const options = {
    signature,
    batchable: true,
    executor: 'instance:local.1',
    loadMs: 20,
    sinceLoad: timer({ clock }),
    clock,
    random: new SeededRandom(1),
    memoryMiB: 0,
  };
  const provided = { ...options, budgetMs: 3000, batchSizes: batchSizesMeasured, rssOf: async () => 80, ...more };
  return { profile: await measure(runs ?? run, provided), tookMs: clock.nowMs(), rows };
}

describe('measuring', () => {
  test('times up to 200 runs of each size of a quick model', async () => {
    const { profile, tookMs, rows } = await measured((b) => 0.1 + b / 100);
    assert.deepEqual(
      profile.service.map(({ b, samples }) => [b, samples.length]),
      batchSizesMeasured.map((b) => [b, 200]),
    );
    assert.deepEqual([profile.batchMax, profile.notes, profile.loadMs], [32, [], 20]);
    assert.equal(profile.coldMs, 0.11); // only the first answer; loading takes no time on this clock
    const [first] = profile.service;
    assert.deepEqual([first?.p50Ms, first?.p99Ms, first?.rssMiB], [0.11, 0.11, 80]);
    assert.equal(rows.filter((b) => b === 4).length, 201); // the extra run warms up
    assert.ok(tookMs < 3000);
  });

  test('stops at a few runs per size if the tail is not needed', async () => {
    const { profile, tookMs } = await measured((b) => b, { samplesEnough: 5 });
    assert.deepEqual(
      profile.service.map(({ samples }) => samples.length),
      batchSizesMeasured.map(() => 5),
    );
    assert.equal(tookMs, 6 * (1 + 2 + 4 + 8 + 16 + 32)); // the extra run warms up
  });

  test('stops with a note before a size that would exceed the time budget', async () => {
    const { profile, tookMs } = await measured((b) => 20 * b);
    assert.equal(profile.batchMax, 16);
    assert.match(profile.notes[0] as string, /before b=32: about 2560 ms/);
    assert.ok(tookMs < 3500, `${tookMs} ms`);
  });

  test('stops with a note before a size that would exceed the memory', async () => {
    let rss = 50;
    const { profile } = await measured(() => 1, { memoryMiB: 400, rssOf: async () => (rss += 50) });
    assert.deepEqual([profile.batchMax, profile.service.length], [8, 4]);
    assert.match(profile.notes[0] as string, /MiB would exceed the 400 MiB/);
  });

  test('returns the results of smaller sizes if a larger size fails', async () => {
    const { profile } = await measured((b) => {
      if (b > 2) throw new PlatformError('model_failed', 'out of memory');
      return 1;
    });
    assert.equal(profile.batchMax, 2);
    assert.deepEqual(profile.notes, ['stopped before b=4: out of memory']);
  });

  test('subtracts time spent waiting for other processes, makes as many runs, and adds a note', async () => {
    let used = { computedMs: 0, waitedMs: 0 };
    const clock = new VirtualClock();
    const processorTime = () => used;
    // Each run computes for b ms and waits twice as long.
    const run = async (inputs: readonly Tensor[]) => {
      const b = inputs[0]?.shape[0] as number;
      clock.advance(3 * b);
      used = { computedMs: used.computedMs + b, waitedMs: used.waitedMs + 2 * b };
      return answer;
    };
    const { profile } = await measured((b) => b, { clock, processorTime, sinceLoad: timer({ clock, processorTime }) }, run);
    const { profile: alone } = await measured((b) => b);
    const timesOf = ({ service }: typeof profile) => service.map(({ b, p95Ms, samples }) => [b, p95Ms, samples.length]);
    assert.deepEqual(timesOf(profile), timesOf(alone));
    assert.deepEqual([profile.slowdown, alone.slowdown, profile.coldMs], [3, 1, 1]);
    assert.match(profile.notes.join(), /measured on a busy machine: runs took 3\.0 times as long/);
  });

  test('measures single rows of a model without batching', async () => {
    const { profile, rows } = await measured(() => 1, { batchable: false });
    assert.deepEqual([profile.batchMax, Math.max(...rows)], [1, 1]);
  });

  test('rejects a model that fails on a single row', async () => {
    const failing = measured(() => {
      throw new PlatformError('invalid_request', 'index out of range');
    });
    await assert.rejects(failing, /the model failed on sample inputs: index out of range/);
  });

  test('a worker that ends is not a fault of the model: the error says that it ended', async () => {
    const lost = measured(
      () => 1,
      {},
      () => Promise.reject(new WorkerLost('it was killed')),
    );
    await assert.rejects(lost, WorkerLost);
  });

  test('stops before the next run if aborted', async () => {
    const abort = new AbortController();
    let runs = 0;
    const failing = measured(
      () => {
        if (++runs === 5) abort.abort(new Error('given up'));
        return 1;
      },
      { signal: abort.signal },
    );
    await assert.rejects(failing, /given up/);
    assert.equal(runs, 5);
  });
});

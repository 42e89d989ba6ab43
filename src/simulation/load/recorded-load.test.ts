import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { specOf } from '../../../test/simulations.ts';
import { Simulation } from '../simulation.ts';
import { type Load, loadArrivals } from './load.ts';
import { type LoadRecording, loadOfRecording, type RecordedCounts } from './recorded-load.ts';
import { RowsOfLoad } from './rows-of-load.ts';

const recorded = (requests: readonly (number | null)[], rows = requests): RecordedCounts => ({
  fromMs: 10_000,
  slotMs: 1000,
  requests,
  rows,
});
const recordingOf = (counts: RecordedCounts, history: RecordedCounts | null = null, scale = 1): LoadRecording => {
  const recording = loadOfRecording('digits', counts, history, scale);
  assert(recording !== null);
  return recording;
};
const timesOf = (load: Load): number[] => [...{ [Symbol.iterator]: () => loadArrivals(load, 6) }].flatMap((chunk) => [...chunk]);

describe('a recorded load', () => {
  test('has the recorded number of requests per second, at random times within it', () => {
    const { load, span, gaps, requests } = recordingOf(recorded([2, 0, 3]));
    assert.deepEqual([load.durationMs, span, gaps, requests], [3000, { fromMs: 10_000, toMs: 13_000 }, [], 5]);
    const times = timesOf(load);
    assert.deepEqual(
      times.map((ms) => Math.floor(ms / 1000)),
      [0, 0, 2, 2, 2],
    );
    assert.deepEqual(times, timesOf(load));
  });

  test('excludes time without counts before, between and after', () => {
    const { load, span, gaps } = recordingOf(recorded([null, 1, null, null, 2, null, 0, null]));
    assert.equal(load.durationMs, 3000);
    assert.deepEqual(span, { fromMs: 11_000, toMs: 17_000 });
    assert.deepEqual(gaps, [
      { fromMs: 12_000, toMs: 14_000 },
      { fromMs: 15_000, toMs: 16_000 },
    ]);
    assert.deepEqual(
      timesOf(load).map((ms) => Math.floor(ms / 1000)),
      [0, 1, 1],
    );
  });

  test('is null if nothing was counted', () => {
    assert.equal(loadOfRecording('digits', recorded([]), null), null);
    assert.equal(loadOfRecording('digits', recorded([null, null]), null), null);
  });

  test('has a history in rows from the first counted slot, with gaps', () => {
    const { load } = recordingOf(recorded([1]), recorded([null, 1, null, 2], [null, 10, null, 20]), 2);
    assert.deepEqual([load.name, load.history, load.historySlotMs], ['digits x 2', [20, null, 40], 1000]);
  });

  test('has requests of several rows, matching the rows of their second', () => {
    const rows = new RowsOfLoad(recordingOf(recorded([3, 0, 2], [10, 0, 2])).load);
    assert.deepEqual([rows.next(10), rows.next(500), rows.next(999), rows.next(2000), rows.next(2001)], [3, 4, 3, 1, 1]);
    assert.equal(rows.mean, 12 / 5);
  });

  test('loses no rows, for any counts', () => {
    const slots = fc.array(fc.record({ requests: fc.nat(50), more: fc.nat(500) }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(slots, (provided) => {
        const counts = provided.map(({ requests }) => requests);
        const inputRows = provided.map(({ requests, more }) => (requests === 0 ? 0 : requests + more));
        const { load, rows } = recordingOf(recorded(counts, inputRows));
        const each = new RowsOfLoad(load);
        assert.equal(
          timesOf(load).reduce((sum, ms) => sum + each.next(ms), 0),
          rows,
        );
      }),
    );
  });

  test('with several rows per request needs proportionally more instances and answers each request once', async () => {
    const alone = recordingOf(recorded(new Array(600).fill(5))).load;
    const four = recordingOf(recorded(new Array(600).fill(5), new Array(600).fill(20))).load;
    const results = await Promise.all([alone, four].map((load) => new Simulation(specOf(load, 'static')).run()));
    const [one, more] = results.map(({ requests, rows, fulfilled, late, dropped, rejected, instanceSeconds }) => {
      assert.equal(fulfilled + late + dropped + rejected, requests);
      return { requests, rows, instances: (instanceSeconds['c5.large'] as number) / 600 };
    });
    assert.deepEqual(
      [one, more],
      [
        { requests: 3000, rows: 3000, instances: 1 },
        { requests: 3000, rows: 12_000, instances: 2 },
      ],
    );
  });

  test('can be served by functions alone, and by instances alone', async () => {
    const load = recordingOf(recorded(new Array(120).fill(10))).load;
    const serverless = { memoryMiB: 5307, batchSizeMax: 8, waitMsMax: null };
    const functions = await new Simulation(specOf(load, 'static:0+overflow', { memoryMiB: 5307, serverless, label: 'deployed' })).run();
    assert.deepEqual([functions.policy, functions.instanceUsd, functions.overflowShare], ['deployed', 0, 1]);
    const alone = { ...serverless, batchSizeMax: 1 };
    const single = await new Simulation(specOf(load, 'static:0+overflow', { memoryMiB: 5307, serverless: alone })).run();
    assert(functions.overflowUsd < single.overflowUsd, `batching is cheaper: ${functions.overflowUsd}, not ${single.overflowUsd}`);
    const none = await new Simulation(specOf(load, 'economic', { hasFunctions: false })).run();
    assert(none.overflowShare === 0 && none.instanceUsd > 0);
  });
});

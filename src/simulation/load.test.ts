import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ArrivalStream } from './arrival-stream.ts';
import { arrivalsOf, historyOf, type Load, loadOfTrace, parseLoad } from './load.ts';

const minute = { slotMs: 60_000, from: 0, slots: null, loadSeed: 7 };
const counts = { kind: 'counts', counts: [4, 0, 2, 5] } as const;

function timesOf(load: Load, seed = 6): number[] {
  const stream = new ArrivalStream(arrivalsOf(load, seed));
  const times: number[] = [];
  for (; stream.nextMs < Number.POSITIVE_INFINITY; stream.take()) times.push(stream.nextMs);
  return times;
}

describe('a load', () => {
  test('of a trace is what comes in its part, and the history before it', () => {
    const load = loadOfTrace('a', counts, { slotMs: 1000, from: 1, slots: 2 });
    assert.deepEqual([load.history, load.durationMs, load.name], [[4], 2000, 'a']);
    assert.deepEqual(
      timesOf(load).map((ms) => Math.floor(ms / 1000)),
      [1, 1],
    );
  });

  test('of a trace may be scaled, its history with it', () => {
    const load = loadOfTrace('a', { kind: 'counts', counts: [3.5, 1000.2] }, { slotMs: 1000, from: 1, slots: null }, 10);
    assert.deepEqual([load.history, load.name], [[35], 'a x 10']);
    assert(Math.abs(timesOf(load).length - 10_002) < 400);
  });

  test('of single requests is replayed as it was', () => {
    const trace = { kind: 'times', timesMs: Float64Array.of(0, 500, 60_000, 60_001, 130_000) } as const;
    const load = loadOfTrace('a', trace, { slotMs: 60_000, from: 1, slots: 1 });
    assert.deepEqual([load.history, timesOf(load)], [[2], [0, 1]]);
  });

  test('is the same for the same seed, and another for another', () => {
    for (const text of ['poisson:30', 'steps:10@0,200@30', 'mmpp:10,80,60,18']) {
      const load = parseLoad(text, { ...minute, slots: 2 });
      assert.deepEqual(timesOf(load, 1), timesOf(load, 1));
      assert.notDeepEqual(timesOf(load, 1), timesOf(load, 2));
    }
  });

  test('of steps comes at the rate of each step', () => {
    const times = timesOf(parseLoad('steps:100@0,0@600,1000@1200', { ...minute, slots: 30 }));
    assert(times.every((ms, i) => i === 0 || ms >= (times[i - 1] as number)));
    const between = (from: number, until: number): number => times.filter((ms) => ms >= from * 1000 && ms < until * 1000).length;
    assert(Math.abs(between(0, 600) - 60_000) < 1000);
    assert.equal(between(600, 1200), 0);
    assert(Math.abs(between(1200, 1800) - 600_000) < 3000);
  });

  test('that switches has a history of whole slots', () => {
    const load = parseLoad('mmpp:10,80,600,180', { ...minute, from: 5760, slots: 1440 });
    assert.equal(load.history.length, 5760);
    assert.equal(
      load.history.reduce<number>((sum, count) => sum + (count ?? 0), 0),
      11_388_888 - 2_333_328,
    );
    assert.equal(load.durationMs, 86_400_000);
  });

  test('shows history in slots of another length', () => {
    const load = { history: [10, 3], historySlotMs: 60_000 } as unknown as Load;
    assert.deepEqual(historyOf(load, 60_000), [10, 3]);
    assert.deepEqual(historyOf(load, 120_000), [13]);
    const tens = historyOf(load, 10_000);
    assert.equal(tens.length, 12);
    assert.deepEqual(
      [tens.slice(0, 6), tens.slice(6)].map((six) => six.reduce<number>((sum, count) => sum + (count ?? 0), 0)),
      [10, 3],
    );
    const gap = { history: [10, null, 3, 4], historySlotMs: 60_000 } as unknown as Load;
    assert.deepEqual(historyOf(gap, 120_000), [null, 7]);
    assert.deepEqual(historyOf(gap, 30_000), [5, 5, null, null, 1, 2, 2, 2]);
  });

  for (const [text, wanted] of [
    ['poisson', /a rate from 0 to 1000000 requests a second, got ''/],
    ['poisson:-1', /got '-1'/],
    ['poisson:NaN', /got 'NaN'/],
    ['gamma:3', /load 'gamma:3' is not understood: expected poisson:RATE, steps/],
    ['steps:10@5', /the first one begins at second 0/],
    ['steps:10@0,20@0', /each begins later/],
    ['steps:10', /expected RATE@S with the second/],
    ['mmpp:1,2,3', /expected RATE1,RATE2,MEAN1_S,MEAN2_S/],
    ['mmpp:1,2,0,3', /stays above 0 s/],
  ] as const) {
    test(`that is written ${text} is refused, and says what was expected`, () => {
      assert.throws(() => parseLoad(text, minute), { code: 'invalid_request', message: wanted });
    });
  }

  for (const [what, make, wanted] of [
    [
      'a part that is not there',
      () => loadOfTrace('a', counts, { slotMs: 1, from: 3, slots: 2 }),
      /a has 4 slots: 2 from slot 3 on are not there/,
    ],
    ['a scale of 0', () => loadOfTrace('a', counts, { slotMs: 1, from: 0, slots: 1 }, 0), /the scale of a load is above 0/],
    ['fractions as they are', () => loadOfTrace('a', { kind: 'counts', counts: [0.5] }, minute), /only with a scale other than 1/],
    ['too many at once', () => loadOfTrace('a', { kind: 'counts', counts: [1e8] }, minute), /is too busy/],
    ['single requests, scaled', () => loadOfTrace('a', { kind: 'times', timesMs: Float64Array.of(1) }, minute, 2), /leave out the scale/],
    ['a history it cannot have', () => parseLoad('poisson:3', { ...minute, from: 2 }), /leave out --from/],
  ] as const) {
    test(`of ${what} is refused`, () => {
      assert.throws(make, { code: 'invalid_request', message: wanted });
    });
  }

  test('can be looked ahead at without being taken', () => {
    const stream = new ArrivalStream([Float64Array.of(100, 1500), Float64Array.of(), Float64Array.of(2500, 9000)].values());
    assert.deepEqual(stream.countsPerSecond(0, 3), [1, 1, 1]);
    stream.take();
    assert.deepEqual(stream.countsPerSecond(1000, 3), [1, 1, 0]);
    const rest: number[] = [];
    for (; stream.nextMs < Number.POSITIVE_INFINITY; stream.take()) rest.push(stream.nextMs);
    assert.deepEqual(rest, [1500, 2500, 9000]);
    assert.deepEqual(stream.countsPerSecond(9000, 2), [0, 0]);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ArrivalStream } from './arrival-stream.ts';
import { historySlotMsFor, type Load, loadArrivals, loadHistory, loadOfTrace, parseLoad } from './load.ts';

const minute = { slotMs: 60_000, from: 0, slots: null, loadSeed: 7 };
const counts = { kind: 'counts', counts: [4, 0, 2, 5] } as const;

function timesOf(load: Load, seed = 6): number[] {
  const stream = new ArrivalStream(loadArrivals(load, seed));
  const times: number[] = [];
  for (; stream.nextMs < Number.POSITIVE_INFINITY; stream.take()) times.push(stream.nextMs);
  return times;
}

describe('a load', () => {
  test('of a trace contains the requested part and the history before it', () => {
    const load = loadOfTrace('a', counts, { slotMs: 1000, from: 1, slots: 2 });
    assert.deepEqual([load.history, load.durationMs, load.name], [[4], 2000, 'a']);
    assert.deepEqual(
      timesOf(load).map((ms) => Math.floor(ms / 1000)),
      [1, 1],
    );
  });

  test('of a trace can be scaled, including its history', () => {
    const load = loadOfTrace('a', { kind: 'counts', counts: [3.5, 1000.2] }, { slotMs: 1000, from: 1, slots: null }, 10);
    assert.deepEqual([load.history, load.name], [[35], 'a x 10']);
    assert(Math.abs(timesOf(load).length - 10_002) < 400);
  });

  test('of individual requests is replayed unchanged', () => {
    const trace = { kind: 'times', timesMs: Float64Array.of(0, 500, 60_000, 60_001, 130_000) } as const;
    const load = loadOfTrace('a', trace, { slotMs: 60_000, from: 1, slots: 1 });
    assert.deepEqual([load.history, timesOf(load)], [[2], [0, 1]]);
  });

  test('is deterministic by seed', () => {
    for (const text of ['poisson:30', 'steps:10@0,200@30', 'mmpp:10,80,60,18']) {
      const load = parseLoad(text, { ...minute, slots: 2 });
      assert.deepEqual(timesOf(load, 1), timesOf(load, 1));
      assert.notDeepEqual(timesOf(load, 1), timesOf(load, 2));
    }
  });

  test('of steps has the rate of each step', () => {
    const times = timesOf(parseLoad('steps:100@0,0@600,1000@1200', { ...minute, slots: 30 }));
    assert(times.every((ms, i) => i === 0 || ms >= (times[i - 1] as number)));
    const between = (from: number, until: number): number => times.filter((ms) => ms >= from * 1000 && ms < until * 1000).length;
    assert(Math.abs(between(0, 600) - 60_000) < 1000);
    assert.equal(between(600, 1200), 0);
    assert(Math.abs(between(1200, 1800) - 600_000) < 3000);
  });

  test('that switches between rates has a history, second by second', () => {
    const load = parseLoad('mmpp:10,80,600,180', { ...minute, from: 5760, slots: 1440 });
    assert.deepEqual([load.history.length, load.historySlotMs], [5760 * 60, 1000]);
    assert.equal(
      load.history.reduce<number>((sum, count) => sum + (count ?? 0), 0),
      11_388_888 - 2_333_328,
    );
    assert.equal(load.durationMs, 86_400_000);
  });

  test('converts history to slots of another length', () => {
    const load = { history: [10, 3], historySlotMs: 60_000 } as unknown as Load;
    assert.deepEqual(loadHistory(load, 60_000, 1), [10, 3]);
    assert.deepEqual(loadHistory(load, 120_000, 1), [13]);
    const tens = loadHistory(load, 10_000, 1);
    assert.equal(tens.length, 12);
    assert.deepEqual(
      [tens.slice(0, 6), tens.slice(6)].map((six) => six.reduce<number>((sum, count) => sum + (count ?? 0), 0)),
      [10, 3],
    );
    const gap = { history: [10, null, 3, 4], historySlotMs: 60_000 } as unknown as Load;
    assert.deepEqual(loadHistory(gap, 120_000, 1), [null, 7]);
    const [one, two, ...rest] = loadHistory(gap, 30_000, 1);
    assert.equal((one ?? 0) + (two ?? 0), 10);
    assert.deepEqual([rest.slice(0, 2), rest.length], [[null, null], 6]);
  });

  test('spreads the requests of a history slot at random, as it spreads those that are replayed', () => {
    const load = { history: new Array<number>(5000).fill(80), historySlotMs: 60_000 } as unknown as Load;
    const quarters = loadHistory(load, 15_000, 3) as number[];
    const variance = quarters.reduce((sum, count) => sum + (count - 20) ** 2, 0) / quarters.length;
    assert(Math.abs(variance / (80 * 0.25 * 0.75) - 1) < 0.05, `${variance}`);
    assert.deepEqual(loadHistory(load, 15_000, 3), quarters);
    const busy = { history: [1_000_000], historySlotMs: 60_000 } as unknown as Load;
    const parts = loadHistory(busy, 15_000, 3) as number[];
    assert(parts.reduce((sum, count) => sum + count, 0) === 1_000_000 && parts.every((count) => Math.abs(count - 250_000) < 3000));
  });

  test('is simulated in slots to which its history can be converted', () => {
    const inSlots = (historySlotMs: number): Load => ({ history: [1], historySlotMs }) as unknown as Load;
    const slots = (canSplit: boolean) => [1000, 10_000, 60_000, 600_000].map((ms) => historySlotMsFor(inSlots(ms), 15_000, canSplit));
    assert.deepEqual(
      [slots(true), slots(false)],
      [
        [15_000, 20_000, 15_000, 15_000],
        [15_000, 20_000, 60_000, 600_000],
      ],
    );
    assert.equal(historySlotMsFor({ history: [], historySlotMs: 60_000 } as unknown as Load, 15_000, false), 15_000);
  });

  for (const [text, wanted] of [
    ['poisson', /a rate from 0 to 1000000 requests a second, got ''/],
    ['poisson:-1', /got '-1'/],
    ['poisson:NaN', /got 'NaN'/],
    ['gamma:3', /load 'gamma:3' is not valid: expected poisson:RATE, steps/],
    ['steps:10@5', /expected the first one at second 0/],
    ['steps:10@0,20@0', /expected ascending seconds/],
    ['steps:10', /expected RATE@S with the second/],
    ['mmpp:1,2,3', /expected RATE1,RATE2,MEAN1_S,MEAN2_S/],
    ['mmpp:1,2,0,3', /stays above 0 s/],
  ] as const) {
    test(`written as ${text} is rejected with what was expected`, () => {
      assert.throws(() => parseLoad(text, minute), { code: 'invalid_request', message: wanted });
    });
  }

  for (const [what, make, wanted] of [
    [
      'a part outside of the trace',
      () => loadOfTrace('a', counts, { slotMs: 1, from: 3, slots: 2 }),
      /a has 4 slots: expected a part of them, got 2 from slot 3 on/,
    ],
    [
      'more slots than allowed',
      () => loadOfTrace('a', { kind: 'times', timesMs: Float64Array.of(0, 3.2e12) }, { slotMs: 1000, from: 100_000_000, slots: 1 }),
      /too many slots: expected at most 5000000, got 100000001\. Use longer slots/,
    ],
    ['a scale of 0', () => loadOfTrace('a', counts, { slotMs: 1, from: 0, slots: 1 }, 0), /invalid scale of a load: expected above 0/],
    ['unscaled fractions', () => loadOfTrace('a', { kind: 'counts', counts: [0.5] }, minute), /only with a scale other than 1/],
    ['too many requests per slot', () => loadOfTrace('a', { kind: 'counts', counts: [1e8] }, minute), /is too busy/],
    ['single requests, scaled', () => loadOfTrace('a', { kind: 'times', timesMs: Float64Array.of(1) }, minute, 2), /Leave out the scale/],
    ['a history that does not exist', () => parseLoad('poisson:3', { ...minute, from: 2 }), /Leave out --from/],
  ] as const) {
    test(`of ${what} is rejected`, () => {
      assert.throws(make, { code: 'invalid_request', message: wanted });
    });
  }

  test('can be read ahead without consuming arrivals', () => {
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

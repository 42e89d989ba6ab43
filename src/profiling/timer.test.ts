import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { busyText } from './profile.ts';
import { ownMs, slowdownOf, timer, timerOf } from './timer.ts';

/** Recorded of batches of 32 beside busy loops on both cores; alone they took about 113 ms. */
const recorded = [
  { tookMs: 495.9, computedMs: 122.4, waitedMs: 373.2 },
  { tookMs: 602.9, computedMs: 126.9, waitedMs: 475.6 },
  { tookMs: 419.2, computedMs: 116.5, waitedMs: 304.1 },
];

describe('timing a worker', () => {
  test('takes off what was spent waiting for processors that others had', () => {
    const own = recorded.map(({ tookMs, ...spent }) => Math.round(ownMs(tookMs, spent)));
    assert.deepEqual(own, [123, 127, 117]); // the last: both ends waited at once, so what was computed counts
  });

  test('leaves a run as it is that waited no longer than processes do that wake each other', () => {
    assert.equal(ownMs(0.14, { computedMs: 0.09, waitedMs: 0.03 }), 0.14);
  });

  test('never makes a run longer than it took, though several threads computed at once', () => {
    assert.equal(ownMs(20, { computedMs: 35, waitedMs: 5 }), 20);
  });

  test('counts from its beginning, as often as it is asked', () => {
    const clock = new VirtualClock();
    let spent = { computedMs: 1000, waitedMs: 500 };
    const time = timer({ clock, processorTime: () => spent });
    clock.advance(30);
    spent = { computedMs: 1010, waitedMs: 520 };
    assert.deepEqual(time(), { tookMs: 30, ownMs: 10 });
    clock.advance(5);
    assert.deepEqual(time(), { tookMs: 35, ownMs: 15 });
  });

  test('goes by what passed where the system does not tell more', async () => {
    const clock = new VirtualClock();
    const time = timer(await timerOf({ status: async () => ({ rssBytes: 0, pid: -1 }) }, clock));
    clock.advance(30);
    assert.deepEqual(time(), { tookMs: 30, ownMs: 30 });
  });

  test('takes nothing off where a quota holds the server, too: the system counts that as waiting, but it is no other who is in the way', async () => {
    // Recorded under a quota of 30 %: throttled for 1828 of these 2151 ms.
    assert.equal(ownMs(3040, { computedMs: 890, waitedMs: 2151 }), 890);
    const link = { status: async () => ({ rssBytes: 0, pid: process.pid }) };
    const sources = [await timerOf(link, new VirtualClock(), true), await timerOf(link, new VirtualClock(), false)];
    assert.deepEqual(
      sources.map(({ processorTime }) => typeof processorTime),
      ['undefined', 'function'],
    );
  });
});

test('a profile that was measured on a busy machine says by how much, and one that was not says nothing', () => {
  const runs = recorded.map(({ tookMs, ...spent }) => ({ tookMs, ownMs: ownMs(tookMs, spent) }));
  assert.equal(slowdownOf(runs), 4.14);
  assert.match(busyText({ slowdown: 4.14 }) as string, /busy machine: its runs took 4\.1 times as long/);
  assert.match(busyText({ slowdown: 21.8 }) as string, /took 22 times as long/);
  assert.deepEqual([busyText({ slowdown: 1.1 }), busyText({}), slowdownOf([])], [null, null, 1]);
});

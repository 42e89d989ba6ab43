import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { busyText } from './profile.ts';
import { ownMs, slowdownOf, timer, timerOf } from './timer.ts';

/** Recorded for batches of 32 while busy loops ran on both cores. Without them such a batch took about 113 ms. */
const recorded = [
  { tookMs: 495.9, computedMs: 122.4, waitedMs: 373.2 },
  { tookMs: 602.9, computedMs: 126.9, waitedMs: 475.6 },
  { tookMs: 419.2, computedMs: 116.5, waitedMs: 304.1 },
];

describe('timing a worker', () => {
  test('subtracts waiting for processors used by other processes', () => {
    const own = recorded.map(({ tookMs, ...used }) => Math.round(ownMs(tookMs, used)));
    assert.deepEqual(own, [123, 127, 117]); // in the last, both ends waited at the same time, so processor time counts
  });

  test('does not change a run with the usual wake-up delay', () => {
    assert.equal(ownMs(0.14, { computedMs: 0.09, waitedMs: 0.03 }), 0.14);
  });

  test('never returns more than the elapsed time, even with several threads', () => {
    assert.equal(ownMs(20, { computedMs: 35, waitedMs: 5 }), 20);
  });

  test('measures from its start at each call', () => {
    const clock = new VirtualClock();
    let used = { computedMs: 1000, waitedMs: 500 };
    const time = timer({ clock, processorTime: () => used });
    clock.advance(30);
    used = { computedMs: 1010, waitedMs: 520 };
    assert.deepEqual(time(), { tookMs: 30, ownMs: 10 });
    clock.advance(5);
    assert.deepEqual(time(), { tookMs: 35, ownMs: 15 });
  });

  test('returns elapsed time if the system reports no processor time', async () => {
    const clock = new VirtualClock();
    const time = timer(await timerOf({ status: async () => ({ rssBytes: 0, pid: -1 }) }, clock));
    clock.advance(30);
    assert.deepEqual(time(), { tookMs: 30, ownMs: 30 });
  });

  test('subtracts nothing if the server has a processor quota, because throttling is reported as waiting', async () => {
    // Recorded under a quota of 30 %: throttled for 1828 of the 2151 ms.
    assert.equal(ownMs(3040, { computedMs: 890, waitedMs: 2151 }), 890);
    const link = { status: async () => ({ rssBytes: 0, pid: process.pid }) };
    const sources = [await timerOf(link, new VirtualClock(), true), await timerOf(link, new VirtualClock(), false)];
    assert.deepEqual(
      sources.map(({ processorTime }) => typeof processorTime),
      ['undefined', 'function'],
    );
  });
});

test('profiles report the slowdown of a busy machine, and nothing on a free one', () => {
  const runs = recorded.map(({ tookMs, ...used }) => ({ tookMs, ownMs: ownMs(tookMs, used) }));
  assert.equal(slowdownOf(runs), 4.14);
  assert.match(busyText({ slowdown: 4.14 }) as string, /busy machine: runs took 4\.1 times as long/);
  assert.match(busyText({ slowdown: 21.8 }) as string, /took 22 times as long/);
  assert.deepEqual([busyText({ slowdown: 1.1 }), busyText({}), slowdownOf([])], [null, null, 1]);
});

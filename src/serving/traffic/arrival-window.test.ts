import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exponentialMs, SeededRandom } from '../../random.ts';
import { ArrivalWindow } from './arrival-window.ts';

/** Adds random arrivals at a changing rate, and returns the times of alarms, polled at each arrival. */
function alarmsOf(phases: readonly { readonly perSecond: number; readonly seconds: number }[], seed: number) {
  const random = new SeededRandom(seed);
  const window = new ArrivalWindow();
  const alarmsMs: number[] = [];
  let nowMs = 0;
  let endsMs = 0;
  for (const { perSecond, seconds } of phases) {
    endsMs += seconds * 1000;
    for (nowMs += exponentialMs(random, perSecond); nowMs < endsMs; nowMs += exponentialMs(random, perSecond)) {
      window.add(nowMs, 1);
      if (window.consumeAlarm()) alarmsMs.push(nowMs);
    }
  }
  return { window, alarmsMs };
}

describe('a change of the rate', () => {
  test('is detected within a few dozen arrivals, and earlier ones are dropped', () => {
    for (const [before, after] of [
      [50, 150],
      [100, 30],
      [20, 400],
    ] as const) {
      const { window, alarmsMs } = alarmsOf(
        [
          { perSecond: before, seconds: 60 },
          { perSecond: after, seconds: 2000 / after },
        ],
        7,
      );
      const [first] = alarmsMs;
      assert(alarmsMs.length <= 2, `${before} to ${after}: ${alarmsMs.join()}`); // a second alarm if the first dated the change too early
      assert(first !== undefined && first > 60_000 && first < 60_000 + 60_000 / after, `${before} to ${after}: detected at ${first}`);
      const times = window.timesMs();
      assert(times[0] !== undefined && times[0] > 55_000, `the first retained arrival is at ${times[0]}`);
      assert(times.length > 1900);
    }
  });

  test('raises no alarm during hours at one rate', () => {
    let alarms = 0;
    for (let seed = 1; seed <= 8; seed++) alarms += alarmsOf([{ perSecond: 20, seconds: 3600 }], seed).alarmsMs.length;
    assert(alarms <= 8, `${alarms} in 8 hours`);
  });

  test('is reported less and less often for bursty arrivals', () => {
    const phases = Array.from({ length: 600 }, (_, i) => ({ perSecond: i % 2 === 0 ? 20 : 400, seconds: 3 }));
    const { alarmsMs } = alarmsOf(phases, 3);
    assert(alarmsMs.length < 30, `${alarmsMs.length} in half an hour`);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../random.ts';
import { type ArrivalProcess, mmpp2, poisson } from './arrival-process.ts';
import { ChangePoint, calibratedThreshold, type DetectedChange } from './change-point.ts';
import { arrivalTimesMs } from './generate-arrivals.ts';

const gapsOf = (process: ArrivalProcess, seed: number, count: number): Float64Array => {
  const times = arrivalTimesMs(process, new SeededRandom(seed), count + 1);
  return Float64Array.from({ length: count }, (_, i) => (times[i + 1] as number) - (times[i] as number));
};
const hoursOf = (gaps: Float64Array): number => gaps.reduce((sum, gap) => sum + gap, 0) / 3_600_000;

/** The first alarm, and the number of gaps before it. */
function firstAlarm(detector: ChangePoint, gaps: Float64Array): (DetectedChange & { readonly after: number }) | null {
  for (const [i, gap] of gaps.entries()) {
    const change = detector.add(gap);
    if (change !== null) return { ...change, after: i + 1 };
  }
  return null;
}

for (const [factor, direction, gapsMax] of [
  [2.5, 'faster', 80],
  [6, 'faster', 30],
  [0.4, 'slower', 60],
  [0.1, 'slower', 10],
] as const) {
  test(`detects a rate change by a factor of ${factor} within ${gapsMax} gaps, and finds when it happened`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const detector = new ChangePoint({ ratePerSecond: 100, threshold: 12 });
      assert.equal(firstAlarm(detector, gapsOf(poisson(100), seed, 500)), null);
      const alarm = firstAlarm(detector, gapsOf(poisson(100 * factor), seed + 100, 500));
      assert(alarm !== null && alarm.direction === direction && alarm.after <= gapsMax, JSON.stringify(alarm));
      assert(Math.abs(alarm.gapsSince - alarm.after) <= 30, JSON.stringify(alarm));
    }
  });
}

test('restarts after an alarm', () => {
  const detector = new ChangePoint({ ratePerSecond: 1, threshold: 8 });
  assert.deepEqual(detector.add(20_000), { direction: 'slower', gapsSince: 1 });
  assert.equal(detector.add(10_000), null, 'less than the threshold on its own');
  assert.deepEqual(detector.add(10_000), { direction: 'slower', gapsSince: 2 });
});

describe('the threshold, calibrated with recorded gaps', () => {
  for (const { name, process, ratePerSecond } of [
    { name: 'random arrivals, few', process: poisson(2), ratePerSecond: 2 },
    { name: 'random arrivals, many', process: poisson(150), ratePerSecond: 150 },
    {
      name: 'bursts',
      process: mmpp2({ rate1PerSecond: 10, rate2PerSecond: 120, switch12PerSecond: 0.2, switch21PerSecond: 1 }),
      ratePerSecond: (10 * 1 + 120 * 0.2) / 1.2,
    },
  ]) {
    test(`${name}: raises at most a few false alarms per hour`, () => {
      const threshold = calibratedThreshold(gapsOf(process, 1, 5000), ratePerSecond);
      assert(threshold >= 8);
      const detector = new ChangePoint({ ratePerSecond, threshold });
      const gaps = gapsOf(process, 2, 500_000);
      let alarms = 0;
      for (const gap of gaps) if (detector.add(gap) !== null) alarms++;
      assert(alarms <= 5 * hoursOf(gaps) + 3, `${alarms} in ${hoursOf(gaps)} h`);
    });
  }

  test('assumes Poisson arrivals if there are few gaps', () => {
    assert.equal(calibratedThreshold([10, 10], 0.01), 8);
    assert.equal(calibratedThreshold([10, 10], 100), Math.log(360_000));
    assert(Number.isFinite(calibratedThreshold(new Float64Array(1000), 1)), 'also if all arrived at once');
  });
});

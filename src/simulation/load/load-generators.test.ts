import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { traceCounts } from '../../../test/traces.ts';
import { SeededRandom } from '../../random.ts';
import { arrivalChunksMs, gauss, joinSlots, mmppCounts, poissonCount } from './load-generators.ts';

const draw = <Value>(count: number, one: () => Value): Value[] => Array.from({ length: count }, one);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const near = (value: number, wanted: number, tolerance: number): void => {
  assert(Math.abs(value - wanted) <= tolerance, `${value} is not ${wanted} ± ${tolerance}`);
};

describe('the load generators', () => {
  test('draw the reference numbers from seed 7', () => {
    const random = new SeededRandom(7);
    const drawn = draw(4, () => Number(random.next().toFixed(9)));
    assert.deepEqual(drawn, [0.011704753, 0.061958258, 0.976907633, 0.699028706]);
  });

  test('draw normal numbers of mean 0 and variance 1', () => {
    const random = new SeededRandom(1);
    const numbers = draw(100_000, () => gauss(random));
    near(sum(numbers) / numbers.length, 0, 0.02);
    near(sum(numbers.map((number) => number ** 2)) / numbers.length, 1, 0.02);
  });

  for (const mean of [0.3, 20, 50, 51, 4000]) {
    test(`draw Poisson counts of mean and variance ${mean}`, () => {
      const random = new SeededRandom(2);
      const counts = draw(40_000, () => poissonCount(random, mean));
      near(sum(counts) / counts.length, mean, 5 * Math.sqrt(mean / counts.length));
      near(sum(counts.map((count) => (count - mean) ** 2)) / counts.length / mean, 1, 0.05);
      assert(counts.every((count) => Number.isSafeInteger(count) && count >= 0));
    });
  }

  test('draw no requests at a mean of 0', () => {
    assert.equal(poissonCount(new SeededRandom(1), 0), 0);
  });

  test('match the reference counts of five days of a switching load', () => {
    const counts = mmppCounts(new SeededRandom(7), 5 * 86_400, { ratePerSecond: [10, 80], meanStayS: [600, 180] });
    assert.deepEqual(counts.slice(0, 10), [10, 11, 13, 5, 11, 10, 13, 11, 82, 89]);
    assert.equal(sum(counts), 11_388_888);
    assert.equal(sum(counts.slice(4 * 86_400)), 2_333_328);
    assert.equal(sum(joinSlots(counts, 60)), 11_388_888);
  });

  test('match the reference arrivals of two days of a web server at scale 40', () => {
    const counts = traceCounts('nasa_http_1995_per_minute.csv');
    assert(typeof counts !== 'string');
    const chunks = arrivalChunksMs(new SeededRandom(6), counts.slice(12_960, 15_840), 60_000, 40);
    let [first, second, count, last] = [0, 0, 0, 0];
    for (const chunk of chunks) {
      if (count === 0) [first, second] = chunk as unknown as [number, number];
      for (const time of chunk) {
        assert(time >= last);
        last = time;
      }
      count += chunk.length;
    }
    assert.deepEqual([first.toFixed(3), second.toFixed(3)], ['7.371', '34.891']);
    assert.equal(count, 6_128_567);
  });

  test('leave counts unchanged at scale 1', () => {
    const chunks = [...arrivalChunksMs(new SeededRandom(3), [2, 0, 1], 10)];
    assert.deepEqual(
      chunks.map((chunk) => [...chunk].map((time) => Math.floor(time / 10))),
      [[0, 0], [2]],
    );
  });
});

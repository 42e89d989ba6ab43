import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../random.ts';
import { ConditionalQuantiles } from './conditional-quantiles.ts';
import { quantileGrid } from './forecaster.ts';

const at = (tau: number): number => quantileGrid.indexOf(tau);
const rootsOf = (quantiles: ConditionalQuantiles, rootMean: number): number[] => quantiles.around(rootMean).map(Math.sqrt);

describe('the distribution of errors given the forecast', () => {
  test('differs between a low and a high forecast, as the errors do', () => {
    const quantiles = new ConditionalQuantiles(10_000);
    const random = new SeededRandom(1);
    // After a low forecast the rate doubles in one of ten slots; after a high one it falls in half of them.
    for (let n = 0; n < 4000; n++) {
      quantiles.record(random.next() < 0.1 ? 15 : 0, 15);
      if (n % 4 === 0) quantiles.record(random.next() < 0.5 ? -15 : 5, 30);
    }
    const [low, high] = [rootsOf(quantiles, 15), rootsOf(quantiles, 30)];
    assert(Math.abs((low[at(0.8)] as number) - 15) < 1.5 && Math.abs((low[at(0.95)] as number) - 30) < 2, low.join(' '));
    assert(Math.abs((high[at(0.4)] as number) - 15) < 2 && Math.abs((high[at(0.6)] as number) - 35) < 2, high.join(' '));
  });

  test('is at least as wide as a prior until 60 residuals', () => {
    const quantiles = new ConditionalQuantiles(1000);
    for (let n = 0; n < 59; n++) quantiles.record(0, 20);
    assert(Math.abs((quantiles.around(20)[at(0.1)] as number) - (20 - 5 * 1.2815515655446004) ** 2) < 1e-9);
    quantiles.record(0, 20);
    assert((quantiles.around(20)[at(0.99)] as number) < 21 ** 2);
  });

  test('follows errors that grow a hundredfold within a hundred slots', () => {
    const quantiles = new ConditionalQuantiles(10_000);
    const random = new SeededRandom(2);
    for (let n = 0; n < 20_000; n++) quantiles.record(0, 0);
    for (let n = 0; n < 100; n++) quantiles.record(100 * (random.next() - 0.5), 60);
    assert((rootsOf(quantiles, 60)[at(0.95)] as number) > 80, rootsOf(quantiles, 60).join(' '));
  });

  test('continues exactly from its snapshot', () => {
    const random = new SeededRandom(3);
    const first = new ConditionalQuantiles(100);
    const record = (quantiles: ConditionalQuantiles, from: SeededRandom): void => quantiles.record(9 * from.next() - 4, 50 * from.next());
    for (let n = 0; n < 3000; n++) record(first, random); // the weights are scaled down twice
    const second = ConditionalQuantiles.restored(100, JSON.parse(JSON.stringify(first.snapshot())));
    const [one, other] = [new SeededRandom(4), new SeededRandom(4)];
    for (let n = 0; n < 100; n++) {
      record(first, one);
      record(second, other);
    }
    assert.deepEqual(second.snapshot(), first.snapshot());
    assert.deepEqual(second.around(30), first.around(30));
  });

  test('for any residuals, quantiles ascend, and the share of residuals below each is tau, give or take a step', () => {
    const residual = fc.double({ min: -50, max: 50, noNaN: true });
    fc.assert(
      fc.property(fc.array(residual, { minLength: 40, maxLength: 80 }), (pattern) => {
        const quantiles = new ConditionalQuantiles(1e5);
        for (let n = 0; n < 40 * pattern.length; n++) quantiles.record(pattern[n % pattern.length] as number, 1000);
        const offsets = rootsOf(quantiles, 1000).map((root) => root - 1000);
        const width = 0.4 * Math.max(0.5, ...pattern.map(Math.abs)); // a residual is divided between two steps of a quarter
        for (const [k, tau] of quantileGrid.entries()) {
          const offset = offsets[k] as number;
          assert(k === 0 || offset >= (offsets[k - 1] as number));
          const atMost = pattern.filter((value) => value <= offset + width).length / pattern.length;
          const below = pattern.filter((value) => value < offset - width).length / pattern.length;
          assert(atMost >= tau - 0.05 && below <= tau + 0.05, `${tau}: ${below} to ${atMost}`);
        }
      }),
      { numRuns: 50 },
    );
  });
});

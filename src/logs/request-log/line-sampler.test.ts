import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineSampler, type RequestEnd } from './line-sampler.ts';

const startMs = 1_795_700_000_000;

/** Weights of the lines of one second with evenly spaced requests. */
function second(sampler: LineSampler, number: number, count: number, changes: Partial<RequestEnd> = {}): number[] {
  return Array.from({ length: count }, (_, i) =>
    sampler.weightOf({ totalMs: 1.6, isSpecial: false, ...changes, atMs: startMs + number * 1000 + Math.floor((i * 1000) / count) }),
  );
}
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const retained = (weights: readonly number[]): number => weights.filter((weight) => weight > 0).length;

test('logs every line up to the limit per second', () => {
  const sampler = new LineSampler(5000);
  for (let number = 0; number < 5; number++) assert.equal(retained(second(sampler, number, 5000)), 5000);
});

test('logs one in N beyond the limit, with its weight', () => {
  const sampler = new LineSampler(5000);
  const first = second(sampler, 0, 30_000);
  assert.deepEqual(
    first.slice(0, 5000),
    Array.from({ length: 5000 }, () => 1),
    'a burst starts with all lines',
  );
  assert.equal(Math.round(retained(first) / 50), Math.round((5000 * (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5 + 1 / 6)) / 50));
  assert(sum(first) > 30_000 - 6);
  const weights = second(sampler, 1, 30_000);
  assert.equal(retained(weights), 5000);
  assert.equal(sum(weights), 30_000);
});

test('logs every line again after a quiet second', () => {
  const sampler = new LineSampler(100);
  second(sampler, 0, 1000);
  assert.equal(retained(second(sampler, 1, 50)), 5);
  assert.equal(retained(second(sampler, 2, 50)), 50);
  second(sampler, 3, 1000);
  assert.equal(retained(second(sampler, 9, 50)), 50, 'and after a pause');
});

test('a slightly earlier time does not start a new second', () => {
  const sampler = new LineSampler(100);
  second(sampler, 0, 1000);
  let lines = 0;
  for (let i = 0; i < 1000; i++)
    if (sampler.weightOf({ totalMs: 1.6, isSpecial: false, atMs: startMs + (i % 2 === 0 ? 1000 : 999) }) > 0) lines++;
  assert.equal(lines, 100);
});

test('logs slow and special requests however many ordinary ones arrive', () => {
  for (const changes of [{ isSpecial: true }, { totalMs: 12 }]) {
    const sampler = new LineSampler(100);
    second(sampler, 0, 10_000);
    assert(retained(second(sampler, 1, 500)) <= 5);
    assert.equal(retained(second(sampler, 1, 20, changes)), 20);
  }
});

test('samples a flood of special requests separately', () => {
  const sampler = new LineSampler(100);
  const flood = (number: number): number[] => second(sampler, number, 1000, { isSpecial: true });
  flood(0);
  const weights = flood(1);
  assert.equal(retained(weights), 100);
  assert.equal(sum(weights), 1000);
  assert.equal(retained(second(sampler, 1, 90)), 90, 'ordinary requests are unaffected');
});

test('weights add up to the number of requests, up to one stride per second', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { maxLength: 8 }), fc.integer({ min: 1, max: 500 }), (counts, perSecondMax) => {
      const sampler = new LineSampler(perSecondMax);
      counts.forEach((count, number) => {
        const weights = second(sampler, number, count);
        const stride = Math.max(Math.ceil(count / perSecondMax), ...weights);
        assert(sum(weights) <= count);
        if (retained(weights) > 0) assert(count - sum(weights) < stride);
      });
    }),
    { numRuns: 50 },
  );
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Profile, servicePoint } from './profile.ts';
import { ServiceTable } from './service-table.ts';

function profileOf(points: Record<number, readonly number[]>): Profile {
  const service = Object.entries(points).map(([b, samples]) => servicePoint(Number(b), samples, 80));
  const batchMax = service.at(-1)?.b ?? 1;
  return { executor: 'instance:local.1', service, measuredAtMs: 0, loadMs: 20, batchMax, notes: [] };
}

function upTo(count: number, scale = 1): number[] {
  return Array.from({ length: count }, (_, index) => (index + 1) * scale);
}

describe('the service table', () => {
  test('returns the empirical quantile from 200 samples on', () => {
    const table = new ServiceTable(profileOf({ 1: upTo(200) }));
    assert.equal(table.quantileMs(0.95, 1), 190);
    assert.equal(table.quantileMs(0.5, 1), 100);
    assert.equal(table.medianMs(1), 100);
  });

  test('with fewer samples returns the largest one, or 1.2 times the median if that is higher', () => {
    assert.equal(new ServiceTable(profileOf({ 1: [10, 10, 30] })).quantileMs(0.95, 1), 30);
    assert.equal(new ServiceTable(profileOf({ 1: [10, 10, 10.5] })).quantileMs(0.5, 1), 12);
  });

  test('for plans ignores a single slow run, and uses the tail from 200 samples on', () => {
    const table = new ServiceTable(null);
    for (let i = 0; i < 100; i++) table.observe(1, i === 7 ? 130 : 40);
    assert.deepEqual([table.plannedMs(0.95, 1), table.quantileMs(0.99, 1)], [48, 130]);
    for (let i = 0; i < 100; i++) table.observe(1, 90);
    assert.deepEqual([table.plannedMs(0.95, 1), table.plannedMs(0.95, 7)], [90, 90]);
  });

  test('gives up what it learnt on a busy machine once enough quiet runs prove it outdated, for each quantile', () => {
    const table = new ServiceTable(profileOf({ 1: new Array<number>(200).fill(5) }));
    for (let i = 0; i < 60; i++) table.observe(1, 60);
    assert.equal(table.quantileMs(0.95, 1), 60);
    for (let i = 0; i < 40; i++) table.observe(1, 5);
    assert.equal(table.quantileMs(0.95, 1), 60, 'forty quiet runs prove nothing about one in twenty');
    for (let i = 0; i < 80; i++) table.observe(1, 5);
    assert.deepEqual([table.quantileMs(0.95, 1), table.quantileMs(0.99, 1)], [5, 60]);
    for (let i = 0; i < 300; i++) table.observe(1, 5);
    assert.equal(table.quantileMs(0.99, 1), 5);
  });

  test('with few samples forgets a single slow run as soon', () => {
    const table = new ServiceTable(null);
    for (let i = 0; i < 100; i++) table.observe(1, i === 7 ? 130 : 40);
    assert.equal(table.quantileMs(0.95, 1), 48);
  });

  test('is linear between measured sizes and never decreases with b', () => {
    const table = new ServiceTable(profileOf({ 1: upTo(200), 2: upTo(200, 0.5), 4: upTo(200, 3) }));
    assert.equal(table.quantileMs(0.5, 2), 100);
    assert.equal(table.quantileMs(0.5, 3), 200);
    assert.equal(table.quantileMs(0.5, 4), 300);
  });

  test('treats a batch above the largest measured size as that size', () => {
    const table = new ServiceTable(profileOf({ 1: [10], 2: [20] }));
    assert.equal(table.batchMax, 2);
    assert.equal(table.quantileMs(0.95, 7), table.quantileMs(0.95, 2));
    table.observe(7, 99);
    assert.equal(table.quantileMs(0.95, 2), 99);
  });

  test('is unknown until there is a profile or an observed batch', () => {
    const table = new ServiceTable(null);
    assert.deepEqual([table.isKnown, table.batchMax, table.quantileMs(0.95, 1)], [false, 1, 0]);
    table.observe(1, 5);
    assert.deepEqual([table.isKnown, table.quantileMs(0.95, 1)], [true, 6]);
  });

  test('follows a model that became slower, also between measured sizes', () => {
    const table = new ServiceTable(profileOf({ 1: upTo(200, 0.01), 4: upTo(200, 0.04) }));
    // The profile has 1 ms for one row and 4 ms for four, so 3 ms for three; now three rows take 30 ms.
    for (let i = 0; i < 500; i++) table.observe(3, 30);
    assert.ok(Math.abs(table.quantileMs(0.95, 4) - 40) < 1e-9, `${table.quantileMs(0.95, 4)} ms`);
  });

  test('retains the latest 500 samples of a size', () => {
    const table = new ServiceTable(profileOf({ 1: upTo(200, 100) }));
    for (let i = 0; i < 500; i++) table.observe(1, 1);
    assert.equal(table.quantileMs(0.99, 1), 1);
  });

  test('reports serving samples for sizes served often enough, and the profile for other sizes', () => {
    const table = new ServiceTable(profileOf({ 1: upTo(200), 2: [7] }));
    for (let i = 0; i < 40; i++) table.observe(1, 1000);
    assert.deepEqual(
      table.points(50).map(({ b, p50Ms, samples }) => [b, p50Ms, samples.length]),
      [
        [1, 100, 200],
        [2, 7, 1],
      ],
    );
    for (let i = 0; i < 600; i++) table.observe(1, 1000 + i);
    const [one, two] = table.points(50);
    assert.deepEqual([one?.samples.length, one?.samples[0], one?.samples.at(-1), two?.p50Ms, table.served], [500, 1100, 1599, 7, 640]);
    assert.deepEqual(new ServiceTable(null).points(50), [], 'nothing is known');
  });

  test('is monotone in b and in q for any samples', () => {
    const ms = fc.double({ min: 0.001, max: 1000, noNaN: true });
    const samples = fc.array(ms, { minLength: 1, maxLength: 200 });
    const observations = fc.array(fc.tuple(fc.integer({ min: 1, max: 8 }), ms), { maxLength: 400 });
    fc.assert(
      fc.property(samples, samples, samples, observations, (one, two, eight, observed) => {
        const table = new ServiceTable(profileOf({ 1: one, 2: two, 8: eight }));
        for (const [b, took] of observed) table.observe(b, took);
        for (const q of [0.5, 0.95, 0.99]) {
          for (let b = 2; b <= 8; b++) assert.ok(table.quantileMs(q, b) >= table.quantileMs(q, b - 1) * (1 - 1e-12));
        }
        // Of few samples both are the same time, scaled twice: the sums may differ in the last digit.
        for (let b = 1; b <= 8; b++) assert.ok(table.quantileMs(0.99, b) >= table.quantileMs(0.5, b) * (1 - 1e-12));
      }),
      { numRuns: 300 },
    );
  });
});

test('resets a stale size to its profile, scaled by the change of the last served size', () => {
  const samples = (ms: number): number[] => new Array<number>(50).fill(ms);
  const service = [1, 8].map((b) => ({ b, p50Ms: b + 3, p95Ms: b + 3, p99Ms: b + 3, samples: samples(b + 3), rssMiB: 0 }));
  const table = new ServiceTable({ executor: 'instance:local.1', service, measuredAtMs: 0, loadMs: 0, batchMax: 8, notes: [] });
  for (let i = 0; i < 400; i++) table.observe(8, 110);
  for (let i = 0; i < 499; i++) table.observe(1, 8);
  assert.equal(table.forgetStale(), false);
  assert.equal(table.quantileMs(0.5, 8), 110);
  table.observe(1, 8);
  assert.equal(table.forgetStale(), true);
  assert.equal(table.medianMs(8), 22); // twice the profile, as for a single row
  assert.equal(table.medianMs(1), 8);
  assert.equal(table.forgetStale(), false);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { batchSizeFor, typeCapacityOf } from './capacity.ts';
import { type Profile, servicePoint } from './profile.ts';
import { ServiceTable } from './service-table.ts';

/** The synthetic profile `reference`: s(b) = a + b * each, exactly, at every quantile. */
function affine(aMs: number, eachMs: number, batchMax: number): ServiceTable {
  const sizes = Array.from({ length: batchMax }, (_, index) => index + 1);
  const service = sizes.map((b) => servicePoint(b, Array<number>(200).fill(aMs + b * eachMs), 100));
  const profile: Profile = { executor: 'instance:reference', service, measuredAtMs: 0, loadMs: 0, batchMax, notes: [] };
  return new ServiceTable(profile);
}

const objective = { percentile: 95, latencyMs: 500 };

describe('the batch size of an instance', () => {
  for (const { type, a, each, max, batchSize, rate } of [
    { type: 'c5.large', a: 10, each: 70, max: 32, batchSize: 3, rate: 13.636 },
    { type: 'c5.xlarge', a: 10, each: 36, max: 32, batchSize: 6, rate: 26.549 },
    { type: 'c5.2xlarge', a: 10, each: 20, max: 32, batchSize: 11, rate: 47.826 },
    { type: 'g4dn.xlarge', a: 12, each: 2.5, max: 64, batchSize: 64, rate: 372.09 },
  ]) {
    test(`${type}: ${batchSize} rows at ${rate}/s`, () => {
      const choice = batchSizeFor(affine(a, each, max), objective, 5);
      assert.equal(choice.batchSize, batchSize);
      assert.ok(Math.abs(choice.ratePerSecond / rate - 1) < 1e-4, `${choice.ratePerSecond}`);
    });
  }

  test('is the size with the best throughput, with a reason, if no size can meet the objective', () => {
    const choice = batchSizeFor(affine(10, 70, 32), { percentile: 95, latencyMs: 100 }, 5);
    assert.deepEqual([choice.batchSize, choice.feasible], [32, false]);
    assert.equal(choice.reason, 'cannot meet 100ms: 2*s(1)+d = 165 ms; the maximum is 14.22 rows/s at b=32');
  });

  test('is the size with the best throughput if there is no objective', () => {
    assert.equal(batchSizeFor(affine(10, 1, 16), null, 5).batchSize, 16);
  });

  test('is 1 if larger batches gain nothing', () => {
    assert.equal(batchSizeFor(affine(0, 8, 32), null, 5).batchSize, 1);
  });

  test('is 1 if the gain is within measurement noise', () => {
    assert.equal(batchSizeFor(affine(0.3, 7, 32), null, 5).batchSize, 1); // gains 4 %
    assert.equal(batchSizeFor(affine(0.5, 7, 32), null, 5).batchSize, 32); // gains 7 %
  });

  test('does not shrink to 1 if larger batches take hardly longer, and the bound lies between', () => {
    const flat = (latencyMs: number): number => batchSizeFor(affine(49, 0.1, 32), { percentile: 95, latencyMs }, 0.5).batchSize;
    assert.deepEqual([flat(120), flat(99), flat(98.8)], [32, 32, 32]);
    assert.equal(batchSizeFor(affine(40, 9, 32), { percentile: 95, latencyMs: 100 }, 0.5).batchSize, 1);
  });

  test('is 1 before the first measurement', () => {
    assert.deepEqual(batchSizeFor(new ServiceTable(null), objective, 5).batchSize, 1);
  });
});

describe('the planned capacity of an instance type', () => {
  test('excludes a type after many slow runs, but not after one slow first run', () => {
    const service = new ServiceTable(null);
    const capacity = () => typeCapacityOf({ name: 'local.1', usdPerHour: 0.04, service }, { percentile: 95, latencyMs: 200 }, 0.5);
    for (let i = 0; i < 60; i++) service.observe(1, i === 0 ? 130 : 40);
    assert.partialDeepStrictEqual(capacity(), { isFeasible: true, ratePerSecond: 1000 / 48 });
    for (let i = 0; i < 200; i++) service.observe(1, i % 5 === 0 ? 130 : 40);
    assert.partialDeepStrictEqual(capacity(), {
      isFeasible: false,
      infeasibleBecause: 'type local.1 cannot meet 200 ms: 2*s(1)+d = 260.5 ms',
    });
  });
});

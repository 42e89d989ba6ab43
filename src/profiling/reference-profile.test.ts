import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { functionCapacityOf, typeCapacityOf, usableCapacities } from './capacity.ts';
import { affineService, referenceProfile } from './reference-profile.ts';
import { ServiceTable } from './service-table.ts';

const objective = { percentile: 95, latencyMs: 500 };
const { overheadMs, instances, functionService, functionPrices } = referenceProfile;

describe('the reference profile', () => {
  for (const { name, batchSize, rate, usdPerMillion } of [
    { name: 'c5.large', batchSize: 3, rate: '13.636', usdPerMillion: '1.73' },
    { name: 'c5.xlarge', batchSize: 6, rate: '26.549', usdPerMillion: '1.78' },
    { name: 'c5.2xlarge', batchSize: 11, rate: '47.826', usdPerMillion: '1.97' },
    { name: 'g4dn.xlarge', batchSize: 64, rate: '372.093', usdPerMillion: '0.39' },
  ]) {
    test(`${name} runs batches of ${batchSize} rows, ${rate} rows/s, for ${usdPerMillion} USD per million`, () => {
      const type = instances.find((candidate) => candidate.name === name);
      assert(type !== undefined);
      const capacity = typeCapacityOf(type, objective, overheadMs);
      assert.deepEqual([capacity.batchSize, capacity.ratePerSecond.toFixed(3)], [batchSize, rate]);
      assert.equal(((capacity.usdPerRequest as number) * 1e6).toFixed(2), usdPerMillion);
    });
  }

  for (const { memoryMiB, durationMs, usdPerMillion } of [
    { memoryMiB: 3538, durationMs: '83', usdPerMillion: ['5.01', '4.62', '4.43'] },
    { memoryMiB: 1769, durationMs: '150', usdPerMillion: ['4.52'] },
  ]) {
    test(`a function of ${memoryMiB} MiB takes ${durationMs} ms and costs ${usdPerMillion[0]} USD per million`, () => {
      const service = functionService(memoryMiB);
      const upTo = (batchMax: number): number => {
        const limited = { ...service, batchMax };
        return (functionCapacityOf(memoryMiB, limited, functionPrices, objective, overheadMs)?.usdPerRequestAtBest as number) * 1e6;
      };
      assert.equal(service.medianMs(1).toFixed(0), durationMs);
      assert.deepEqual(
        [1, 2, 4].slice(0, usdPerMillion.length).map((b) => upTo(b).toFixed(2)),
        usdPerMillion,
      );
    });
  }

  test('the cost of a request on a function is exact to eight digits', () => {
    const capacity = functionCapacityOf(3538, functionService(3538), functionPrices, objective, overheadMs);
    assert.equal(capacity?.usdPerRequest.toExponential(7), '5.0071847e-6');
  });

  test('a c5.large is cheaper than functions from 35 % utilization (4.7 requests/s)', () => {
    const large = typeCapacityOf(instances[0] as (typeof instances)[number], objective, overheadMs);
    const overflow = functionCapacityOf(3538, functionService(3538), functionPrices, objective, overheadMs);
    const share = (large.usdPerRequest as number) / (overflow?.usdPerRequest as number);
    assert.deepEqual([share.toFixed(2), (share * large.ratePerSecond).toFixed(1)], ['0.35', '4.7']);
  });
});

describe('the usable capacities', () => {
  test('exclude a type that cannot meet the objective, and give the reason', () => {
    const { usable, excluded } = usableCapacities(instances, { percentile: 95, latencyMs: 100 }, overheadMs);
    assert.deepEqual(
      usable.map(({ name }) => name),
      ['c5.xlarge', 'c5.2xlarge', 'g4dn.xlarge'],
    );
    assert.deepEqual(excluded, ['type c5.large cannot meet 100 ms: 2*s(1)+d = 165 ms']);
  });

  test('can be empty', () => {
    const { usable, excluded } = usableCapacities(instances, { percentile: 95, latencyMs: 10 }, overheadMs);
    assert.deepEqual([usable.length, excluded.length], [0, 4]);
  });

  test('include every type at its best throughput if there is no objective', () => {
    const { usable } = usableCapacities(instances, null, overheadMs);
    assert.deepEqual(
      usable.map(({ batchSize }) => batchSize),
      [32, 32, 32, 64],
    );
  });

  test('include an unmeasured type, without a cost per request', () => {
    const unknown = { name: 'new', usdPerHour: 1, service: new ServiceTable(null) };
    assert.deepEqual(typeCapacityOf(unknown, objective, 5), {
      name: 'new',
      usdPerHour: 1,
      batchSize: 1,
      ratePerSecond: 0,
      usdPerRequest: null,
      isFeasible: true,
    });
    assert.equal(functionCapacityOf(1769, unknown.service, functionPrices, objective, 5), null);
  });

  test('the best batch of a function meets the objective', () => {
    const best = functionCapacityOf(3538, functionService(3538), functionPrices, objective, overheadMs);
    assert.equal(best?.bestBatchSize, 6); // 10 + 6 * 73.5 = 451 ms; 7 rows are 524 ms
    assert.equal(functionCapacityOf(3538, functionService(3538), functionPrices, null, overheadMs)?.bestBatchSize, 32);
  });

  test('a function that cannot meet the objective is infeasible, with its cost', () => {
    const slow = functionCapacityOf(884, functionService(884), functionPrices, { percentile: 95, latencyMs: 200 }, overheadMs);
    assert.deepEqual([slow?.isFeasible, slow?.bestBatchSize], [false, 1]);
    assert.equal(slow?.infeasibleBecause, 'a function of 884 MiB cannot meet 200 ms: s(1)+d = 295.2 ms');
  });

  test('a batch above the maximum takes as long as the largest batch', () => {
    const service = affineService({ aMs: 10, eachMs: 5, batchMax: 4 });
    assert.deepEqual([service.quantileMs(0.99, 4), service.medianMs(9)], [30, 30]);
  });
});

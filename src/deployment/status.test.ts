import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Desired, functionType, type Served, type WantedVariant } from './plan.ts';
import { type Sight, statusOf, type WorkerHealth } from './status.ts';

const one: WantedVariant = {
  name: 'AllTraffic',
  variant: 'alltraffic',
  model: 'digits/1',
  instanceType: 'local.1',
  count: 1,
  isElastic: false,
};
const elastic: WantedVariant = { ...one, instanceType: functionType, count: 0, isElastic: true };
const two: WantedVariant = { ...one, model: 'digits/2' };
const inService: Desired = { state: 'InService', generation: 1, variants: [one] };
const updated: Desired = { state: 'InService', generation: 2, variants: [two] };
const unknown: Served = { kind: 'unknown' };
const suspended: Served = { kind: 'suspended' };
const first: Served = { kind: 'served', generation: 1, variants: [one] };
const serverless: Desired = { state: 'InService', generation: 1, variants: [elastic] };
const servedByFunctions: Served = { kind: 'served', generation: 1, variants: [elastic] };
const hybrid: Desired = { ...inService, variants: [one, elastic] };
const servedByBoth: Served = { kind: 'served', generation: 1, variants: [one, elastic] };
const second: Served = { kind: 'served', generation: 2, variants: [two] };

function ready(kind: WantedVariant): WorkerHealth {
  return { id: `w-${kind.model}`, ...kind, isReady: true, isDraining: false, hasFailed: false, reason: null };
}
const starting = (kind: WantedVariant): WorkerHealth => ({ ...ready(kind), isReady: false });
const failed = (kind: WantedVariant): WorkerHealth => ({ ...starting(kind), hasFailed: true, reason: 'exit code 134' });

describe('the status of an endpoint', () => {
  const cases: [when: string, sight: Omit<Sight, 'settledGeneration'> & { settled?: number }, status: string, reason: RegExp | null][] = [
    ['its first worker starts', { desired: inService, served: unknown, workers: [starting(one)] }, 'Creating', null],
    [
      'its first worker failed',
      { desired: inService, served: unknown, workers: [failed(one)] },
      'Failed',
      /^variant AllTraffic: worker .* digits\/1 failed: exit code 134/,
    ],
    ['it serves', { desired: inService, served: first, workers: [ready(one)], settled: 1 }, 'InService', null],
    [
      'its only worker died',
      { desired: inService, served: first, workers: [starting(one)], settled: 1 },
      'InService',
      /^variant AllTraffic: .* being restarted/,
    ],
    [
      'its only worker dies again and again',
      { desired: inService, served: first, workers: [failed(one)], settled: 1 },
      'Failed',
      /exit code/,
    ],
    ['one of two works', { desired: inService, served: first, workers: [ready(one), failed(one)], settled: 1 }, 'InService', /exit code/],
    [
      'the functions beside its instances fail',
      { desired: hybrid, served: servedByBoth, workers: [ready(one), failed(elastic)], settled: 1 },
      'InService',
      /exit code 134/,
    ],
    [
      'the functions beside its instances fail, and those do, too',
      { desired: hybrid, served: servedByBoth, workers: [failed(one), failed(elastic)], settled: 1 },
      'Failed',
      /exit code 134/,
    ],
    ['the next version starts', { desired: updated, served: first, workers: [ready(one), starting(two)], settled: 1 }, 'Updating', null],
    [
      'the next version fails',
      { desired: updated, served: first, workers: [ready(one), failed(two)], settled: 1 },
      'InService',
      /the update failed, what was served before still is.*digits\/2/,
    ],
    ['the next version serves', { desired: updated, served: second, workers: [ready(two)], settled: 2 }, 'InService', null],
    [
      'more instances are on the way',
      { desired: updated, served: second, workers: [ready(two), starting(two)], settled: 1 },
      'Updating',
      null,
    ],
    [
      'it finishes to be unloaded',
      { desired: { ...inService, state: 'Unloaded' }, served: suspended, workers: [ready(one)] },
      'Updating',
      /being finished/,
    ],
    ['it is unloaded', { desired: { ...inService, state: 'Unloaded' }, served: suspended, workers: [] }, 'Unloaded', null],
    ['it is loaded again', { desired: inService, served: suspended, workers: [starting(one)] }, 'Updating', null],
    [
      'it is deleted, whatever else',
      { desired: { ...inService, state: 'Deleted' }, served: unknown, workers: [failed(one)] },
      'Deleting',
      null,
    ],
    ['it is serverless and nothing runs', { desired: serverless, served: servedByFunctions, workers: [], settled: 1 }, 'InService', null],
    [
      'it is serverless and a function starts',
      { desired: serverless, served: servedByFunctions, workers: [starting(elastic)], settled: 1 },
      'InService',
      null,
    ],
    [
      'its functions cannot be started',
      { desired: serverless, served: servedByFunctions, workers: [failed(elastic)], settled: 1 },
      'Failed',
      /exit code 134/,
    ],
    [
      'one of its functions could not be started, another works',
      { desired: serverless, served: servedByFunctions, workers: [ready(elastic), failed(elastic)], settled: 1 },
      'InService',
      /exit code 134/,
    ],
  ];
  for (const [when, { settled = 0, ...sight }, status, reason] of cases) {
    test(`${when}: ${status}`, () => {
      const found = statusOf({ ...sight, settledGeneration: settled });
      assert.equal(found.status, status);
      if (reason === null) assert.equal(found.reason, null);
      else assert.match(found.reason ?? '', reason);
    });
  }
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DesiredState, type DesiredVariant, functionType, type ServedState } from './plan.ts';
import { type EndpointObservation, endpointStatusOf, type WorkerHealth } from './status.ts';

const one: DesiredVariant = {
  name: 'AllTraffic',
  variant: 'alltraffic',
  model: 'digits/1',
  instanceType: 'local.1',
  count: 1,
  isElastic: false,
};
const elastic: DesiredVariant = { ...one, instanceType: functionType, count: 0, isElastic: true };
const two: DesiredVariant = { ...one, model: 'digits/2' };
const shadow: DesiredVariant = { ...two, name: 'shadow', variant: 'shadow', isShadow: true };
const inService: DesiredState = { state: 'InService', generation: 1, variants: [one] };
const updated: DesiredState = { state: 'InService', generation: 2, variants: [two] };
const withShadow: DesiredState = { ...inService, variants: [one, shadow] };
const unknown: ServedState = { kind: 'unknown' };
const suspended: ServedState = { kind: 'suspended' };
const first: ServedState = { kind: 'served', generation: 1, variants: [one] };
const serverless: DesiredState = { state: 'InService', generation: 1, variants: [elastic] };
const servedByFunctions: ServedState = { kind: 'served', generation: 1, variants: [elastic] };
const hybrid: DesiredState = { ...inService, variants: [one, elastic] };
const servedByBoth: ServedState = { kind: 'served', generation: 1, variants: [one, elastic] };
const second: ServedState = { kind: 'served', generation: 2, variants: [two] };

function ready(kind: DesiredVariant): WorkerHealth {
  return { id: `w-${kind.model}`, ...kind, isReady: true, isDraining: false, hasFailed: false, reason: null };
}
const starting = (kind: DesiredVariant): WorkerHealth => ({ ...ready(kind), isReady: false });
const failed = (kind: DesiredVariant): WorkerHealth => ({ ...starting(kind), hasFailed: true, reason: 'exit code 134' });

describe('the status of an endpoint', () => {
  const cases: [
    when: string,
    observation: Omit<EndpointObservation, 'settledGeneration'> & { settled?: number },
    status: string,
    reason: RegExp | null,
  ][] = [
    ['its first worker starts', { desired: inService, served: unknown, workers: [starting(one)] }, 'Creating', null],
    [
      'its first worker failed',
      { desired: inService, served: unknown, workers: [failed(one)] },
      'Failed',
      /^variant AllTraffic: worker .* digits\/1 failed: exit code 134/,
    ],
    ['it serves', { desired: inService, served: first, workers: [ready(one)], settled: 1 }, 'InService', null],
    [
      'its only worker crashed',
      { desired: inService, served: first, workers: [starting(one)], settled: 1 },
      'InService',
      /^variant AllTraffic: .* being restarted/,
    ],
    [
      'its only worker crashes repeatedly',
      { desired: inService, served: first, workers: [failed(one)], settled: 1 },
      'Failed',
      /exit code/,
    ],
    ['one of two works', { desired: inService, served: first, workers: [ready(one), failed(one)], settled: 1 }, 'InService', /exit code/],
    [
      'its functions fail, but its instances work',
      { desired: hybrid, served: servedByBoth, workers: [ready(one), failed(elastic)], settled: 1 },
      'InService',
      /exit code 134/,
    ],
    [
      'its functions and its instances fail',
      { desired: hybrid, served: servedByBoth, workers: [failed(one), failed(elastic)], settled: 1 },
      'Failed',
      /exit code 134/,
    ],
    [
      'its shadow fails: requests are answered',
      { desired: withShadow, served: first, workers: [ready(one), failed(shadow)], settled: 1 },
      'InService',
      /variant shadow: worker .* digits\/2 failed/,
    ],
    [
      'its update adds a shadow that fails',
      { desired: { ...withShadow, generation: 2 }, served: { ...first, generation: 1 }, workers: [ready(one), failed(shadow)], settled: 1 },
      'Updating',
      null,
    ],
    ['the next version starts', { desired: updated, served: first, workers: [ready(one), starting(two)], settled: 1 }, 'Updating', null],
    [
      'the next version fails',
      { desired: updated, served: first, workers: [ready(one), failed(two)], settled: 1 },
      'InService',
      /the update failed, the previous version still serves.*digits\/2/,
    ],
    ['the next version serves', { desired: updated, served: second, workers: [ready(two)], settled: 2 }, 'InService', null],
    [
      'more instances are starting',
      { desired: updated, served: second, workers: [ready(two), starting(two)], settled: 1 },
      'Updating',
      null,
    ],
    [
      'it is being unloaded',
      { desired: { ...inService, state: 'Unloaded' }, served: suspended, workers: [ready(one)] },
      'Updating',
      /finishing requests/,
    ],
    ['it is unloaded', { desired: { ...inService, state: 'Unloaded' }, served: suspended, workers: [] }, 'Unloaded', null],
    ['it is loaded again', { desired: inService, served: suspended, workers: [starting(one)] }, 'Updating', null],
    [
      'it is deleted, even if its worker failed',
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
  for (const [when, { settled = 0, ...observation }, status, reason] of cases) {
    test(`${when}: ${status}`, () => {
      const found = endpointStatusOf({ ...observation, settledGeneration: settled });
      assert.equal(found.status, status);
      if (reason === null) assert.equal(found.reason, null);
      else assert.match(found.reason ?? '', reason);
    });
  }
});

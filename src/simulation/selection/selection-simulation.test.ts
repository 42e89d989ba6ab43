import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadOf as recordedLoad } from '../../../test/selection/loads.ts';
import { elasticFleet, families, judgedPlansOf, selectionSpecs } from '../../../test/selection/simulated.ts';
import { loadOf } from '../../../test/simulations.ts';
import type { Load } from '../load/load.ts';
import { policyOf } from './selection-policies.ts';
import { SelectionSimulation } from './selection-simulation.ts';
import type { SelectionSimulationResult } from './selection-spec.ts';

const one = { kind: 'fixed', instances: 1 } as const;
const run = async (
  load: Load,
  policies: readonly string[],
  fleet: Parameters<typeof selectionSpecs>[3] = one,
  family = 'digits' as const,
) =>
  (await Promise.all(selectionSpecs(family, load, policies, fleet).map((spec) => new SelectionSimulation(spec).run()))) as [
    SelectionSimulationResult,
    ...SelectionSimulationResult[],
  ];

const pair = async (...input: Parameters<typeof run>) => (await run(...input)) as [SelectionSimulationResult, SelectionSimulationResult];

describe('a simulated selection', () => {
  test('answers with the best model while there is time, and with cheaper rungs in a burst, all in time', async () => {
    const [calm] = await run(loadOf('poisson:50', 2), ['select']);
    assert.deepEqual(calm.shares, [{ plan: 'digits_cnn', share: 1 }]);
    assert(calm.attainment > 0.999);
    const [burst, best] = await pair(loadOf('poisson:1500', 1), ['select', 'always-best']);
    assert(burst.attainment > 0.999 && best.attainment < 0.05);
    assert(burst.shares.length > 1);
  });

  test('gives the same result for the same seeds', async () => {
    const load = loadOf('mmpp:100,2000,10,2', 2);
    assert.deepEqual(await run(load, ['degrade', 'proteus']), await run(load, ['degrade', 'proteus']));
  });

  test('keeps the mean of the measured accuracies at the floor, also if it may degrade and is overloaded', async () => {
    const [overloaded] = await run(loadOf('poisson:6000', 1), ['degrade']);
    const accuracies = new Map(judgedPlansOf('digits').map(({ name, accuracy }) => [name, accuracy]));
    const estimate = overloaded.shares.reduce((sum, { plan, share }) => sum + share * (accuracies.get(plan) as number), 0);
    assert(estimate >= families.digits.floor - 1e-9, `estimated ${estimate}`);
  });

  test('sends to functions what instances sized for the floor plan could not answer in time', async () => {
    const load = loadOf('steps:100@0,6000@30,100@40', 1);
    const [alone, beside] = await pair(load, ['select', 'select+functions'], elasticFleet('hpa:70', null));
    assert.equal(alone.overflowShare, 0);
    assert(beside.overflowShare > 0.1 && beside.attainment > 0.99 && alone.attainment < 0.7);
    assert(beside.functionsUsd > 0);
  });

  test('runs shadows in idle time that make no row late', async () => {
    for (const load of [loadOf('mmpp:50,800,10,2', 2), loadOf('poisson:300', 1)]) {
      const [spec] = selectionSpecs('digits', load, ['select'], one);
      assert(spec !== undefined);
      const [without, beside] = [new SelectionSimulation(spec), new SelectionSimulation({ ...spec, shadowShare: 0.2 })];
      const [alone, shadowed] = [await without.run(), await beside.run()];
      assert.equal(without.shadowed, 0);
      assert(beside.shadowed > 100, `${beside.shadowed} of ${shadowed.requests}`);
      assert(shadowed.attainment >= alone.attainment - 1e-4, `${shadowed.attainment}, without shadows ${alone.attainment}`);
      assert(Math.abs(shadowed.accuracy - alone.accuracy) < 0.001);
    }
  });

  test('is billed for its instances', async () => {
    const [{ instanceUsd }] = await run(loadOf('poisson:50', 6), ['floor']);
    assert(Math.abs(instanceUsd - 0.0425 / 10) < 1e-9);
  });
});

// Of an independent implementation: in time, accuracy.
const published = {
  'always-best': [0.044, 0.9978],
  'always-cheapest': [1, 0.9491],
  proteus: [0.26, 0.9895],
  singles: [1, 0.9868],
  degrade: [1, 0.9962],
} as const;

test('one instance under recorded bursts agrees with an independent implementation', async () => {
  const recorded = recordedLoad('Azure code');
  assert(typeof recorded !== 'string');
  const results = await run(recorded.load, Object.keys(published));
  for (const [i, [attainment, accuracy]] of Object.values(published).entries()) {
    const { policy, ...result } = results[i] as SelectionSimulationResult;
    assert(Math.abs(result.attainment - attainment) < 0.01, `${policy}: ${result.attainment} in time`);
    assert(Math.abs(result.accuracy - accuracy) < 0.003, `${policy}: accuracy ${result.accuracy}`);
  }
});

test('policies that cannot be simulated are refused with the reason', () => {
  const input = { plans: judgedPlansOf('digits'), floor: 0.97, degradeTo: null, fleet: one };
  assert.throws(() => policyOf('best', input), /unknown policy 'best': expected one of always-best/);
  assert.throws(() => policyOf('select+functions', input), /a fixed fleet has no functions/);
  assert.throws(() => policyOf('degrade', input), /needs --degrade-to/);
  const uncertified = input.plans.map((plan) => ({ ...plan, isCertified: false }));
  assert.throws(() => policyOf('select', { ...input, plans: uncertified }), /no plan is certified for accuracy >= 0.97/);
});

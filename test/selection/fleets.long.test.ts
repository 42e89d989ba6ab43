/**
 * What a selection must reach on recorded loads, in the setting of its specification: one first-in first-out queue, service times that vary by
 * 10 %, p95 <= 50 ms, functions with one request per call.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FleetRequest, SelectionSimulation, type SelectionSimulationResult } from '../../src/simulation/index.ts';
import { type LoadName, loadNames, loadOf, type SelectionLoad } from './loads.ts';
import type { Family } from './selectable.ts';
import { elasticFleet, selectionSpecs } from './simulated.ts';

const run = (family: Family, { load }: SelectionLoad, policies: readonly string[], fleet: FleetRequest) =>
  Promise.all(selectionSpecs(family, load, policies, fleet).map((spec) => new SelectionSimulation(spec).run()));

/** The cost of a selection by that of the best model alone, both with functions. */
function costMax(family: Family, name: LoadName): number {
  if (family === 'fashion') return 0.65;
  return name === 'Azure code' || name === 'Twitter' ? 0.4 : 0.5;
}

describe('a fixed fleet under the bursts of Azure code', () => {
  for (const { family, accuracyMin } of [
    { family: 'digits', accuracyMin: 0.995 },
    { family: 'fashion', accuracyMin: 0.909 },
  ] as const) {
    test(`${family}: answers 99.7 % in time, right in ${accuracyMin}`, async () => {
      const recorded = loadOf('Azure code');
      assert(typeof recorded !== 'string');
      const [degrade] = await run(family, recorded, ['degrade'], { kind: 'fixed', instances: 1 });
      assert((degrade?.attainment ?? 0) >= 0.997, `${degrade?.attainment} in time`);
      assert((degrade?.accuracy ?? 0) >= accuracyMin, `accuracy ${degrade?.accuracy}`);
    });
  }
});

describe('an elastic fleet', () => {
  for (const name of loadNames) {
    for (const family of ['digits', 'fashion'] as const) {
      test(`${family}, ${name}: costs at most ${costMax(family, name)} of the best model alone`, async (t) => {
        const recorded = loadOf(name);
        if (typeof recorded === 'string') return t.skip(recorded);
        const policies = ['always-best+functions', 'select+functions'];
        const [best, select] = (await run(family, recorded, policies, elasticFleet('hpa:70', 1))) as [
          SelectionSimulationResult,
          SelectionSimulationResult,
        ];
        const cost = select.costUsdPerMillion / best.costUsdPerMillion;
        t.diagnostic(`cost ${cost.toFixed(3)}, ${(100 * select.attainment).toFixed(2)} % in time, accuracy ${select.accuracy.toFixed(4)}`);
        assert(cost <= costMax(family, name), `costs ${cost.toFixed(3)}`);
        assert(select.attainment >= 0.998, `${select.attainment} in time`);
        assert(best.accuracy - select.accuracy <= 0.0015, `accuracy ${select.accuracy}, the best model alone ${best.accuracy}`);
      });
    }
  }
});

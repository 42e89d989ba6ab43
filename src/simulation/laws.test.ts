/** Invariants that hold for every load, policy and fault. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadFrom, specOf } from '../../test/simulations.ts';
import { Simulation } from './simulation.ts';
import type { SimulationSpec } from './simulation-spec.ts';

const withFunctions = ['economic', 'mark-greedy', 'hybrid:90', 'hpa:105,window=120s+overflow', 'static:0+overflow', 'batch'];
const alone = ['hpa:70', 'kpa', 'target-tracking', 'instances-only', 'oracle', 'static:1'];

const orders = (policies: readonly string[]): fc.Arbitrary<SimulationSpec> =>
  fc
    .record({
      counts: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 })), { minLength: 3, maxLength: 12 }),
      policy: fc.constantFrom(...policies),
      leadS: fc.constantFrom(0, 20, 120, 600),
      launchFailureShare: fc.constantFrom(0, 0.5, 1),
      interruptionsPerHour: fc.constantFrom(0, 0, 60),
      types: fc.constantFrom(['c5.large'], ['c5.large', 'g4dn.xlarge']),
      rescue: fc.boolean(),
      isCorrecting: fc.boolean(),
      seed: fc.integer({ min: 0, max: 1000 }),
    })
    .map(({ counts, policy, leadS, launchFailureShare, interruptionsPerHour, rescue, ...other }) => {
      const faults = { launchFailureShare, interruptionsPerHour };
      return specOf(loadFrom(counts, counts.length - 1), policy, { leadMs: leadS * 1000, faults, overflow: { rescue }, ...other });
    });

test('every request has one outcome, and all costs add up to the total', async () => {
  await fc.assert(
    fc.asyncProperty(orders([...alone, ...withFunctions]), async (spec) => {
      const result = await new Simulation(spec).run();
      const { requests, fulfilled, late, dropped, rejected, timeline } = result;
      assert.equal(fulfilled + late + dropped + rejected, requests);
      const sums = timeline.reduce(
        (sum, { arrivals, violations, costUsd }) => ({
          arrivals: sum.arrivals + arrivals,
          violations: sum.violations + violations,
          usd: sum.usd + costUsd,
        }),
        { arrivals: 0, violations: 0, usd: 0 },
      );
      assert.deepEqual([sums.arrivals, sums.violations], [requests, requests - fulfilled]);
      assert(Math.abs(sums.usd - result.instanceUsd - result.overflowUsd) < 1e-9);
      assert(result.overflowShare >= 0 && result.overflowShare <= 1);
    }),
    { numRuns: 40 },
  );
});

test('no request is dropped or rejected if functions are available, for any instance faults', async () => {
  await fc.assert(
    fc.asyncProperty(orders(withFunctions), async (spec) => {
      const { dropped, rejected } = await new Simulation(spec).run();
      assert.deepEqual([dropped, rejected], [0, 0]);
    }),
    { numRuns: 30 },
  );
});

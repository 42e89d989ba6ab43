/** What holds for every load, policy and misfortune. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadFrom, orderOf } from '../../test/simulations.ts';
import { Simulation } from './simulation.ts';
import type { SimulationOrder } from './simulation-order.ts';

const withFunctions = ['economic', 'mark-greedy', 'hybrid:90', 'hpa:105,window=120s+overflow', 'static:0+overflow', 'batch'];
const alone = ['hpa:70', 'kpa', 'target-tracking', 'instances-only', 'oracle', 'static:1'];

const orders = (policies: readonly string[]): fc.Arbitrary<SimulationOrder> =>
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
      const misfortune = { launchFailureShare, interruptionsPerHour };
      return orderOf(loadFrom(counts, counts.length - 1), policy, { leadMs: leadS * 1000, misfortune, overflow: { rescue }, ...other });
    });

test('every request is answered once, and every cent is somewhere in the bill', async () => {
  await fc.assert(
    fc.asyncProperty(orders([...alone, ...withFunctions]), async (order) => {
      const result = await new Simulation(order).run();
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

test('nobody is given up or refused where functions can be had, whatever becomes of instances', async () => {
  await fc.assert(
    fc.asyncProperty(orders(withFunctions), async (order) => {
      const { dropped, rejected } = await new Simulation(order).run();
      assert.deepEqual([dropped, rejected], [0, 0]);
    }),
    { numRuns: 30 },
  );
});

/**
 * Compares results with those of an independent implementation, for a day of a load that switches between 10 and 80 requests/s.
 * More comparisons are in bench/scaling.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { specOf } from '../../test/simulations.ts';
import { parseLoad } from './load/load.ts';
import { Simulation } from './simulation.ts';

const load = parseLoad('mmpp:10,80,600,180', { slotMs: 60_000, from: 5760, slots: 1440, loadSeed: 7 });

for (const { policy, costUsdPerMillion, attainment, tolerance } of [
  { policy: 'oracle', costUsdPerMillion: 3.38, attainment: 1, tolerance: 0.0002 },
  // Unlike the independent implementation, busy functions take the next request instead of starting another function, so more
  // requests are in time.
  { policy: 'economic,forecaster=rls-ar', costUsdPerMillion: 4.13, attainment: 0.99855, tolerance: 0.0012 },
]) {
  test(`${policy} costs $${costUsdPerMillion} per million within 5 %, with the same attainment`, async () => {
    const spec = specOf(load, policy, { seed: 8, overflow: { overflowBatch: 1, rescue: false } });
    const result = await new Simulation(spec).run();
    assert.equal(result.requests, 2_333_328);
    assert(Math.abs((result.costUsdPerMillion as number) / costUsdPerMillion - 1) < 0.05, `${result.costUsdPerMillion}`);
    assert(Math.abs(result.attainment - attainment) <= tolerance, `${result.attainment}`);
  });
}

test('the short slots of economic save a twelfth of that cost, with at least 99.9 % in time', async () => {
  const result = await new Simulation(specOf(load, 'economic', { seed: 8, overflow: { overflowBatch: 1, rescue: false } })).run();
  assert((result.costUsdPerMillion as number) < 4 * (11 / 12), `${result.costUsdPerMillion}`);
  assert(result.attainment >= 0.999, `${result.attainment}`);
});

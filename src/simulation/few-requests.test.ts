/** Where little comes, or seldom, `economic` finds by itself that functions alone cost least. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadOf, orderOf } from '../../test/simulations.ts';
import { type Load, loadOfTrace } from './load.ts';
import type { SimulationResult } from './result.ts';
import { Simulation } from './simulation.ts';
import type { SimulationOrder } from './simulation-order.ts';
import { parseTrace } from './trace.ts';

function traceLoad(file: string, slotMs: number, scale = 1): Load {
  const path = fileURLToPath(new URL(`../../test/traces/${file}`, import.meta.url));
  return loadOfTrace(file, parseTrace(readFileSync(path, 'utf8'), file), { slotMs, from: 0, slots: null }, scale);
}

const simulate = (load: Load, policy: string, other: Partial<SimulationOrder> = {}): Promise<SimulationResult> =>
  new Simulation(orderOf(load, policy, { isCorrecting: true, ...other })).run();

describe('economic', () => {
  for (const { scale, rate } of [
    { scale: 10, rate: 'one in seven minutes' },
    { scale: 60, rate: 'one a minute' },
  ]) {
    test(`of a function that is called seldom, ${rate} in the mean over a week, keeps no instance`, async () => {
      const load = traceLoad('azurefunc2019_infless_sporadic.csv', 600_000, scale);
      const result = await simulate(load, 'economic');
      assert.deepEqual([result.instanceSeconds, result.overflowShare, result.dropped], [{}, 1, 0]);
      const always = await simulate(load, 'static:1');
      assert(result.costUsd < always.costUsd / 100, `${result.costUsd} and ${always.costUsd}`);
    });
  }

  test('of code completion, 2.6 requests/s in bursts, keeps none either, and costs what functions cost', async () => {
    const load = traceLoad('azure_llm_2023_code_requests.csv', 60_000);
    const result = await simulate(load, 'economic');
    assert.deepEqual([result.requests, result.instanceSeconds, result.overflowShare], [8819, {}, 1]);
    // An independent implementation of the plan by its forecast alone paid $8.82, for instances that were ready when the burst was over.
    assert((result.costUsdPerMillion as number) < 5.5, `${result.costUsdPerMillion}`);
    assert(result.attainment > 0.998);
    assert(result.costUsd < (await simulate(load, 'static:1+overflow')).costUsd / 1.8);
  });

  test('gives a load that stays its first instance a few minutes later', async () => {
    const { decisions, attainment, timeline } = await simulate(loadOf('steps:0@0,30@600', 40), 'economic');
    const [first] = decisions;
    assert(first !== undefined && first.atS >= 660 && first.atS <= 900, `${first?.atS}`);
    assert((timeline[30]?.active as number) >= 2);
    assert(attainment > 0.99);
  });

  test('buys no instances for cold starts that are over', async () => {
    for (const steps of ['steps:10@0,80@600', 'steps:80@0']) {
      const load = loadOf(steps, 60);
      const corrected = await simulate(load, 'economic');
      const plain = await simulate(load, 'economic', { isCorrecting: false });
      assert(corrected.late > 0, 'nobody met a cold start');
      assert.deepEqual([corrected.costUsd, corrected.late], [plain.costUsd, plain.late], steps);
    }
  });
});

/** With low or rare traffic, the `economic` policy uses functions alone, because they cost least. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadOf, specOf } from '../../../test/simulations.ts';
import type { SimulationResult } from '../report/result.ts';
import { Simulation } from '../simulation.ts';
import type { SimulationSpec } from '../simulation-spec.ts';
import { type Load, loadOfTrace } from './load.ts';
import { parseTrace } from './trace.ts';

function traceLoad(file: string, slotMs: number, scale = 1, slots: number | null = null): Load {
  const path = fileURLToPath(new URL(`../../../test/traces/${file}`, import.meta.url));
  return loadOfTrace(file, parseTrace(readFileSync(path, 'utf8'), file), { slotMs, from: 0, slots }, scale);
}

const simulate = (load: Load, policy: string, other: Partial<SimulationSpec> = {}): Promise<SimulationResult> =>
  new Simulation(specOf(load, policy, { isCorrecting: true, ...other })).run();

describe('economic', () => {
  for (const { scale, rate } of [
    { scale: 10, rate: 'one in seven minutes' },
    { scale: 60, rate: 'one per minute' },
  ]) {
    test(`uses no instance for a rarely called function with a mean of ${rate} over two days`, async () => {
      const load = traceLoad('azurefunc2019_infless_sporadic.csv', 600_000, scale, 288);
      const result = await simulate(load, 'economic');
      assert.deepEqual([result.instanceSeconds, result.overflowShare, result.dropped], [{}, 1, 0]);
      const always = await simulate(load, 'static:1');
      assert(result.costUsd < always.costUsd / 100, `${result.costUsd} and ${always.costUsd}`);
    });
  }

  test('uses no instance for code completion with 2.6 requests/s in bursts', async () => {
    const load = traceLoad('azure_llm_2023_code_requests.csv', 60_000);
    const result = await simulate(load, 'economic');
    assert.deepEqual([result.requests, result.instanceSeconds, result.overflowShare], [8819, {}, 1]);
    // An independent implementation that used only the forecast paid $8.82: its instances became ready after the burst.
    assert((result.costUsdPerMillion as number) < 5.5, `${result.costUsdPerMillion}`);
    assert(result.attainment > 0.998);
    assert(result.costUsd < (await simulate(load, 'static:1+overflow')).costUsd / 1.8);
  });

  test('starts its first instance a few minutes into a sustained load', async () => {
    const { decisions, attainment, timeline } = await simulate(loadOf('steps:0@0,30@600', 40), 'economic');
    const [first] = decisions;
    assert(first !== undefined && first.atS >= 660 && first.atS <= 900, `${first?.atS}`);
    assert((timeline[30]?.active as number) >= 2);
    assert(attainment > 0.99);
  });

  test('starts no instances because of past cold starts', async () => {
    for (const steps of ['steps:10@0,80@600', 'steps:80@0']) {
      const load = loadOf(steps, 30);
      const corrected = await simulate(load, 'economic');
      const plain = await simulate(load, 'economic', { isCorrecting: false });
      assert(corrected.late > 0, 'no request met a cold start');
      assert.deepEqual([corrected.costUsd, corrected.late], [plain.costUsd, plain.late], steps);
    }
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadOf, specOf } from '../../../test/simulations.ts';
import type { SimulationResult } from '../report/result.ts';
import { Simulation } from '../simulation.ts';

const load = loadOf('poisson:30', 10);
const simulate = (policy: string, choosesFunctions: boolean): Promise<SimulationResult> =>
  new Simulation(specOf(load, policy, { choosesFunctions })).run();

describe('functions configured by the batch controller', () => {
  test('cost less than without batching and meet the objective', async () => {
    const [single, chosen] = await Promise.all([simulate('static:0+overflow', false), simulate('static:0+overflow', true)]);
    assert((chosen.costUsdPerMillion as number) < 0.9 * (single.costUsdPerMillion as number), `${chosen.costUsdPerMillion}`);
    const afterwards = chosen.timeline.slice(2);
    const [late, requests] = [afterwards.map(({ violations }) => violations), afterwards.map(({ arrivals }) => arrivals)].map((counts) =>
      counts.reduce((sum, count) => sum + count, 0),
    );
    assert((late as number) <= 0.002 * (requests as number), `${late} of ${requests}`);
    const [first, ...others] = chosen.decisions.filter(({ trigger }) => trigger === 'batching');
    assert.match(first?.explanation ?? '', /without batching/, 'no traffic yet');
    assert(others.some(({ explanation }) => /at most \d+ rows: keeps p99\.8 <= 500ms/.test(explanation)));
  });

  test('alongside instances cost no more; results are byte-identical', async () => {
    const [single, chosen, again] = await Promise.all([
      simulate('economic', false),
      simulate('economic', true),
      simulate('economic', true),
    ]);
    assert(chosen.costUsd <= 1.005 * single.costUsd, `${chosen.costUsd} and ${single.costUsd}`);
    assert(chosen.attainment > 0.99);
    assert.equal(JSON.stringify(again), JSON.stringify(chosen));
  });

  test('are unaffected if the policy chooses memory and batch size itself', async () => {
    assert.equal(JSON.stringify(await simulate('batch', true)), JSON.stringify(await simulate('batch', false)));
  });
});

/** The simulator of selections says what the code that serves does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedRequests, type Load, SelectionSimulation } from '../../src/simulation/index.ts';
import { loadOf } from './loads.ts';
import { serve } from './served.ts';
import { selectionSpecs } from './simulated.ts';

/** The busiest minutes of the bursty load. */
function burstsOf(from: number, seconds: number): Load {
  const recorded = loadOf('Azure code');
  assert(typeof recorded !== 'string' && recorded.load.source.kind === 'counts');
  const { load } = recorded;
  const { source } = recorded.load;
  return { ...load, source: { ...source, counts: source.counts.slice(from, from + seconds) }, durationMs: seconds * 1000 };
}

for (const family of ['digits', 'fashion'] as const) {
  test(`${family}: the pool that serves answers all, as many in time, and as right as simulated`, async (t) => {
    const load = burstsOf(180, 120);
    const [spec] = selectionSpecs(family, load, ['degrade'], { kind: 'fixed', instances: 1 });
    assert(spec !== undefined);
    const simulated = await new SelectionSimulation(spec).run();
    const served = await serve(spec, (1000 * expectedRequests(load)) / load.durationMs);
    t.diagnostic(`in time ${served.attainment} and ${simulated.attainment}, right ${served.accuracy} and ${simulated.accuracy}`);
    assert.equal(served.requests, simulated.requests);
    assert.equal(served.failed, 0);
    assert(served.attainment >= 0.997, `${served.attainment} in time`);
    assert(Math.abs(served.accuracy - simulated.accuracy) <= 0.003, `${served.accuracy}, simulated ${simulated.accuracy}`);
  });
}

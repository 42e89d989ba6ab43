import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadOf, specOf } from '../../test/simulations.ts';
import { simulateAll } from './simulate.ts';
import { Simulation } from './simulation.ts';

const never = new AbortController().signal;

describe('simulations in threads', () => {
  test('return the same results as in this thread, in order', async () => {
    const orders = ['static:2', 'economic', 'hpa:70'].map((policy) => specOf(loadOf('poisson:10', 5), policy));
    const reported: string[] = [];
    const results = await simulateAll(orders, { threads: 2, interrupted: never, onDone: ({ policy }) => reported.push(policy) });
    const here = await Promise.all(orders.map((spec) => new Simulation(spec).run()));
    assert.equal(JSON.stringify(results), JSON.stringify(here));
    assert.deepEqual(new Set(reported), new Set(['static:2', 'economic', 'hpa:70']));
  });

  test('fail with the first error', async () => {
    const orders = ['economic', 'magic'].map((policy) => specOf(loadOf('poisson:50', 600), policy));
    await assert.rejects(simulateAll(orders, { threads: 2, interrupted: never }), {
      code: 'invalid_request',
      message: /unknown policy 'magic'/,
    });
  });

  test('end when they are interrupted', async () => {
    const interrupt = new AbortController();
    const running = simulateAll([specOf(loadOf('poisson:5000', 6000), 'economic')], { threads: 1, interrupted: interrupt.signal });
    interrupt.abort();
    await assert.rejects(running, { code: 'unavailable', message: /the simulation of economic was interrupted/ });
  });
});

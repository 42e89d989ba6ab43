import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadOf, orderOf } from '../../test/simulations.ts';
import { simulateAll } from './simulate.ts';
import { Simulation } from './simulation.ts';

const never = new AbortController().signal;

describe('simulations in threads', () => {
  test('give in order what they give here', async () => {
    const orders = ['static:2', 'economic', 'hpa:70'].map((policy) => orderOf(loadOf('poisson:10', 5), policy));
    const told: string[] = [];
    const results = await simulateAll(orders, { threads: 2, interrupted: never, onDone: ({ policy }) => told.push(policy) });
    const here = await Promise.all(orders.map((order) => new Simulation(order).run()));
    assert.equal(JSON.stringify(results), JSON.stringify(here));
    assert.deepEqual(new Set(told), new Set(['static:2', 'economic', 'hpa:70']));
  });

  test('fail as the first that fails, with its own words', async () => {
    const orders = ['economic', 'magic'].map((policy) => orderOf(loadOf('poisson:50', 600), policy));
    await assert.rejects(simulateAll(orders, { threads: 2, interrupted: never }), {
      code: 'invalid_request',
      message: /unknown policy 'magic'/,
    });
  });

  test('end when they are interrupted', async () => {
    const interrupt = new AbortController();
    const running = simulateAll([orderOf(loadOf('poisson:5000', 6000), 'economic')], { threads: 1, interrupted: interrupt.signal });
    interrupt.abort();
    await assert.rejects(running, { code: 'unavailable', message: /the simulation of economic was interrupted/ });
  });
});

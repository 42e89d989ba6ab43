/** Spot instances: cheaper but interruptible, alongside the same types on demand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadFrom, loadOf, specOf } from '../../test/simulations.ts';
import type { SimulationResult } from './report/result.ts';
import { Simulation } from './simulation.ts';
import type { SimulationSpec } from './simulation-spec.ts';

const waves = Array.from({ length: 150 }, (_, i) => Math.round(1500 + 1200 * Math.sin((2 * Math.PI * i) / 60)));

const simulate = (policy: string, types: readonly string[], interruptionsPerHour = 0, other: Partial<SimulationSpec> = {}) =>
  new Simulation(specOf(loadFrom(waves, 90), policy, { types, faults: { launchFailureShare: 0, interruptionsPerHour }, ...other })).run();
const secondsOf = ({ instanceSeconds }: SimulationResult, type: string): number => instanceSeconds[type] ?? 0;
const isClose = (value: number, wanted: number, share: number): void =>
  assert(Math.abs(value / wanted - 1) <= share, `${value}, not ${wanted}`);

describe('spot instances', () => {
  test('serve like on-demand instances, at the spot price', async () => {
    const [onDemand, spot] = await Promise.all([simulate('hpa:70', ['c5.large']), simulate('hpa:70', ['c5.large:spot=0.034'])]);
    isClose(spot.instanceUsd, (onDemand.instanceUsd * 0.034) / 0.085, 1e-9);
    assert.deepEqual([spot.attainment, secondsOf(spot, 'c5.large:spot')], [onDemand.attainment, secondsOf(onDemand, 'c5.large')]);
  });

  test('are planned if they are cheaper, and not if they are more expensive', async () => {
    const [cheap, dear] = await Promise.all(
      ['c5.large:spot=0.03', 'c5.large:spot=0.2'].map((spot) => simulate('economic', ['c5.large', spot])),
    );
    assert(cheap !== undefined && dear !== undefined);
    assert(secondsOf(cheap, 'c5.large:spot') > 0 && secondsOf(cheap, 'c5.large') === 0);
    assert(secondsOf(dear, 'c5.large') > 0 && secondsOf(dear, 'c5.large:spot') === 0);
    assert(cheap.costUsd < dear.costUsd);
  });

  test('of several types have separate prices: the best price per capacity is chosen', async () => {
    const of = (large: number, xlarge: number) => simulate('economic', [`c5.large:spot=${large}`, `c5.xlarge:spot=${xlarge}`]);
    const [larges, xlarges] = await Promise.all([of(0.03, 0.2), of(0.08, 0.04)]);
    assert(secondsOf(larges, 'c5.large:spot') > 0 && secondsOf(larges, 'c5.xlarge:spot') === 0);
    assert(secondsOf(xlarges, 'c5.xlarge:spot') > 0 && secondsOf(xlarges, 'c5.large:spot') === 0);
  });

  test('that are reclaimed are replaced on demand at once, and functions bridge the gap', async () => {
    const types = ['c5.large:spot=0.034', 'c5.large'];
    const [calm, rough, onDemand] = await Promise.all([
      simulate('economic', types),
      simulate('economic', types, 4),
      simulate('economic', ['c5.large']),
    ]);
    const notices = rough.decisions.filter(({ trigger }) => trigger === 'spot');
    assert(notices.length > 3, `${notices.length}`);
    assert(notices.every(({ plan }) => (plan['c5.large'] ?? 0) > 0));
    assert(secondsOf(rough, 'c5.large') > 0 && secondsOf(calm, 'c5.large') === 0);
    assert(rough.attainment > 0.995, `${rough.attainment}`);
    assert(rough.overflowShare > calm.overflowShare);
    assert(calm.costUsd < rough.costUsd && rough.costUsd < onDemand.costUsd, `${calm.costUsd}, ${rough.costUsd}, ${onDemand.costUsd}`);
  });

  test('are the only instances that are interrupted', async () => {
    const both = await simulate('static:4', ['c5.large', 'c5.large:spot=0.03'], 3);
    assert.deepEqual([both.decisions.some(({ trigger }) => trigger === 'spot'), secondsOf(both, 'c5.large')], [false, 4 * 90 * 60]);
    const all = await simulate('static:4', ['c5.large'], 3);
    assert(all.decisions.some(({ trigger }) => trigger === 'spot'));
  });

  test('without a price are rejected', () => {
    assert.throws(() => new Simulation(specOf(loadOf('poisson:1', 1), 'ray', { types: ['c5.large:spot'] })), {
      code: 'invalid_request',
      message: /c5\.large has no spot price\. Set usdPerHourSpot, or write c5\.large:spot=USD_PER_HOUR/,
    });
  });
});

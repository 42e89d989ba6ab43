import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadOf, specOf } from '../../test/simulations.ts';
import { type FunctionsConfig, parseFloor } from '../deployment/index.ts';
import { deployedPolicy, withObservedStarts } from './deployed-policy.ts';
import { referenceSimulated } from './simulated/profile.ts';
import { Simulation } from './simulation.ts';
import type { SimulationSpec } from './simulation-spec.ts';

const place = { profile: { functions: [] }, cores: 2 };
const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 3, usdPerHourMax: null };
const variant = { scaling, functions: null, wanted: 1, setting: null };

describe('the deployed policy', () => {
  test('has its limits in its label, unlike other rows of the same policy', () => {
    const { label, instancesMin, instancesMax } = deployedPolicy(variant, place);
    assert.deepEqual([label, instancesMin, instancesMax], ['deployed: economic, 1 to 3', 1, 3]);
    assert.equal(deployedPolicy({ ...variant, scaling: null, wanted: 2 }, place).label, 'deployed: static:2');
  });

  test('has the budget, function limits and schedule of the endpoint', () => {
    const floors = [parseFloor('08:00-18:00 2')];
    const functions = {
      maxConcurrency: 4,
      provisioned: 1,
      keepAliveMs: 60_000,
      memoryMiB: 'auto',
      batching: { kind: 'none' },
    } as const;
    const deployed = deployedPolicy({ ...variant, scaling: { ...scaling, usdPerHourMax: 0.5, floors }, functions }, place);
    assert.deepEqual([deployed.usdPerHourMax, deployed.floors], [0.5, floors]);
    assert.deepEqual(deployed.functions, { ...functions, warmMax: 2 });
  });

  test('batches as configured: not at all if disabled, with its fixed size if set', async () => {
    const load = loadOf('poisson:60', 4);
    const profile = referenceSimulated();
    const replayed = (functions: Pick<FunctionsConfig, 'memoryMiB' | 'batching'>) => {
      const limits = { maxConcurrency: 100, provisioned: 0, keepAliveMs: 60_000 };
      const deployed = deployedPolicy({ ...variant, functions: { ...limits, ...functions } }, { profile, cores: 8 });
      return new Simulation({ ...specOf(load, 'economic', { choosesFunctions: true, profile }), ...deployed }).run();
    };
    const [none, slack, fixed] = await Promise.all([
      replayed({ memoryMiB: 'auto', batching: { kind: 'none' } }),
      replayed({ memoryMiB: 'auto', batching: { kind: 'slack' } }),
      replayed({ memoryMiB: 1769, batching: { kind: 'slack' } }),
    ]);
    const choices = ({ decisions }: typeof none) => decisions.filter(({ trigger }) => trigger === 'batching').map((one) => one.explanation);
    assert.deepEqual(choices(none), []);
    assert(choices(slack).some((text) => !text.startsWith('1769 MiB')));
    assert(choices(fixed).length > 0 && choices(fixed).every((text) => text.includes('1769 MiB')), choices(fixed).join('; '));
  });

  test('uses observed start times if there are any', () => {
    const profile = withObservedStarts(referenceSimulated(), { leadMs: 5000, coldMs: null });
    assert(profile.types.every(({ leadMs }) => leadMs === 5000) && profile.functions.every(({ coldMs }) => coldMs === 2000));
    assert.equal(withObservedStarts(profile, { leadMs: null, coldMs: 70 }).functions[0]?.coldMs, 70);
  });
});

describe('simulated as deployed', () => {
  const simulate = (policy: string, more: Partial<SimulationSpec>, load = loadOf('poisson:40', 60)) =>
    new Simulation(specOf(load, policy, more)).run();

  test('an exhausted budget stops functions and new instances, but removes no running instance', async () => {
    const free = await simulate('economic', { instancesMin: 1 });
    const bounded = await simulate('economic', { instancesMin: 1, usdPerHourMax: 0.2 });
    assert(free.costUsd > 0.28 && bounded.costUsd < 0.23, `${free.costUsd}, ${bounded.costUsd}`);
    assert(bounded.attainment < free.attainment);
    assert(bounded.timeline.every(({ active }) => active >= 1));
  });

  test('the concurrency limit holds, and provisioned functions are billed by time', async () => {
    const functions = { maxConcurrency: 2, provisioned: 0, keepAliveMs: 60_000, warmMax: 2 };
    const few = await simulate('static:1+overflow', { functions });
    const many = await simulate('static:1+overflow', {});
    assert(few.overflowShare < many.overflowShare - 0.1, `${few.overflowShare} of ${many.overflowShare}`);
    const idle = await simulate(
      'static:1+overflow',
      { functions: { ...functions, provisioned: 2, warmMax: 0 } },
      loadOf('poisson:0.01', 60),
    );
    const hourly = 2 * (3538 / 1024) * 3600 * specOf(loadOf('poisson:1', 1), 'ray').profile.functionPrices.usdPerProvisionedGbSecond;
    assert(Math.abs(idle.overflowUsd / hourly - 1) < 0.01, `${idle.overflowUsd} of ${hourly}`);
  });

  test('a floor applies only at its time of day', async () => {
    const floors = [parseFloor('00:10-00:20 3')];
    const { timeline } = await simulate('hpa:70', { floors, instancesMin: 1, leadMs: 0 }, loadOf('poisson:0.1', 40));
    assert.deepEqual(
      [5, 15, 30].map((minute) => timeline[minute]?.active),
      [1, 3, 1],
    );
  });
});

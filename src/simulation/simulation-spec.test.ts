import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadOf, specOf } from '../../test/simulations.ts';
import { parsePolicy } from '../autoscaling/index.ts';
import { choosesFunctions, fleetTypes, hasFunctions, type SimulationSpec } from './simulation-spec.ts';

const orderWith = (policy: string, other: Partial<SimulationSpec> = {}): SimulationSpec => specOf(loadOf('poisson:1', 1), policy, other);

const serverless = { memoryMiB: 1769, batchSizeMax: 4, waitMsMax: null };

for (const { when, policy = 'static:1+overflow', other = {}, has, chooses } of [
  { when: 'the policy has overflow', has: true, chooses: false },
  { when: 'the policy has none', policy: 'hpa:70', other: { choosesFunctions: true }, has: false, chooses: false },
  { when: 'the request has no functions', other: { hasFunctions: false, choosesFunctions: true }, has: false, chooses: false },
  { when: 'their setting is chosen', other: { choosesFunctions: true }, has: true, chooses: true },
  { when: 'the policy chooses it by itself', policy: 'batch', other: { choosesFunctions: true }, has: true, chooses: false },
  { when: 'their setting is fixed', other: { choosesFunctions: true, serverless }, has: true, chooses: false },
]) {
  test(`there ${has ? 'are' : 'are no'} functions${chooses ? ' with a dynamic setting' : ''} if ${when}`, () => {
    const spec = orderWith(policy, other);
    assert.deepEqual([hasFunctions(spec, parsePolicy(policy)), choosesFunctions(spec, parsePolicy(policy))], [has, chooses]);
  });
}

for (const { when, policy = 'hpa:70', other = {}, usdPerHour = 0.085, leadMs } of [
  { when: 'there is no other setting', leadMs: 120_000 },
  { when: 'the order sets the start time', other: { leadMs: 30_000 }, leadMs: 30_000 },
  { when: 'the policy pays more, and waits longer', policy: 'target-tracking,price=1.4', usdPerHour: 0.085 * 1.4, leadMs: 240_000 },
  { when: 'the policy knows the future', policy: 'oracle', other: { leadMs: 30_000 }, leadMs: 0 },
]) {
  test(`an instance costs $${usdPerHour} an hour and takes ${leadMs / 1000} s to start if ${when}`, () => {
    const [type, ...others] = fleetTypes(orderWith(policy, other), parsePolicy(policy));
    assert.deepEqual([type?.name, type?.usdPerHour, type?.leadMs, others], ['c5.large', usdPerHour, leadMs, []]);
  });
}

test('interruptions affect only spot instances if there are any, else all instances', () => {
  const faults = { launchFailureShare: 0, interruptionsPerHour: 2 };
  const interruptions = (types: readonly string[]): number[] =>
    fleetTypes(orderWith('hpa:70', { types, faults }), parsePolicy('hpa:70')).map((type) => type.interruptionsPerHour);
  assert.deepEqual(
    [interruptions(['c5.large', 'c5.large:spot=0.04']), interruptions(['c5.large', 'c5.xlarge'])],
    [
      [0, 2],
      [2, 2],
    ],
  );
});

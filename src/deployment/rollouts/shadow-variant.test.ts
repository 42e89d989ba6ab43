import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultPrices } from '../../costs/index.ts';
import { checkConfig, type EndpointConfig, modelsOf, type VariantConfig } from '../config/endpoint-config.ts';
import { type Rollout, sharedVariants, trafficShares } from './rollout.ts';

const live: VariantConfig = { name: 'live', group: 'digits', version: 1, weight: 2, instanceCount: 1, instanceType: 'local.1' };
const shadow: VariantConfig = { ...live, name: 'shadow', version: 3, weight: 1, isShadow: true };
const configOf = (...variants: VariantConfig[]): EndpointConfig => ({
  name: 'prod',
  variants,
  objective: null,
  late: 'serve',
  timeoutMs: 60_000,
});
const check = (...variants: VariantConfig[]) => checkConfig(configOf(...variants), defaultPrices.functions.memoryMiB);

describe('an endpoint with a shadow', () => {
  test('has exactly one production variant, whose weight alone makes traffic', () => {
    check(live, shadow);
    const requires = /exactly 1 production variant and 1 shadow/;
    assert.throws(() => check(live, { ...live, name: 'b' }, shadow), requires);
    assert.throws(() => check(live, shadow, { ...shadow, name: 'c' }), requires);
    assert.throws(() => check(shadow), requires);
    assert.throws(() => check({ ...live, weight: 0 }, shadow), /all variants have weight 0/);
  });

  test('serves the version of its production variant only', () => {
    assert.deepEqual(modelsOf(configOf(live, shadow)), ['digits/1']);
  });

  test('copies the same share of all requests while an update shifts them', () => {
    const now = configOf({ ...live, version: 2 }, shadow);
    const before = configOf(live);
    const weights = sharedVariants(now, before, 0.25).map(({ name, version, weight }) => [name, version, weight]);
    assert.deepEqual(weights, [
      ['live', 2, 0.25],
      ['live', 1, 0.75],
      ['shadow', 3, 0.5],
    ]);
    const rollout = { guard: { steps: [{ share: 0.25, bakeMs: 0 }] }, step: 0, before } as unknown as Rollout;
    assert.deepEqual(Object.fromEntries(trafficShares(now, rollout)), { 'digits/2': 0.25, 'digits/1': 0.75 });
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MixtureBody, VariantBody } from '../../../../src/api/index.ts';
import { curveWithin, instanceLimits, limitsText, planBodyFor, priceWithin } from './objective-price.ts';

const scaling = { policy: 'economic', instances_min: 1, instances_max: 2, usd_per_hour_max: null } as VariantBody['scaling'];
const functions = {
  memory_mib: 'auto',
  max_concurrency: 2,
  provisioned: 1,
  keep_alive_ms: 60_000,
  batching: 'slack',
} as VariantBody['functions'];
const variant = { model: 'digits/1', wanted: 1, instance_type: 'local.1', scaling, functions };
const traffic = { ratePerSecond: 8, peakFactor: 1.5 };
const mixture = (instances: number, usd: number, why: string | null = null) =>
  ({ instances, usd_per_hour: usd, rejected_because: why }) as MixtureBody;

test('plans with what the endpoint may use', () => {
  assert.deepEqual(planBodyFor(variant, 'p95<=20ms', traffic), {
    model: 'digits/1',
    objective: 'p95<=20ms',
    rate_per_second: 8,
    peak_factor: 1.5,
    instance_type: 'local.1',
    functions: true,
    keep_one: true,
    usd_per_hour_max: null,
  });
  const serverless = planBodyFor({ ...variant, wanted: 0, scaling: null }, 'p95<=20ms', traffic);
  assert.deepEqual([serverless.instance_type, serverless.functions], [null, true]);
});

test('the price is that of the cheapest setting that the endpoint may have', () => {
  const mixtures = [mixture(0, 0.01), mixture(1, 0.05, 'too slow'), mixture(2, 0.09), mixture(2, 0.08), mixture(3, 0.02)];
  assert.equal(priceWithin({ mixtures }, instanceLimits(variant)), 0.08);
  assert.equal(priceWithin({ mixtures }, instanceLimits({ ...variant, scaling: null })), null);
  assert.equal(priceWithin({ mixtures }, { least: 0, most: 0 }), 0.01);
});

test('the curve is no lower than the instances that are kept in any case', () => {
  const mixtures = [mixture(0, 0.01), { ...mixture(2, 0.09), instance_usd_per_hour: 0.08 }];
  const curve = [5, 10, 20].map((latency, index) => ({ latency_ms: latency, usd_per_hour: [null, 0.09, 0.01][index] ?? null }));
  const prices = (least: number) => curveWithin(curve, { mixtures }, { least, most: 4 }).map(({ usd_per_hour: usd }) => usd);
  assert.deepEqual(prices(0), [null, 0.09, 0.01]);
  assert.deepEqual(prices(1), [null, 0.09, 0.04]);
});

test('names the limits', () => {
  assert.equal(limitsText(variant), '1 to 2 × local.1; functions');
  assert.equal(limitsText({ ...variant, scaling: null, functions: null }), '1 × local.1, fixed; no functions');
  assert.equal(limitsText({ ...variant, scaling: null, wanted: 0 }), 'functions only');
});

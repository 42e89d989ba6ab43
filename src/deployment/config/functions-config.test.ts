import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultPrices } from '../../costs/index.ts';
import { checkConfig, type EndpointConfig, type VariantConfig } from './endpoint-config.ts';
import { type BatchPolicy, type FunctionsConfig, functionsDefault } from './functions-config.ts';

const serverless: VariantConfig = {
  name: 'AllTraffic',
  group: 'digits',
  version: 1,
  weight: 1,
  instanceCount: 0,
  instanceType: 'local.1',
  functions: functionsDefault,
};
const endpoint: EndpointConfig = {
  name: 'prod',
  variants: [serverless],
  objective: { percentile: 95, latencyMs: 50 },
  late: 'serve',
  timeoutMs: 60_000,
};

function check(functions: Partial<FunctionsConfig>, change: Partial<EndpointConfig> = {}, variant: Partial<VariantConfig> = {}): void {
  const variants = [{ ...serverless, functions: { ...functionsDefault, ...functions }, ...variant }];
  checkConfig({ ...endpoint, variants, ...change }, defaultPrices.functions.memoryMiB);
}

const fixed = (batchSizeMax: unknown, waitMsMax: unknown): BatchPolicy => ({ kind: 'fixed', batchSizeMax, waitMsMax }) as BatchPolicy;

describe('a serverless variant', () => {
  test('can be deployed with the default functions, with and without an objective', () => {
    check({});
    check({}, { objective: null });
  });

  test('has a memory size of the price table, or a whole number of GiB up to six', () => {
    for (const memoryMiB of [128, 1769, 10_240, 1024, 2048, 3072, 4096, 5120, 6144]) check({ memoryMiB });
    const listed = [512, 1000];
    const withSize = (memoryMiB: number) => ({ ...endpoint, variants: [{ ...serverless, functions: { ...functionsDefault, memoryMiB } }] });
    checkConfig(withSize(1000), listed);
    checkConfig(withSize(6144), listed);
    assert.throws(() => checkConfig(withSize(1769), listed), /auto or one of 512, 1000, 1024, 2048, 3072, 4096, 5120, 6144$/);
  });

  test('accepts every batching; fixed batching and none require no objective', () => {
    for (const kind of ['slack', 'batch', 'batch-paper', 'none'] as const) check({ batching: { kind } });
    for (const batching of [fixed(8, 20), { kind: 'none' }] as const) check({ batching }, { objective: null });
  });

  for (const [what, functions, message] of [
    ['an unlisted memory size', { memoryMiB: 1000 }, /variant AllTraffic: functions have no memory size of 1000 MiB: choose auto or/],
    ['a memory size that is not a number', { memoryMiB: Number.NaN }, /memory size of NaN/],
    ['a max concurrency of 0', { maxConcurrency: 0 }, /expected a max concurrency of at least 1, got 0.*unload it/],
    ['a fractional max concurrency', { maxConcurrency: 1.5 }, /whole number from 1 to 1000, got 1\.5/],
    ['a max concurrency above the limit', { maxConcurrency: 1001 }, /got 1001/],
    ['more provisioned than the max concurrency', { maxConcurrency: 3, provisioned: 4 }, /from 0 to the max concurrency of 3, got 4/],
    ['a negative number of provisioned functions', { provisioned: -1 }, /got -1/],
    ['a keep-alive above one hour', { keepAliveMs: 3_600_001 }, /at most one hour, got 3600001ms/],
    ['a keep-alive below zero', { keepAliveMs: -1 }, /got -1/],
    ['an unknown batching', { batching: { kind: 'magic' } }, /one of slack, batch, batch-paper, fixed, none, got 'magic'/],
    ['fixed batching without rows', { batching: fixed(undefined, 20) }, /needs the rows of a full batch.*got nothing/],
    ['fixed batching without a wait', { batching: fixed(8, undefined) }, /needs the longest wait.*got nothing/],
    ['a wait as long as the timeout', { batching: fixed(8, 60_000) }, /less than the timeout of 60s, got 60s/],
  ] as const) {
    test(`rejects ${what}`, () => {
      assert.throws(() => check(functions as Partial<FunctionsConfig>), { code: 'invalid_request', message });
    });
  }

  for (const kind of ['batch', 'batch-paper'] as const) {
    test(`rejects batching '${kind}' without an objective, and names the alternatives`, () => {
      const expected = { code: 'invalid_request', message: /requires an objective.*p95<=50ms.*'slack', 'fixed' or 'none'/ };
      assert.throws(() => check({ batching: { kind } }, { objective: null }), expected);
    });
  }

  test('has no instance type and no budget', () => {
    assert.throws(() => check({ usdPerHourMax: 1 }), { message: /a functions budget requires instances/ });
    assert.throws(() => check({}, {}, { instanceType: 'c5.large' }), {
      message: /a memory size, not an instance type: leave out c5\.large/,
    });
  });

  test('may also have instances of any type, and then a functions budget', () => {
    check({}, {}, { instanceCount: 2, instanceType: 'c5.large' });
    check({ usdPerHourMax: 0.5 }, {}, { instanceCount: 1 });
    for (const usdPerHourMax of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => check({ usdPerHourMax }, {}, { instanceCount: 1 }), { message: /overflow budget: expected US dollars/ });
    }
    assert.throws(() => check({}, {}, { instanceCount: 65 }), { message: /the instance count: expected 1 to 64, got 65/ });
  });

  test('is the only kind that may have no instances', () => {
    const { functions: _none, ...bare } = serverless;
    const config = { ...endpoint, variants: [bare] };
    assert.throws(() => checkConfig(config, []), { message: /expected at least 1 instance, got 0: add functions/ });
  });
});

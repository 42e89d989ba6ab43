import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultPrices } from '../costs/index.ts';
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
  test('needs nothing but functions: the defaults can be deployed, with and without an objective', () => {
    check({});
    check({}, { objective: null });
  });

  test('has a memory size of the price list, or a whole number of GiB up to six', () => {
    for (const memoryMiB of [128, 1769, 10_240, 1024, 2048, 3072, 4096, 5120, 6144]) check({ memoryMiB });
    const listed = [512, 1000];
    const withSize = (memoryMiB: number) => ({ ...endpoint, variants: [{ ...serverless, functions: { ...functionsDefault, memoryMiB } }] });
    checkConfig(withSize(1000), listed);
    checkConfig(withSize(6144), listed);
    assert.throws(() => checkConfig(withSize(1769), listed), /auto or one of 512, 1000, 1024, 2048, 3072, 4096, 5120, 6144$/);
  });

  test('batches as it was told; fixed batching and none need no objective', () => {
    for (const kind of ['slack', 'batch', 'batch-paper', 'none'] as const) check({ batching: { kind } });
    for (const batching of [fixed(8, 20), { kind: 'none' }] as const) check({ batching }, { objective: null });
  });

  for (const [what, functions, message] of [
    ['a memory size there is not', { memoryMiB: 1000 }, /variant AllTraffic: functions have no memory size of 1000 MiB: choose auto or/],
    ['a memory size that is no number', { memoryMiB: Number.NaN }, /memory size of NaN/],
    ['no concurrency', { maxConcurrency: 0 }, /max concurrency of 0 could serve nobody.*unload it/],
    ['a fraction of concurrency', { maxConcurrency: 1.5 }, /whole number from 1 to 1000, got 1\.5/],
    ['too much concurrency', { maxConcurrency: 1001 }, /got 1001/],
    ['more provisioned than may run', { maxConcurrency: 3, provisioned: 4 }, /from 0 to the max concurrency, which is 3, got 4/],
    ['fewer provisioned than none', { provisioned: -1 }, /got -1/],
    ['a keep-alive beyond an hour', { keepAliveMs: 3_600_001 }, /at most an hour, got 3600001ms/],
    ['a keep-alive below zero', { keepAliveMs: -1 }, /got -1/],
    ['batching that nobody knows', { batching: { kind: 'magic' } }, /one of slack, batch, batch-paper, fixed, none, got 'magic'/],
    ['fixed batching without its rows', { batching: fixed(undefined, 20) }, /needs the rows of a full batch.*got nothing/],
    ['fixed batching without its wait', { batching: fixed(8, undefined) }, /needs the longest wait.*got nothing/],
    ['a wait that outlasts the timeout', { batching: fixed(8, 60_000) }, /less than the timeout of 60s, got 60s/],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => check(functions as Partial<FunctionsConfig>), { code: 'invalid_request', message });
    });
  }

  for (const kind of ['batch', 'batch-paper'] as const) {
    test(`refuses batching '${kind}' without an objective, and says what to do`, () => {
      const expected = { code: 'invalid_request', message: /chooses by the objective.*p95<=50ms.*'slack', 'fixed' or 'none'/ };
      assert.throws(() => check({ batching: { kind } }, { objective: null }), expected);
    });
  }

  test('has no instance type, and no budget after which nobody could serve', () => {
    assert.throws(() => check({ usdPerHourMax: 1 }), { message: /a budget is for functions beside instances/ });
    assert.throws(() => check({}, {}, { instanceType: 'c5.large' }), {
      message: /a memory size and no instance type: leave out c5\.large/,
    });
  });

  test('may have instances too, of any type, and its functions a budget then', () => {
    check({}, {}, { instanceCount: 2, instanceType: 'c5.large' });
    check({ usdPerHourMax: 0.5 }, {}, { instanceCount: 1 });
    for (const usdPerHourMax of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => check({ usdPerHourMax }, {}, { instanceCount: 1 }), { message: /overflow budget is a number of US dollars/ });
    }
    assert.throws(() => check({}, {}, { instanceCount: 65 }), { message: /the instance count is 1 to 64, got 65/ });
  });

  test('is the only kind that may have none', () => {
    const { functions: _none, ...bare } = serverless;
    const config = { ...endpoint, variants: [bare] };
    assert.throws(() => checkConfig(config, []), { message: /0 instances could serve nobody: give it functions/ });
  });
});

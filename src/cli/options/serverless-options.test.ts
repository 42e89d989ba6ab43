import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { VariantBody } from '../../api/index.ts';
import { batchingText, functionSettingText, rangeText, readyText, typeText } from '../output/format-variant.ts';
import {
  capacityBodyFrom,
  checkFunctionOptions,
  checkServerlessOptions,
  removedSettingsText,
  type ServerlessOptions,
} from './serverless-options.ts';

const functions = { memory_mib: 2048, max_concurrency: 10, provisioned: 1, keep_alive_ms: 60_000, batching: 'fixed' } as const;
const fixed = { ...functions, batch_size_max: 8, wait_ms_max: 20 };
const instances = { instance_count: 3, instance_type: 'c5.large', functions: null } as VariantBody;
const counted = { instance_count: 3, instance_type: 'c5.large' };
const hybrid = { ...counted, functions: fixed } as unknown as VariantBody;
const serverless = { instance_count: 0, instance_type: 'local.1', functions: fixed } as unknown as VariantBody;

describe('the options of a serverless endpoint', () => {
  for (const [provided, message] of [
    [{ memory: 2048 }, /^--memory needs functions.*add --serverless or --overflow functions, or remove --memory/],
    [{ keepAlive: 1000 }, /^--keep-alive needs functions/],
    [{ serverless: true, overflow: 'functions' }, /no instances to overflow from/],
    [{ overflowBudget: 1 }, /^--overflow-budget needs both instances and functions/],
    [{ overflow: 'none', maxConcurrency: 3 }, /^--max-concurrency needs functions/],
    [{ overflow: 'functions', batching: 'fixed' }, /needs both/],
    [{ serverless: true, instances: 2 }, /no instances: remove --instances; --provisioned keeps functions warm/],
    [{ serverless: true, instanceType: 'c5.large' }, /remove --instance-type; --memory sets the size/],
    [{ serverless: true, batching: 'fixed', batchSize: 8 }, /needs both --batch-size ROWS and --max-wait DURATION/],
    [{ serverless: true, batching: 'slack', maxWait: 8 }, /^--max-wait is only valid with --batching fixed/],
    [{ serverless: true, batchSize: 8, maxWait: 8 }, /^--batch-size is only valid with --batching fixed/],
  ] as const) {
    test(`reject ${JSON.stringify(provided)}`, () => {
      assert.throws(
        () => {
          checkServerlessOptions(provided);
          checkFunctionOptions(provided, undefined);
        },
        { exitCode: 2, message },
      );
    });
  }

  for (const [provided, before, message] of [
    [{ keepAlive: 2000 }, instances, /^--keep-alive needs functions, which this endpoint would not have/],
    [{ keepAlive: 2000, instances: 2 }, serverless, /^--keep-alive needs functions, which this endpoint would not have/],
    [{ keepAlive: 2000, overflow: 'none' }, hybrid, /^--keep-alive needs functions, which this endpoint would not have/],
    [{ overflowBudget: 1 }, serverless, /^--overflow-budget needs both instances and functions/],
    [{ batching: 'fixed', batchSize: 4 }, serverless, /needs both --batch-size ROWS and --max-wait DURATION/],
  ] as const) {
    test(`reject ${JSON.stringify(provided)} for an existing endpoint`, () => {
      assert.throws(() => checkFunctionOptions(provided, before), { exitCode: 2, message });
    });
  }

  const cases: { when: string; options: ServerlessOptions; before?: VariantBody; requested: object }[] = [
    { when: 'no options, new endpoint: leaves everything to the server', options: {}, requested: {} },
    {
      when: 'new serverless endpoint: leaves the rest to the server',
      options: { serverless: true },
      requested: { instance_count: 0, functions: {} },
    },
    {
      when: 'all options: sends all of them',
      options: {
        serverless: true,
        memory: 'auto',
        maxConcurrency: 3,
        provisioned: 0,
        keepAlive: 500,
        batching: 'fixed',
        batchSize: 4,
        maxWait: 5,
      },
      requested: {
        instance_count: 0,
        functions: {
          memory_mib: 'auto',
          max_concurrency: 3,
          provisioned: 0,
          keep_alive_ms: 500,
          batching: 'fixed',
          batch_size_max: 4,
          wait_ms_max: 5,
        },
      },
    },
    { when: 'new version of a serverless endpoint: omits everything, so all stays', options: {}, before: serverless, requested: {} },
    {
      when: 'one change of a serverless endpoint: sends only that',
      options: { serverless: true, memory: 4096 },
      before: serverless,
      requested: { instance_count: 0, functions: { memory_mib: 4096 } },
    },
    {
      when: 'a change of functions: works without repeating --serverless',
      options: { keepAlive: 2000, batchSize: 4 },
      before: serverless,
      requested: { functions: { keep_alive_ms: 2000, batch_size_max: 4 } },
    },
    {
      when: 'a change of overflow functions: the instances stay',
      options: { provisioned: 0, overflowBudget: 2 },
      before: hybrid,
      requested: { functions: { provisioned: 0, usd_per_hour_max: 2 } },
    },
    {
      when: 'the batching changes',
      options: { serverless: true, batching: 'slack' },
      before: serverless,
      requested: { instance_count: 0, functions: { batching: 'slack' } },
    },
    {
      when: 'serverless becomes instances',
      options: { instances: 2 },
      before: serverless,
      requested: { instance_count: 2, functions: null },
    },
    {
      when: 'instances become serverless',
      options: { serverless: true },
      before: instances,
      requested: { instance_count: 0, functions: {} },
    },
    {
      when: 'new endpoint with overflow: has one instance',
      options: { overflow: 'functions' },
      requested: { instance_count: 1, functions: {} },
    },
    {
      when: 'instances gain overflow: they stay',
      options: { overflow: 'functions', overflowBudget: 0.5, memory: 2048 },
      before: instances,
      requested: { functions: { memory_mib: 2048, usd_per_hour_max: 0.5 } },
    },
    { when: 'new version of an endpoint with both: sends neither', options: {}, before: hybrid, requested: {} },
    {
      when: 'more instances of an endpoint with both: omits the functions',
      options: { instances: 4 },
      before: hybrid,
      requested: { instance_count: 4 },
    },
    {
      when: 'overflow is turned off: removes the functions',
      options: { overflow: 'none' },
      before: hybrid,
      requested: { functions: null },
    },
    {
      when: 'both become serverless',
      options: { serverless: true },
      before: hybrid,
      requested: { instance_count: 0, functions: {} },
    },
    {
      when: 'one change of instances: sends only that',
      options: { instances: 2 },
      before: instances,
      requested: { instance_count: 2 },
    },
  ];
  for (const { when, options, before, requested } of cases) {
    test(when, () => {
      checkServerlessOptions(options);
      checkFunctionOptions(options, before);
      assert.deepEqual(capacityBodyFrom(options, before), requested);
    });
  }
});

test('prints the settings that are lost with functions, as options', () => {
  const budgeted = { ...hybrid, functions: { ...fixed, usd_per_hour_max: 1 } };
  const again = '--memory 2048 --provisioned 1 --batching fixed --batch-size 8 --max-wait 20ms --overflow-budget 1';
  assert.equal(
    removedSettingsText({ overflow: 'none' }, budgeted),
    `removing the functions also removes their settings; to restore them later, use: ${again}`,
  );
  assert.match(removedSettingsText({ instances: 2 }, serverless) ?? '', /--memory 2048/);
  const plain = { memory_mib: 'auto', max_concurrency: 10, provisioned: 0, keep_alive_ms: 60_000, batching: 'slack' } as const;
  for (const [options, before] of [
    [{ overflow: 'none' }, { ...hybrid, functions: plain }],
    [{ memory: 1024 }, hybrid],
    [{ instances: 2 }, instances],
    [{}, undefined],
  ] as const) {
    assert.equal(removedSettingsText(options, before), null);
  }
});

describe('the text of a variant', () => {
  const setting = { memory_mib: 1024, batch_size_max: 8, wait_ms_max: null, decision_id: null };
  const environments = { starting: 1, idle: 0, busy: 2, cold_start_ms: null };
  const variant = { functions: fixed, setting, environments, ready: 2, instance_count: 0, instance_type: 'local.1' };

  test('shows its ready instances, or its functions by state', () => {
    assert.equal(readyText({ ...variant, functions: null, instance_count: 3 }), '2/3');
    assert.equal(readyText(variant), '2 busy, 1 starting');
    assert.equal(readyText({ ...variant, environments: { ...environments, starting: 0, busy: 0 } }), 'none');
    assert.equal(readyText({ ...variant, environments: null }), 'none');
  });

  test('shows both if it has both', () => {
    assert.equal(readyText({ ...variant, instance_count: 2 }), '2/2 + 2 busy, 1 starting');
    assert.equal(typeText({ ...variant, instance_count: 2 }), 'local.1 + function 2048 MiB');
    assert.equal(rangeText({ ...fixed, usd_per_hour_max: 0.5 }), '1 to 10, 1 kept warm, idle ones kept for 60 s, at most $0.5 per hour');
  });

  test('shows its size, and the chosen size for auto', () => {
    assert.equal(typeText({ ...variant, functions: null }), 'local.1');
    assert.equal(typeText(variant), 'function 2048 MiB');
    assert.equal(typeText({ ...variant, functions: { ...fixed, memory_mib: 'auto' } }), 'function auto (1024 MiB)');
    assert.equal(typeText({ ...variant, functions: { ...fixed, memory_mib: 'auto' }, setting: null }), 'function auto');
  });

  test('shows the bounds of its functions and their batching', () => {
    assert.equal(rangeText(fixed), '1 to 10, 1 kept warm, idle ones kept for 60 s');
    assert.equal(rangeText({ ...fixed, provisioned: 0, keep_alive_ms: 500 }), '0 to 10, idle ones kept for 500 ms');
    assert.equal(batchingText(fixed), 'fixed: 8 rows or 20 ms');
    assert.equal(batchingText({ ...functions, batching: 'slack' }), 'slack');
    assert.equal(functionSettingText(setting), '1024 MiB, 8 rows, waits as long as deadlines allow');
    assert.equal(functionSettingText({ ...setting, wait_ms_max: 20 }), '1024 MiB, 8 rows, waits 20 ms');
    assert.equal(functionSettingText({ ...setting, batch_size_max: 1 }), '1024 MiB, each request alone');
  });
});

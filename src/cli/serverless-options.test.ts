import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { VariantBody } from '../api/index.ts';
import {
  capacityOf,
  checkFunctionsWanted,
  checkServerlessOptions,
  lostWithFunctions,
  type ServerlessOptions,
} from './serverless-options.ts';
import { batchingText, rangeText, readyText, settingText, typeText } from './variant-words.ts';

const functions = { memory_mib: 2048, max_concurrency: 10, provisioned: 1, keep_alive_ms: 60_000, batching: 'fixed' } as const;
const fixed = { ...functions, batch_size_max: 8, wait_ms_max: 20 };
const instances = { instance_count: 3, instance_type: 'c5.large', functions: null } as VariantBody;
const counted = { instance_count: 3, instance_type: 'c5.large' };
const hybrid = { ...counted, functions: fixed } as unknown as VariantBody;
const serverless = { instance_count: 0, instance_type: 'local.1', functions: fixed } as unknown as VariantBody;

describe('the options of a serverless endpoint', () => {
  for (const [given, message] of [
    [{ memory: 2048 }, /^--memory is for functions.*add --serverless, or --overflow functions, or leave out --memory/],
    [{ keepAlive: 1000 }, /^--keep-alive is for functions/],
    [{ serverless: true, overflow: 'functions' }, /nothing that could overflow/],
    [{ overflowBudget: 1 }, /^--overflow-budget is for functions beside instances/],
    [{ overflow: 'none', maxConcurrency: 3 }, /^--max-concurrency is for functions/],
    [{ overflow: 'functions', batching: 'fixed' }, /needs both/],
    [{ serverless: true, instances: 2 }, /no instances: leave out --instances; --provisioned keeps functions warm/],
    [{ serverless: true, instanceType: 'c5.large' }, /leave out --instance-type; --memory says how large/],
    [{ serverless: true, batching: 'fixed', batchSize: 8 }, /needs both --batch-size ROWS and --max-wait DURATION/],
    [{ serverless: true, batching: 'slack', maxWait: 8 }, /^--max-wait is for --batching fixed/],
    [{ serverless: true, batchSize: 8, maxWait: 8 }, /^--batch-size is for --batching fixed/],
  ] as const) {
    test(`refuse ${JSON.stringify(given)}`, () => {
      assert.throws(
        () => {
          checkServerlessOptions(given);
          checkFunctionsWanted(given, undefined);
        },
        { exitCode: 2, message },
      );
    });
  }

  for (const [given, before, message] of [
    [{ keepAlive: 2000 }, instances, /^--keep-alive is for functions, which this endpoint would not have/],
    [{ keepAlive: 2000, instances: 2 }, serverless, /^--keep-alive is for functions, which this endpoint would not have/],
    [{ keepAlive: 2000, overflow: 'none' }, hybrid, /^--keep-alive is for functions, which this endpoint would not have/],
    [{ overflowBudget: 1 }, serverless, /^--overflow-budget is for functions beside instances/],
    [{ batching: 'fixed', batchSize: 4 }, serverless, /needs both --batch-size ROWS and --max-wait DURATION/],
  ] as const) {
    test(`refuse ${JSON.stringify(given)} for one that is there`, () => {
      assert.throws(() => checkFunctionsWanted(given, before), { exitCode: 2, message });
    });
  }

  const cases: { when: string; options: ServerlessOptions; before?: VariantBody; asked: object }[] = [
    { when: 'nothing is said of a new endpoint: leaves it to the server', options: {}, asked: {} },
    { when: 'a new one is serverless: leaves the rest to the server', options: { serverless: true }, asked: { functions: {} } },
    {
      when: 'everything is said: asks for it',
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
      asked: {
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
    { when: 'a new version of a serverless one: keeps its functions', options: {}, before: serverless, asked: { functions: fixed } },
    {
      when: 'one thing of a serverless one changes: keeps the rest, and the batching whole',
      options: { serverless: true, memory: 4096 },
      before: serverless,
      asked: { functions: { ...fixed, memory_mib: 4096 } },
    },
    {
      when: 'one thing of its functions changes: needs not say again that there are functions',
      options: { keepAlive: 2000, batchSize: 4 },
      before: serverless,
      asked: { functions: { ...fixed, keep_alive_ms: 2000, batch_size_max: 4 } },
    },
    {
      when: 'the functions beside instances change: the instances stay',
      options: { provisioned: 0, overflowBudget: 2 },
      before: hybrid,
      asked: { ...counted, functions: { ...fixed, provisioned: 0, usd_per_hour_max: 2 } },
    },
    {
      when: 'the batching changes: forgets the rows and the wait of before',
      options: { serverless: true, batching: 'slack' },
      before: serverless,
      asked: { functions: { ...functions, batching: 'slack' } },
    },
    { when: 'a serverless one is to have instances', options: { instances: 2 }, before: serverless, asked: { instance_count: 2 } },
    { when: 'instances are to be serverless', options: { serverless: true }, before: instances, asked: { functions: {} } },
    { when: 'a new one overflows: has one instance', options: { overflow: 'functions' }, asked: { instance_count: 1, functions: {} } },
    {
      when: 'instances are to overflow: stay, and get functions',
      options: { overflow: 'functions', overflowBudget: 0.5, memory: 2048 },
      before: instances,
      asked: { instance_count: 3, instance_type: 'c5.large', functions: { memory_mib: 2048, usd_per_hour_max: 0.5 } },
    },
    { when: 'a new version of both: keeps both', options: {}, before: hybrid, asked: { ...counted, functions: fixed } },
    {
      when: 'more instances of both: keeps the functions',
      options: { instances: 4 },
      before: hybrid,
      asked: { ...counted, instance_count: 4, functions: fixed },
    },
    { when: 'both are to overflow no more: keeps the instances', options: { overflow: 'none' }, before: hybrid, asked: counted },
    {
      when: 'both are to be serverless: there is no budget any more',
      options: { serverless: true },
      before: { ...hybrid, functions: { ...fixed, usd_per_hour_max: 1 } },
      asked: { functions: fixed },
    },
    {
      when: 'one thing of instances changes: keeps the rest',
      options: { instances: 2 },
      before: instances,
      asked: { instance_count: 2, instance_type: 'c5.large' },
    },
  ];
  for (const { when, options, before, asked } of cases) {
    test(when, () => {
      checkServerlessOptions(options);
      checkFunctionsWanted(options, before);
      assert.deepEqual(capacityOf(options, before), asked);
    });
  }
});

test('settings that go with functions are said, as they are asked for again', () => {
  const budgeted = { ...hybrid, functions: { ...fixed, usd_per_hour_max: 1 } };
  const again = '--memory 2048 --provisioned 1 --batching fixed --batch-size 8 --max-wait 20ms --overflow-budget 1';
  assert.equal(
    lostWithFunctions({ overflow: 'none' }, budgeted),
    `the settings of its functions go with them; to have them back, say them again: ${again}`,
  );
  assert.match(lostWithFunctions({ instances: 2 }, serverless) ?? '', /--memory 2048/);
  const plain = { memory_mib: 'auto', max_concurrency: 10, provisioned: 0, keep_alive_ms: 60_000, batching: 'slack' } as const;
  for (const [options, before] of [
    [{ overflow: 'none' }, { ...hybrid, functions: plain }],
    [{ memory: 1024 }, hybrid],
    [{ instances: 2 }, instances],
    [{}, undefined],
  ] as const) {
    assert.equal(lostWithFunctions(options, before), null);
  }
});

describe('a variant, in words', () => {
  const setting = { memory_mib: 1024, batch_size_max: 8, wait_ms_max: null, decision_id: null };
  const environments = { starting: 1, idle: 0, busy: 2, cold_start_ms: null };
  const variant = { functions: fixed, setting, environments, ready: 2, instance_count: 0, instance_type: 'local.1' };

  test('is so many of its instances, or what its functions do', () => {
    assert.equal(readyText({ ...variant, functions: null, instance_count: 3 }), '2/3');
    assert.equal(readyText(variant), '2 busy, 1 starting');
    assert.equal(readyText({ ...variant, environments: { ...environments, starting: 0, busy: 0 } }), 'none');
    assert.equal(readyText({ ...variant, environments: null }), 'none');
  });

  test('is both of those where it has both', () => {
    assert.equal(readyText({ ...variant, instance_count: 2 }), '2/2 + 2 busy, 1 starting');
    assert.equal(typeText({ ...variant, instance_count: 2 }), 'local.1 + function 2048 MiB');
    assert.equal(rangeText({ ...fixed, usd_per_hour_max: 0.5 }), '1 to 10, 1 kept warm, idle ones for 60 s, for at most $0.5 per hour');
  });

  test('has a size, which for auto is the one in force', () => {
    assert.equal(typeText({ ...variant, functions: null }), 'local.1');
    assert.equal(typeText(variant), 'function 2048 MiB');
    assert.equal(typeText({ ...variant, functions: { ...fixed, memory_mib: 'auto' } }), 'function auto (1024 MiB)');
    assert.equal(typeText({ ...variant, functions: { ...fixed, memory_mib: 'auto' }, setting: null }), 'function auto');
  });

  test('says how many functions there may be, and how they batch', () => {
    assert.equal(rangeText(fixed), '1 to 10, 1 kept warm, idle ones for 60 s');
    assert.equal(rangeText({ ...fixed, provisioned: 0, keep_alive_ms: 500 }), '0 to 10, idle ones for 500 ms');
    assert.equal(batchingText(fixed), 'fixed: 8 rows or 20 ms');
    assert.equal(batchingText({ ...functions, batching: 'slack' }), 'slack');
    assert.equal(settingText(setting), '1024 MiB, 8 rows, waits as its deadlines allow');
    assert.equal(settingText({ ...setting, wait_ms_max: 20 }), '1024 MiB, 8 rows, waits 20 ms');
    assert.equal(settingText({ ...setting, batch_size_max: 1 }), '1024 MiB, each request alone');
  });
});

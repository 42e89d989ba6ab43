import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MixtureBody } from '../../../../src/api/index.ts';
import { formatPayment } from './format-plan.ts';

const functions = { memory_mib: 512, batch_size_max: 1, wait_ms_max: 0, concurrency_max: 2 };

for (const { of, mixture, keepOne, expected } of [
  {
    of: 'instances alone',
    mixture: { instances: 1, functions: null },
    keepOne: false,
    expected: /^Instances are billed by the hour, even without traffic: /,
  },
  {
    of: 'instances and functions',
    mixture: { instances: 1, functions },
    keepOne: true,
    expected: /^Instances are billed by the hour, functions by use: /,
  },
  { of: 'functions alone', mixture: { instances: 0, functions }, keepOne: false, expected: /^Billed by use: / },
  {
    of: 'functions, one of them warm',
    mixture: { instances: 0, functions },
    keepOne: true,
    expected: /^The warm function is billed by the hour, the others by use: /,
  },
]) {
  test(`explains how ${of} are billed`, () => {
    const text = formatPayment({ ...mixture, usd_per_hour: 0.0425 } as unknown as MixtureBody, keepOne);
    assert.match(text, expected);
    assert.match(text, /: about \$31\.03 per month at this traffic\.$/);
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MixtureBody } from '../../../../src/api/index.ts';
import { payWords } from './plan-words.ts';

const functions = { memory_mib: 512, batch_size_max: 1, wait_ms_max: 0, concurrency_max: 2 };

for (const { of, mixture, keepOne, words } of [
  {
    of: 'instances alone',
    mixture: { instances: 1, functions: null },
    keepOne: false,
    words: /^Instances are paid for by the hour, whether requests come or not: /,
  },
  {
    of: 'instances and functions',
    mixture: { instances: 1, functions },
    keepOne: true,
    words: /^Instances are paid for by the hour, functions by use: /,
  },
  { of: 'functions alone', mixture: { instances: 0, functions }, keepOne: false, words: /^You pay for use: / },
  {
    of: 'functions, one of them warm',
    mixture: { instances: 0, functions },
    keepOne: true,
    words: /^The one that stays warm is paid for by the hour, functions by use: /,
  },
]) {
  test(`says by what ${of} are paid for`, () => {
    const said = payWords({ ...mixture, usd_per_hour: 0.0425 } as unknown as MixtureBody, keepOne);
    assert.match(said, words);
    assert.match(said, /: at this traffic about \$31\.03 a month\.$/);
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemWords } from './problem-words.ts';

for (const [keyword, params, given, words] of [
  ['too_small', { origin: 'number', minimum: 1, inclusive: true }, { a: '0' }, 'expected at least 1, got 0'],
  ['too_big', { origin: 'number', maximum: 9, inclusive: true }, { a: 10 }, 'expected at most 9, got 10'],
  ['too_small', { origin: 'number', minimum: 0, inclusive: false }, { a: 0 }, 'expected more than 0, got 0'],
  ['too_big', { origin: 'string', maximum: 3, inclusive: true }, { a: 'abcd' }, 'expected at most 3 characters, got 4'],
  ['too_small', { origin: 'array', minimum: 1, inclusive: true }, { a: [] }, 'expected at least 1 items, got 0'],
  ['too_small', { origin: 'number', minimum: 1, inclusive: true }, null, 'expected at least 1'],
  ['invalid_type', {}, { a: 'x' }, 'as zod says'],
] as const) {
  test(`${keyword} of ${JSON.stringify(given)}: ${words}`, () => {
    assert.equal(problemWords({ keyword, instancePath: '/a', message: 'as zod says', params }, given), words);
  });
}

for (const { known, words } of [
  { known: ['after', 'kind'], words: "'limit' is not known here: expected after, kind" },
  { known: [], words: "'limit' is not known here: nothing is expected" },
  { known: null, words: 'as zod says' },
]) {
  test(`a name that is not known where ${known === null ? 'nobody can tell which are' : `known are [${known.join(', ')}]`}: ${words}`, () => {
    const problem = { keyword: 'unrecognized_keys', instancePath: '/', message: 'as zod says', params: { keys: ['limit'] } };
    assert.equal(problemWords(problem, { limit: '5' }, known), words);
  });
}

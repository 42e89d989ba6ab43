import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem } from './format-problem.ts';

for (const [keyword, params, provided, text] of [
  ['too_small', { origin: 'number', minimum: 1, inclusive: true }, { a: '0' }, 'expected at least 1, got 0'],
  ['too_big', { origin: 'number', maximum: 9, inclusive: true }, { a: 10 }, 'expected at most 9, got 10'],
  ['too_small', { origin: 'number', minimum: 0, inclusive: false }, { a: 0 }, 'expected more than 0, got 0'],
  ['too_big', { origin: 'string', maximum: 3, inclusive: true }, { a: 'abcd' }, 'expected at most 3 characters, got 4'],
  ['too_small', { origin: 'array', minimum: 1, inclusive: true }, { a: [] }, 'expected at least 1 items, got 0'],
  ['too_small', { origin: 'number', minimum: 1, inclusive: true }, null, 'expected at least 1'],
  ['invalid_type', {}, { a: 'x' }, 'message of zod'],
] as const) {
  test(`${keyword} of ${JSON.stringify(provided)}: ${text}`, () => {
    assert.equal(formatProblem({ keyword, instancePath: '/a', message: 'message of zod', params }, provided), text);
  });
}

for (const { known, text } of [
  { known: ['after', 'kind'], text: "'limit' is not allowed: expected after, kind" },
  { known: [], text: "'limit' is not allowed: expected no members" },
  { known: null, text: 'message of zod' },
]) {
  test(`an unknown name with ${known === null ? 'unknown allowed names' : `the allowed names [${known.join(', ')}]`}: ${text}`, () => {
    const problem = { keyword: 'unrecognized_keys', instancePath: '/', message: 'message of zod', params: { keys: ['limit'] } };
    assert.equal(formatProblem(problem, { limit: '5' }, known), text);
  });
}

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withinCpuMs } from '../../../test/cpu-time.ts';
import { PlatformError } from '../../errors.ts';
import { compileFilter } from './filter-pattern.ts';

const line = JSON.stringify({
  level: 'error',
  status: 'model_failed',
  totalMs: 12.5,
  tags: ['a', 'b'],
  user: { id: 7, 'a.b': 'x' },
  gone: null,
  isLate: true,
  code: '404',
});

for (const [pattern, message, matches] of [
  ['', 'anything', true],
  ['ERROR', '[ERRORCODE 400]', true],
  ['error', 'ERROR', false],
  ['ERROR Exception', 'ERROR: an Exception', true],
  ['ERROR Exception', 'ERROR', false],
  ['"two words"', 'these two words', true],
  ['"two words"', 'two  words', false],
  ['"say \\"hi\\""', 'they say "hi"', true],
  ['ERROR -Exiting', 'Exiting: ERROR', false],
  ['ERROR -"not this"', 'ERROR: this', true],
  ['?WARN ?ERROR', 'a WARN', true],
  ['?WARN ?ERROR', 'INFO', false],
  ['?WARN ?ERROR -test', 'WARN test', false],
  ['INFO ?WARN', 'INFO only', true],
  ['3f2a-11', 'request 3f2a-11 failed', true],
  ['{ $.status = "model_failed" }', line, true],
  ['{ $.status = model* }', line, true],
  ['{ $.status = "*_fail*d" }', line, true],
  ['{ $.status = "*x*" }', line, false],
  ['{ $.status != "ok" }', line, true],
  ['{ $.absent != "ok" }', line, false],
  ['{ $.totalMs > 12 && $.totalMs <= 1.25e1 }', line, true],
  ['{ $.totalMs < 12 || ($.user.id = 7 && $.level = "error") }', line, true],
  ['{ $.totalMs < 12 || $.user.id = 8 && $.level = "error" }', line, false],
  ['{ $.tags[1] = "b" }', line, true],
  ['{ $.tags[*] = "b" }', line, true],
  ['{ $.tags[2] = "b" }', line, false],
  ['{ $.user["a.b"] = "x" }', line, true],
  ['{ $.gone IS NULL }', line, true],
  ['{ $.isLate IS TRUE }', line, true],
  ['{ $.isLate IS FALSE }', line, false],
  ['{ $.absent NOT EXISTS }', line, true],
  ['{ $.gone NOT EXISTS }', line, false],
  ['{ $.code = 404 }', line, true],
  ['{ $.constructor NOT EXISTS }', line, true],
  ['{ $.status = "x" }', 'no JSON', false],
  ['{ $.status = "x" }', '{"status":', false],
] as const) {
  test(`${pattern === '' ? 'nothing' : pattern} ${matches ? 'matches' : 'does not match'} ${message.slice(0, 30)}`, () => {
    assert.equal(compileFilter(pattern)(message), matches);
  });
}

for (const pattern of [
  '"open',
  '-',
  '?',
  '%re%',
  '[a, b]',
  '{',
  '{}',
  '{ $.a }',
  '{ $.a = }',
  '{ $.a > word }',
  '{ $ = 1 }',
  '{ $.a = 1 } more',
  '{ $.a = 1 && }',
  `{ ${'('.repeat(40)}$.a = 1${')'.repeat(40)} }`,
  'x'.repeat(1025),
]) {
  test(`rejects ${pattern.slice(0, 30)} with the reason`, () => {
    assert.throws(() => compileFilter(pattern), /^PlatformError: Invalid filter pattern: ./);
  });
}

describe('with arbitrary input', () => {
  test('compiles or rejects a pattern and matches a line quickly', () => {
    const piece = fc.oneof(
      fc.constantFrom('{', '}', '$', '.a', '"', '*', '(', ')', '&&', '||', '=', '!=', '-', '?', '[0]', ' '),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.string(), fc.json(), (pieces, text, json) => {
        let matches: ReturnType<typeof compileFilter>;
        try {
          matches = compileFilter(pieces.join('').slice(0, 1024));
        } catch (error) {
          return error instanceof PlatformError && error.code === 'invalid_request';
        }
        return [text, json].every((message) => typeof matches(message) === 'boolean');
      }),
    );
  });

  test('finds a phrase exactly if the text contains it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), fc.string(), (phrase, text) => {
        const quoted = `"${phrase.replaceAll(/["\\]/g, '\\$&')}"`;
        assert.equal(compileFilter(quoted)(text), text.includes(phrase));
        assert.equal(compileFilter(`-${quoted}`)(text), !text.includes(phrase));
        assert.equal(compileFilter(quoted)(text + phrase + text), true);
      }),
    );
  });

  test('matches stars exactly like a regular expression', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
    fc.assert(
      fc.property(letters, letters, (text, like) => {
        const expected = new RegExp(`^${like.replaceAll('*', '[^]*')}$`).test(text);
        assert.equal(compileFilter(`{ $.a = "${like}" }`)(JSON.stringify({ a: text })), expected);
      }),
    );
  });

  test('is fast on an adversarial line', () => {
    const message = JSON.stringify({ a: 'a'.repeat(200_000) });
    assert.equal(
      withinCpuMs(1000, () => compileFilter(`{ $.a = "${'a*'.repeat(400)}b" }`)(message)),
      false,
    );
  });

  test('does not parse a line of more lists than any log has', () => {
    const line = (lists: number): string => JSON.stringify({ a: 'x', b: Array.from({ length: lists }, () => []), c: 'y'.repeat(70_000) });
    const matches = compileFilter('{ $.a = "x" }');
    assert.deepEqual([line(1000), line(30_000)].map(matches), [true, false]);
  });
});

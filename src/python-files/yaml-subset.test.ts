import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readYaml, type YamlValue } from './yaml-subset.ts';

/** Maps as objects. */
function plain(value: YamlValue): unknown {
  if (value instanceof Map)
    return Object.fromEntries([...(value as ReadonlyMap<string, YamlValue>)].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? (value as readonly YamlValue[]).map(plain) : value;
}

describe('the YAML of MLflow', () => {
  for (const { what, text, value } of [
    { what: 'nothing', text: '# only a comment\n', value: null },
    { what: 'maps within maps', text: 'a:\n  b:\n    c: 1\n  d: null\ne: true\n', value: { a: { b: { c: 1 }, d: null }, e: true } },
    { what: 'a list at the indentation of its key', text: 'a:\n- x\n- y: 1\n  z: 2\nb: 2', value: { a: ['x', { y: 1, z: 2 }], b: 2 } },
    { what: 'a list deeper than its key', text: 'a:\n  - - 1\n    - 2\n  - 3', value: { a: [[1, 2], 3] } },
    { what: 'empty values', text: 'a: []\nb: {}\nc:\nd: ""', value: { a: [], b: {}, c: null, d: '' } },
    {
      what: 'folded texts',
      text: "a: 'it''s\n  one\n\n  two'\nb: one\n  two\nc: \"x\\\n  y\\n\\u00e9\"",
      value: { a: "it's one\ntwo", b: 'one two', c: 'xy\né' },
    },
    {
      what: 'texts that look like more',
      text: 'a: 1.2.3\nb: x:y # c\n"c: d": http://e\nf: 2.5',
      value: { a: '1.2.3', b: 'x:y', 'c: d': 'http://e', f: 2.5 },
    },
    { what: 'names of the prototype', text: '__proto__: 1', value: { ['__proto__']: 1 } },
    { what: 'the end of lines of Windows', text: '---\r\na: 1\r\nb:\r\n- 2\r\n', value: { a: 1, b: [2] } },
  ]) {
    test(`reads ${what}`, () => assert.deepEqual(plain(readYaml(text, 'MLmodel')), value));
  }

  for (const { what, text } of [
    { what: 'anchors', text: 'a: &x [1]' },
    { what: 'aliases', text: 'a: 1\nb: *a' },
    { what: 'tags', text: 'a: !!python/object:os.system x' },
    { what: 'flow style', text: 'a: {b: 1}' },
    { what: 'blocks of text', text: 'a: |\n  x' },
    { what: 'several documents', text: 'a: 1\n---\nb: 2' },
    { what: 'a key twice', text: 'a: 1\na: 2' },
    { what: 'an open quote', text: 'a: "x\nb: 1' },
    { what: 'wrong indentation', text: 'a: 1\n  b: 2' },
    { what: 'too much nesting', text: Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n') },
    { what: 'nested lists on a line', text: `${'- '.repeat(100_000)}a` },
    { what: 'an unknown escape', text: 'a: "\\q"' },
    { what: 'a character beyond Unicode', text: 'a: "\\U000FFFFF0"\nb: "\\U000fffff"\nc: \'\\\'\nd: "\\z"' },
    { what: 'text after a quote', text: 'a: "x" y' },
  ]) {
    test(`rejects ${what}`, () => {
      assert.throws(() => readYaml(text, 'MLmodel'), {
        code: 'invalid_request',
        message: /^MLmodel.* Only the YAML that MLflow writes is read$/,
      });
    });
  }

  test('takes time in proportion to the text', () => {
    for (const text of [
      '"'.repeat(1_000_000),
      `a: ${'" '.repeat(500_000)}`,
      `a${' '.repeat(1_000_000)}b`,
      'a: x\n'.padEnd(1_000_000, '\n'),
      `a: '${"''\n".repeat(300_000)}`,
    ]) {
      try {
        readYaml(text, 'MLmodel');
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid_request');
      }
    }
  });
});

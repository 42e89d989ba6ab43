import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePath, select } from './json-path.ts';

const record = { id: 7, features: [1, 2, 3, 4], nested: { 'a b': "it's", list: [{ x: 1 }, { x: 2 }] } };

for (const { path, is } of [
  { path: '$', is: record },
  { path: '$.id', is: 7 },
  { path: '$.features', is: [1, 2, 3, 4] },
  { path: "$['features'][0]", is: 1 },
  { path: '$.features[-1]', is: 4 },
  { path: '$.features[1,-1]', is: [2, 4] },
  { path: '$.features[1:3]', is: [2, 3] },
  { path: '$.features[:-1]', is: [1, 2, 3] },
  { path: '$.features[2:]', is: [3, 4] },
  { path: '$.features[*]', is: [1, 2, 3, 4] },
  { path: "$['id','features']", is: { id: 7, features: [1, 2, 3, 4] } },
  { path: "$.nested['a b']", is: "it's" },
  { path: '$.nested.list[*].x', is: [1, 2] },
  { path: '$.nested.list[0].*', is: [1] },
]) {
  test(`selects ${path}`, () => assert.deepEqual(select(parsePath(path), record), is));
}

for (const path of ['', 'id', '$..id', '$.', '$[', '$[?(@.x>1)]', '$[1:2:3]', "$['a", '$.a b', '$[a]', '$()', `$${'.a'.repeat(600)}`]) {
  test(`rejects '${path.slice(0, 20)}'`, () => assert.throws(() => parsePath(path), { code: 'invalid_request' }));
}

for (const path of ['$.none', '$.features[4]', '$.features[-5]', '$.id[0]', '$.id.*', "$['id','none']"]) {
  test(`${path} reports the missing part`, () =>
    assert.throws(() => select(parsePath(path), record), { code: 'invalid_request', message: /the filter selects/ }));
}

test('selects quoted names with any characters', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), (name) => {
      const quoted = name.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
      assert.equal(select(parsePath(`$['${quoted}']`), { [name]: 1, [`${name}x`]: 2 }), 1);
    }),
  );
});

test('slices and indices behave like those of arrays', () => {
  const whole = fc.integer({ min: -12, max: 12 });
  fc.assert(
    fc.property(fc.array(fc.integer(), { maxLength: 10 }), fc.option(whole), fc.option(whole), (list, from, to) => {
      assert.deepEqual(select(parsePath(`$[${from ?? ''}:${to ?? ''}]`), list), list.slice(from ?? 0, to ?? undefined));
      if (from !== null && list.at(from) !== undefined) assert.equal(select(parsePath(`$[${from}]`), list), list.at(from));
    }),
  );
});

test('parses or rejects any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('$', '.', '[', ']', "'", 'a', '1', '-', ',', ':', '*', ' ', '\\') }), (text) => {
      try {
        parsePath(`$${text}`);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid_request');
      }
    }),
  );
});

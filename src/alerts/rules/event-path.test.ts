import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePath } from './event-path.ts';

const event = { id: 'e1', resources: ['a', 'b'], detail: { 'order-id': 7, lines: [{ price: 1 }, { price: 2 }, {}] } };

for (const [path, found] of [
  ['$', event],
  ['$.id', 'e1'],
  ['$.detail.order-id', 7],
  ['$.resources[1]', 'b'],
  ['$.resources[*]', ['a', 'b']],
  ['$.detail.lines[*].price', [1, 2]],
  ['$.detail.nothing.there', undefined],
  ['$.constructor', undefined],
] as const) {
  test(`finds ${path}`, () => assert.deepEqual(compilePath(path)?.(event), found));
}

test('rejects invalid paths', () => {
  for (const text of ['', 'detail', '$detail', '$.', '$.a..b', '$.a[', "$['a']", '$.a b']) assert.equal(compilePath(text), null, text);
});

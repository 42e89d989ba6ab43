import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodiesOf } from './load-bodies.ts';

for (const { what, text, type, bodies } of [
  {
    what: 'a CSV with a header is a request for each row, each under the header',
    text: 'a,b\n1,2\n3,4\n',
    type: 'text/csv',
    bodies: ['a,b\n1,2\n', 'a,b\n3,4\n'],
  },
  { what: 'a CSV without one is a request for each row', text: '1,2\n3,4\n', type: 'text/csv', bodies: ['1,2\n', '3,4\n'] },
  { what: 'text in quotes stays in them', text: 'text\n"a, b"\n', type: 'text/csv', bodies: ['text\n"a, b"\n'] },
  {
    what: 'instances are a request each',
    text: '{"instances": [[1], [2]]}',
    type: 'application/json',
    bodies: ['{"instances":[[1]]}', '{"instances":[[2]]}'],
  },
  {
    what: 'a list is one of instances',
    text: '[[1], [2]]',
    type: 'application/json',
    bodies: ['{"instances":[[1]]}', '{"instances":[[2]]}'],
  },
  { what: 'tensors are sent as they are', text: '{"inputs": []}', type: 'application/json', bodies: ['{"inputs": []}'] },
]) {
  test(what, () => assert.deepEqual(bodiesOf(text, type), { contentType: type, bodies, rowsCount: bodies.length }));
}

test('of many rows the first 10,000 are sent, and it is known how many there are', () => {
  const { bodies, rowsCount } = bodiesOf('1,2\n'.repeat(10_001), 'text/csv');
  assert.deepEqual([bodies.length, rowsCount], [10_000, 10_001]);
});

for (const [text, type, says] of [
  ['', 'text/csv', /no rows to send/],
  ['{', 'application/json', /no JSON/],
  ['x', 'application/x-npy', /CSV or JSON, not application\/x-npy/],
] as const) {
  test(`'${text}' of ${type} is refused with what was expected`, () => assert.throws(() => bodiesOf(text, type), says));
}

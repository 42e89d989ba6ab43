import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodiesOf } from './load-bodies.ts';

for (const { what, text, type, bodies } of [
  {
    what: 'a CSV with a header becomes a request for each row, each with the header',
    text: 'a,b\n1,2\n3,4\n',
    type: 'text/csv',
    bodies: ['a,b\n1,2\n', 'a,b\n3,4\n'],
  },
  { what: 'a CSV without a header becomes a request for each row', text: '1,2\n3,4\n', type: 'text/csv', bodies: ['1,2\n', '3,4\n'] },
  { what: 'quoted text stays quoted', text: 'text\n"a, b"\n', type: 'text/csv', bodies: ['text\n"a, b"\n'] },
  {
    what: 'each instance becomes a request',
    text: '{"instances": [[1], [2]]}',
    type: 'application/json',
    bodies: ['{"instances":[[1]]}', '{"instances":[[2]]}'],
  },
  {
    what: 'a list is read as instances',
    text: '[[1], [2]]',
    type: 'application/json',
    bodies: ['{"instances":[[1]]}', '{"instances":[[2]]}'],
  },
  { what: 'tensors are sent unchanged', text: '{"inputs": []}', type: 'application/json', bodies: ['{"inputs": []}'] },
]) {
  test(what, () => assert.deepEqual(bodiesOf(text, type), { contentType: type, bodies, rowsCount: bodies.length }));
}

test('sends the first 10,000 of many rows, and reports their total number', () => {
  const { bodies, rowsCount } = bodiesOf('1,2\n'.repeat(10_001), 'text/csv');
  assert.deepEqual([bodies.length, rowsCount], [10_000, 10_001]);
});

for (const [text, type, says] of [
  ['', 'text/csv', /no rows to send/],
  ['{', 'application/json', /not valid JSON/],
  ['x', 'application/x-npy', /expected CSV or JSON, got application\/x-npy/],
] as const) {
  test(`rejects '${text}' of ${type} and says what was expected`, () => assert.throws(() => bodiesOf(text, type), says));
}

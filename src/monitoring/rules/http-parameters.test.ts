import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHttpParameters, resolveParameters } from './http-parameters.ts';

test('values may stand in the event; what does not is left away, and none adds a header of its own', () => {
  const event = { id: 'e1', detail: { total: 700, evil: 'a\r\nX-Other: 1' } };
  const given = {
    headers: { 'X-Total': '$.detail.total', 'X-Evil': '$.detail.evil', 'X-No': '$.detail.no' },
    query: { id: '$.id', fixed: 'a b' },
  };
  checkHttpParameters(given);
  assert.deepEqual(resolveParameters(given, event), {
    headers: { 'X-Total': '700', 'X-Evil': 'a??X-Other: 1' },
    query: { id: 'e1', fixed: 'a b' },
  });
});

for (const headers of [{ Host: 'a' }, { 'penstock-signature': 'a' }, { 'a b': 'c' }, { a: 'b\nc' }, { a: '$detail' }]) {
  test(`refused as headers: ${JSON.stringify(headers)}`, () => {
    assert.throws(() => checkHttpParameters({ headers, query: {} }), /./);
  });
}

test('a value that is refused is not repeated: it may be a key', () => {
  const refused = (): void => checkHttpParameters({ headers: { Authorization: '$3cret..' }, query: {} });
  assert.throws(refused, ({ message }: Error) => message.includes('Authorization') && !message.includes('3cret'));
});

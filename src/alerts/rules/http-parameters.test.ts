import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHttpParameters, resolveParameters } from './http-parameters.ts';

test('takes values from the event, drops missing ones, and injects no header', () => {
  const event = { id: 'e1', detail: { total: 700, evil: 'a\r\nX-Other: 1' } };
  const provided = {
    headers: { 'X-Total': '$.detail.total', 'X-Evil': '$.detail.evil', 'X-No': '$.detail.no' },
    query: { id: '$.id', fixed: 'a b' },
  };
  checkHttpParameters(provided);
  assert.deepEqual(resolveParameters(provided, event), {
    headers: { 'X-Total': '700', 'X-Evil': 'a??X-Other: 1' },
    query: { id: 'e1', fixed: 'a b' },
  });
});

for (const headers of [{ Host: 'a' }, { 'penstock-signature': 'a' }, { 'a b': 'c' }, { a: 'b\nc' }, { a: '$detail' }]) {
  test(`rejects headers ${JSON.stringify(headers)}`, () => {
    assert.throws(() => checkHttpParameters({ headers, query: {} }), /./);
  });
}

test('does not repeat a rejected value, which may be a key', () => {
  const refused = (): void => checkHttpParameters({ headers: { Authorization: '$3cret..' }, query: {} });
  assert.throws(refused, ({ message }: Error) => message.includes('Authorization') && !message.includes('3cret'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KeyedPage, pageAfterKey, pageAtOffset, questionDigest, readPageToken, writePageToken } from './pages.ts';

test('pages show each item once and in order, also if others are added and removed in between', () => {
  const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(keys, keys, fc.integer({ min: 1, max: 7 }), fc.boolean(), (stay, others, limit, descending) => {
      const seen: string[] = [];
      let after: string | null = null;
      for (let page = 0; page === 0 || after !== null; page++) {
        const guests = page % 2 === 0 ? others.filter((key) => !stay.includes(key)) : [];
        const { items, lastKey }: KeyedPage<string> = pageAfterKey([...guests, ...stay], (key) => key, { after, limit, descending });
        seen.push(...items.filter((key) => stay.includes(key)));
        after = lastKey;
      }
      const sorted = stay.toSorted((a, b) => (descending ? -1 : 1) * (a < b ? -1 : 1));
      assert.deepEqual(seen, sorted);
    }),
  );
});

test('a token is valid for its question only, in whatever order the members come', () => {
  const question = questionDigest({ a: 1, b: 'x' });
  const token = writePageToken(question, ['key', 3]);
  assert.deepEqual(readPageToken(token, questionDigest({ b: 'x', a: 1 })), ['key', 3]);
  assert.equal(readPageToken(token, questionDigest({ a: 2, b: 'x' })), null);
  assert.equal(readPageToken(token, questionDigest({ a: 1, b: 'x' }, 'ListModels')), null);
});

test('what is not a token is none', () => {
  const question = questionDigest({});
  for (const token of ['', 'not base64!', 'e30', Buffer.from('[').toString('base64url'), 'A'.repeat(9000)])
    assert.equal(readPageToken(token, question), null, token.slice(0, 20));
});

test('the last page at an offset has no next one', () => {
  assert.deepEqual(pageAtOffset([1, 2, 3], { offset: 0, limit: 2 }), { items: [1, 2], next: '2' });
  assert.deepEqual(pageAtOffset([1, 2, 3], { offset: 2, limit: 2 }), { items: [3], next: null });
});

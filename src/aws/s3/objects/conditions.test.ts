import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeConditions, rangeOf, writeCondition } from './conditions.ts';

const object = { etag: 'abc', modifiedAtMs: Date.parse('2026-11-24T10:00:00.700Z') };
const at = 'Tue, 24 Nov 2026 10:00:00 GMT';
const before = 'Tue, 24 Nov 2026 09:59:59 GMT';

for (const { headers, expected } of [
  { headers: {}, expected: 'holds' },
  { headers: { 'if-match': '"abc"' }, expected: 'holds' },
  { headers: { 'if-match': 'abc' }, expected: 'holds' },
  { headers: { 'if-match': '*' }, expected: 'holds' },
  { headers: { 'if-match': '"x", "abc"' }, expected: 'holds' },
  { headers: { 'if-match': '"x"' }, expected: 'fails' },
  { headers: { 'if-match': '"abc"', 'if-unmodified-since': before }, expected: 'holds' },
  { headers: { 'if-unmodified-since': before }, expected: 'fails' },
  { headers: { 'if-unmodified-since': at }, expected: 'holds' },
  { headers: { 'if-none-match': '"abc"' }, expected: 'not-modified' },
  { headers: { 'if-none-match': 'W/"abc"' }, expected: 'not-modified' },
  { headers: { 'if-none-match': '*' }, expected: 'not-modified' },
  { headers: { 'if-none-match': '"x"', 'if-modified-since': at }, expected: 'holds' },
  { headers: { 'if-modified-since': at }, expected: 'not-modified' },
  { headers: { 'if-modified-since': before }, expected: 'holds' },
  { headers: { 'if-modified-since': 'yesterday' }, expected: 'holds' },
  { headers: { 'if-match': '"x"', 'if-none-match': '"abc"' }, expected: 'fails' },
]) {
  test(`a read with ${JSON.stringify(headers)}: ${expected}`, () => {
    assert.equal(judgeConditions(object, headers), expected);
    const ofSource = Object.fromEntries(Object.entries(headers).map(([name, value]) => [`x-amz-copy-source-${name}`, value]));
    assert.equal(judgeConditions(object, ofSource, 'x-amz-copy-source-'), expected);
  });
}

test('a write may require an absent key, any object, or a certain object', () => {
  assert.equal(writeCondition({}), undefined);
  assert.deepEqual(writeCondition({ 'if-none-match': '*' }), { absent: true });
  assert.deepEqual(writeCondition({ 'if-match': '*' }), { etags: '*' });
  assert.deepEqual(writeCondition({ 'if-match': '"a"' }), { etags: ['a'] });
  assert.throws(() => writeCondition({ 'if-none-match': '"a"' }), { code: 'NotImplemented' });
});

for (const { header, bytes = 10, expected } of [
  { header: undefined, expected: null },
  { header: 'bytes=0-9', expected: [0, 10] },
  { header: 'bytes=0-0', expected: [0, 1] },
  { header: 'bytes=3-', expected: [3, 10] },
  { header: 'bytes=3-99', expected: [3, 10] },
  { header: 'bytes=-3', expected: [7, 10] },
  { header: 'bytes=-99', expected: [0, 10] },
  { header: 'Bytes = 1 - 2', expected: [1, 3] },
  { header: 'bytes=5-4', expected: null },
  { header: 'bytes=0-1,3-4', expected: null },
  { header: 'bytes=-', expected: null },
  { header: 'bytes=x-y', expected: null },
  { header: 'rows=0-1', expected: null },
  { header: 'bytes=10-', expected: 'refused' },
  { header: 'bytes=10-20', expected: 'refused' },
  { header: 'bytes=-0', expected: 'refused' },
  { header: 'bytes=0-', bytes: 0, expected: 'refused' },
  { header: 'bytes=-1', bytes: 0, expected: 'refused' },
  { header: 'bytes=99999999999999999999999-', expected: 'refused' },
]) {
  test(`Range: ${header} of ${bytes} bytes: ${expected === null ? 'all' : String(expected)}`, () => {
    if (expected === 'refused') {
      assert.throws(() => rangeOf(header, bytes), {
        code: 'InvalidRange',
        httpStatus: 416,
        headers: { 'content-range': `bytes */${bytes}` },
      });
    } else {
      const range = rangeOf(header, bytes);
      assert.deepEqual(range === null ? null : [range.start, range.end], expected);
    }
  });
}

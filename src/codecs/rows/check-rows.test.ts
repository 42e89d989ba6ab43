/** A large body is checked before it waits for a thread: the check rejects nothing that is allowed, and says what decoding would. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Signature } from '../../tensor.ts';
import { checkRows, decodeRows, type RowsBody } from './decode-body.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
};
const limits = { rowsMax: 3, requestsMax: 3 };

function bodyOf(contentType: string, text: string, label?: string): RowsBody {
  return { signature, contentType, body: Buffer.from(text), label, limits };
}

function rejectionOf(run: () => void): unknown {
  try {
    run();
    return null;
  } catch (error) {
    const { code, message, hint } = error as { readonly code: string; readonly message: string; readonly hint?: string };
    return { code, message, hint };
  }
}

function assertAgree(body: RowsBody, isFound: boolean): void {
  const found = rejectionOf(() => checkRows(body));
  if (isFound) assert.notEqual(found, null);
  if (found !== null)
    assert.deepEqual(
      rejectionOf(() => decodeRows(body)),
      found,
    );
}

describe('a check', () => {
  for (const [what, type, text] of [
    ['too many lines', 'text/csv', '1,2\n'.repeat(4)],
    ['lines of another width', 'text/csv', '1,2,3\n1,2\n'],
    ['a first line that is not of numbers', 'text/csv', '1,b\n1,2\n'],
    ['a first line of too many columns', 'text/csv', `${'1,'.repeat(5000)}1`],
    ['a quote without an end', 'text/csv', '"1,2\n1,2\n'],
    ['millions of empty lines', 'text/csv', '\n'.repeat(2 ** 20 + 1)],
    ['too many numbers', 'application/json', `{"instances":[[${'1,'.repeat(100_000)}1]]}`],
    ['too many lists', 'application/json', `{"instances":[${'[1],'.repeat(70_000)}[1]]}`],
    ['deep lists', 'application/json', '['.repeat(1000)],
  ] as const) {
    test(`finds ${what}`, () => assertAgree(bodyOf(type, text), true));
  }

  for (const [what, text, label] of [
    ['rows', '1,2\n3,4\n5,6\n'],
    ['a last line without an end', '1,2\n3,4'],
    ['a header', 'a,b\n1,2\n3,4\n5,6\n'],
    ['a label', 'a,b,y\n1,2,0\n', 'y'],
    ['empty lines', '\n\r\n1,2\n\n\n3,4\n\n5,6\n'],
    ['quoted cells', '"1",2\n"3","4"\n'],
    ['a quoted header of several lines', '"a\nA",b\n1,2\n3,4\n5,6\n'],
    ['a byte order mark', '\ufeff1,2\r\n3,4\r\n'],
  ] as const) {
    test(`allows CSV with ${what}`, () => {
      const body = bodyOf('text/csv', text, label);
      checkRows(body);
      assert(decodeRows(body).length > 0);
    });
  }

  test('says of any CSV what decoding says, or nothing', () => {
    const cell = fc.oneof(fc.constantFrom('1', '2.5', '', ' ', 'a', '"1"', '"', '"a\nb"', 'nan'), fc.string({ maxLength: 3 }));
    const line = fc.array(cell, { maxLength: 4 }).map((cells) => cells.join(','));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom('\n', '\r\n'), (lines, end) =>
        assertAgree(bodyOf('text/csv', lines.join(end)), false),
      ),
    );
  });
});

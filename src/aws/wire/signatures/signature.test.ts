import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Captured, captured } from '../../../../test/aws/captured-requests.ts';
import { canonicalPath, canonicalQuery, percentDecode, percentEncode, queryPairs } from '../percent.ts';
import { readSignature, type SignedRequest, type V2Signature, type V4Signature } from './signature.ts';
import { SignatureError } from './signature-error.ts';
import { stringToSignV2 } from './signature-v2.ts';
import { canonicalRequest, sha256Hex } from './signature-v4.ts';

function line(number: string): SignedRequest & { readonly captured: Captured } {
  const found = captured.find(({ id }) => id.startsWith(`${number}-`)) as Captured;
  const [path = '', query = ''] = found.path.split('?');
  return { method: found.method, path, query, headers: found.headers, captured: found };
}

describe('parses the signatures that clients send:', () => {
  test('encodes an encoded path twice', () => {
    const request = line('31');
    const canonical = canonicalRequest(request, readSignature(request) as V4Signature, sha256Hex(request.captured.body ?? ''));
    assert.equal(sha256Hex(canonical), '23cb8c51cb112faa082251a7e0d22004b9801b3bb834f844fca055c56a396dd4');
  });

  test('a presigned URL of S3', () => {
    const request = line('41');
    const canonical = canonicalRequest(request, readSignature(request) as V4Signature, 'UNSIGNED-PAYLOAD');
    assert.equal(sha256Hex(canonical), 'f29e379a70eb9cfaaf0c34e0283ce1e77dd5351a52eb9a2a1bba469ede4f503c');
  });

  test('Signature Version 2, with a content type moved into the query', () => {
    const request = line('42');
    const toSign = stringToSignV2(request, readSignature(request) as V2Signature, { path: request.path, hostBucket: null });
    assert.equal(toSign, 'PUT\n\ntext/csv\n1795534310\n/models/up.csv');
  });

  test('Signature Version 2 below /aws, with a sub-resource', () => {
    const request = line('48');
    const toSign = stringToSignV2(request, readSignature(request) as V2Signature, { path: '/models/dir/a%20b.txt', hostBucket: null });
    assert.equal(toSign, 'GET\n\n\n1795535187\n/models/dir/a%20b.txt?response-content-type=text/plain');
  });

  test('Signature Version 2 of a bucket alone, by either style', () => {
    const signature = readSignature({
      ...line('48'),
      query: 'AWSAccessKeyId=A&Signature=AZPBkkBkrqC8pI%2FKCLSz2VkxjmU%3D&Expires=1&prefix=a',
    });
    const sign = (path: string, hostBucket: string | null) =>
      stringToSignV2({ method: 'GET', path, query: '', headers: {} }, signature as V2Signature, { path, hostBucket });
    assert.equal(sign('/models', null), 'GET\n\n\n1\n/models/');
    assert.equal(sign('/', 'models'), 'GET\n\n\n1\n/models/');
  });
});

describe('rejects a malformed signature:', () => {
  const good = line('31');
  const header = good.headers.authorization ?? '';
  for (const [what, authorization, reason] of [
    ['no signature', undefined, 'missing'],
    ['a native API key', 'Bearer A:B', 'missing'],
    ['another algorithm', header.replace('SHA256', 'SHA512'), 'malformed'],
    ['Version 2 in a header', 'AWS AKIDEXAMPLE0000000:frJIUN8DYpKDtOLCwo//yllqDzg=', 'malformed'],
    ['a part missing', header.replace(/, Signature=.*/, ''), 'malformed'],
    ['a duplicate part', `${header}, Signature=${'0'.repeat(64)}`, 'malformed'],
    ['an unknown part', `${header}, Extra=1`, 'malformed'],
    ['a short credential', header.replace('/aws4_request', ''), 'malformed'],
    ['an invalid date', header.replace('/20261124/', '/yesterday/'), 'malformed'],
    ['a signature in capital letters', header.replace(/Signature=.*/, `Signature=${'A'.repeat(64)}`), 'malformed'],
    ['unsorted headers', header.replace('accept;content-type', 'content-type;accept'), 'malformed'],
    ['a duplicate header name', header.replace('accept;', 'accept;accept;'), 'malformed'],
    ['no header names', header.replace(/SignedHeaders=[^,]+/, 'SignedHeaders='), 'malformed'],
  ] as const) {
    test(what, () => {
      const { authorization: _, ...rest } = good.headers;
      const headers = authorization === undefined ? rest : { ...rest, authorization };
      assert.throws(() => readSignature({ ...good, headers }), { name: 'SignatureError', reason });
    });
  }

  const presigned = line('41');
  for (const [what, query] of [
    ['an empty expiry', presigned.query.replace('Expires=900', 'Expires=0')],
    ['an expiry of more than a week', presigned.query.replace('Expires=900', 'Expires=604801')],
    ['an expiry that is not a number', presigned.query.replace('Expires=900', 'Expires=9e2')],
    ['a duplicate parameter', `${presigned.query}&X-Amz-Expires=900`],
    ['a missing parameter', presigned.query.replace(/X-Amz-Date=[^&]*&/, '')],
    ['an impossible date', presigned.query.replace('20261124T143150Z', '20261324T143150Z')],
    ['both versions at once', `${presigned.query}&AWSAccessKeyId=A&X-Amz-Expires=1`],
    ['an invalid expiry of Version 2', 'AWSAccessKeyId=A&Signature=AZPBkkBkrqC8pI%2FKCLSz2VkxjmU%3D&Expires=soon'],
    ['an invalid signature of Version 2', 'AWSAccessKeyId=A&Signature=x&Expires=1795534310'],
  ] as const) {
    test(`in a query: ${what}`, () => {
      assert.throws(() => readSignature({ ...presigned, query }), { name: 'SignatureError', reason: 'malformed' });
    });
  }

  test('two signatures', () => {
    assert.throws(() => readSignature({ ...presigned, headers: good.headers }), { reason: 'malformed' });
  });

  test('parses or rejects any other input without failing', () => {
    const garbage = fc.record({ authorization: fc.string({ unit: 'binary' }), query: fc.string() });
    fc.assert(
      fc.property(garbage, ({ authorization, query }) => {
        const refused = (headers: SignedRequest['headers'], text: string): void =>
          assert.throws(() => readSignature({ method: 'GET', path: '/', query: text, headers }), SignatureError);
        refused({ authorization: `AWS4-HMAC-SHA256 ${authorization}`, 'x-amz-date': authorization }, query);
        refused({}, `X-Amz-Signature=${encodeURIComponent(authorization)}&${query}`);
      }),
    );
  });
});

test('preserves any bytes through encoding and decoding', () => {
  const binary = fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1'));
  fc.assert(
    fc.property(binary, binary, (a, b) => {
      assert.equal(percentDecode(percentEncode(a)), a);
      assert.match(percentEncode(a), /^[A-Za-z0-9\-_.~%]*$/);
      if (a !== '') assert.deepEqual(queryPairs(canonicalQuery([[a, b]])), [[a, b]]);
    }),
  );
  assert.equal(canonicalPath('/a%20b/c+d', true), '/a%20b/c%2Bd');
  assert.equal(canonicalPath('/a%20b/c+d', false), '/a%2520b/c%2Bd');
  assert.equal(canonicalQuery(queryPairs('uploads&b=2&a=1&b=1&A=')), 'A=&a=1&b=1&b=2&uploads=');
});

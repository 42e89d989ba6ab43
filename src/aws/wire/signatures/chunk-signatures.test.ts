/** The examples of AWS's documentation of signed chunks, with its example key. */
import assert from 'node:assert/strict';
import { createHmac, createSecretKey } from 'node:crypto';
import { describe, test } from 'node:test';
import { ChunkedDecoder } from './aws-chunked.ts';
import { ChunkSignatures } from './chunk-signatures.ts';

let key = Buffer.from('AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY');
for (const part of ['20130524', 'us-east-1', 's3', 'aws4_request']) key = createHmac('sha256', key).update(part).digest();

function decode(signature: string, text: string): { readonly bytes: number; readonly trailers: Record<string, string> } {
  const seed = { key: createSecretKey(key), date: '20130524T000000Z', scope: '20130524/us-east-1/s3/aws4_request', signature };
  const decoder = new ChunkedDecoder(new ChunkSignatures(seed));
  let bytes = 0;
  // Split into pieces that do not align with chunks.
  for (let at = 0; at < text.length; at += 1000) decoder.push(Buffer.from(text.slice(at, at + 1000)), (data) => (bytes += data.length));
  return { bytes, trailers: Object.fromEntries(decoder.end()) };
}

function chunks(signatures: readonly [string, string, string], end: string): string {
  const [first, second, last] = signatures.map((signature) => `;chunk-signature=${signature}\r\n`) as [string, string, string];
  return `10000${first}${'a'.repeat(65_536)}\r\n400${second}${'a'.repeat(1024)}\r\n0${last}${end}`;
}

const plain = {
  seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  text: chunks(
    [
      'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    ],
    '\r\n',
  ),
};

const trailing = {
  seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
  text: chunks(
    [
      'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
      '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
      '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
    ],
    'x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n',
  ),
};

test('accepts chunks signed in sequence', () => {
  assert.deepEqual(decode(plain.seed, plain.text), { bytes: 66_560, trailers: {} });
});

test('accepts signed trailers', () => {
  assert.deepEqual(decode(trailing.seed, trailing.text), { bytes: 66_560, trailers: { 'x-amz-checksum-crc32c': 'sOO8/Q==' } });
});

describe('rejects a chunk with a broken signature chain:', () => {
  const [first = '', second = ''] = plain.text.split(/(?=400;)/);
  const refused = { name: 'SignatureError', reason: 'signature-mismatch' };
  for (const [what, seed, text] of [
    ['another request', `5${plain.seed.slice(1)}`, plain.text],
    ['a changed byte', plain.seed, plain.text.replace('aaaa\r\n', 'aaab\r\n')],
    ['a missing chunk', plain.seed, second],
    ['a repeated chunk', plain.seed, `${first}${first}${second}`],
    ['a wrong signature', plain.seed, plain.text.replace('=ad80', '=ad81')],
    ['a premature end', plain.seed, `0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`],
    ['a changed trailer', trailing.seed, trailing.text.replace('sOO8', 'sOO9')],
    ['a trailer without its signature', trailing.seed, trailing.text.replace(/x-amz-trailer-signature.*\r\n/, '')],
    ['an additional trailer', trailing.seed, trailing.text.replace('x-amz-checksum', 'x-more:1\r\nx-amz-checksum')],
  ] as const) {
    test(what, () => assert.throws(() => decode(seed, text), refused));
  }

  test('rejects an unsigned chunk if signatures are required, and a signed one if they are not', () => {
    assert.throws(() => decode(plain.seed, '5\r\nhello\r\n0\r\n\r\n'), { code: 'InvalidRequest' });
    assert.throws(() => new ChunkedDecoder().push(Buffer.from(plain.text), () => undefined), { code: 'InvalidRequest' });
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AwsError } from '../../service.ts';
import { ChunkedDecoder } from './aws-chunked.ts';

function decode(pieces: readonly Uint8Array[]) {
  const decoder = new ChunkedDecoder();
  const data: Buffer[] = [];
  for (const piece of pieces) decoder.push(Buffer.from(piece), (bytes) => data.push(bytes));
  return { trailers: Object.fromEntries(decoder.end()), data: Buffer.concat(data) };
}

function framed(chunks: readonly Uint8Array[], trailers: Readonly<Record<string, string>>): Buffer {
  const parts = chunks.filter(({ length }) => length > 0).flatMap((chunk) => [`${chunk.length.toString(16)}\r\n`, chunk, '\r\n']);
  const lines = Object.entries(trailers).map(([name, value]) => `${name}:${value}\r\n`);
  return Buffer.concat([...parts, '0\r\n', ...lines, '\r\n'].map((part) => Buffer.from(part)));
}

/** Splits bytes at the given offsets. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

test('decodes chunks and trailers however the bytes are split', () => {
  const places = fc.array(fc.nat(10_000), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), places, fc.boolean(), (chunks, cuts, hasTrailer) => {
      const trailers: Record<string, string> = hasTrailer ? { 'x-amz-checksum-crc32': 'NhCmhg==' } : {};
      const decoded = decode(cut(framed(chunks, trailers), cuts));
      assert.deepEqual(decoded, { trailers, data: Buffer.concat(chunks) });
    }),
  );
});

test('reports arbitrary bytes as a client error and throws nothing else', () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .array(fc.constantFrom('5\r\n', 'hello', '\r\n', '0\r\n', 'a:b\r\n', 'fffffffffffff\r\n', ':', '\n'), { maxLength: 8 })
      .map((parts) => {
        return Buffer.from(parts.join(''));
      }),
  );
  fc.assert(
    fc.property(garbage, (bytes) => {
      try {
        decode([bytes]);
      } catch (error) {
        assert(error instanceof AwsError, String(error));
        assert.equal(error.httpStatus, 400);
      }
    }),
    { numRuns: 500 },
  );
});

describe('rejects a malformed body:', () => {
  for (const [what, text, code] of [
    ['truncated within a chunk', '5\r\nhel', 'IncompleteBody'],
    ['truncated before its trailers end', '0\r\na:b\r\n', 'IncompleteBody'],
    ['empty', '', 'IncompleteBody'],
    ['a chunk longer than its length', '5\r\nhello!\r\n0\r\n\r\n', 'InvalidRequest'],
    ['an invalid length', 'five\r\nhello\r\n0\r\n\r\n', 'InvalidRequest'],
    ['a negative length', '-5\r\n', 'InvalidRequest'],
    ['an absurdly large length', 'fffffffffffff\r\n', 'InvalidRequest'],
    ['lines without carriage return', '5\nhello\n0\n\n', 'InvalidRequest'],
    ['an unterminated line', '0'.repeat(1000), 'InvalidRequest'],
    ['bytes after the end', '0\r\n\r\nmore', 'InvalidRequest'],
    ['a trailer without a name', '0\r\n:b\r\n\r\n', 'MalformedTrailerError'],
    ['a duplicate trailer', '0\r\na:b\r\nA:c\r\n\r\n', 'MalformedTrailerError'],
    ['too many trailers', `0\r\n${Array.from({ length: 5000 }, (_, i) => `t${i}:b\r\n`).join('')}\r\n`, 'MalformedTrailerError'],
  ] as const) {
    test(what, () => assert.throws(() => decode([Buffer.from(text)]), { name: 'AwsError', code }));
  }
});

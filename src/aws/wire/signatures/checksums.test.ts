import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checksumOf } from './checksums.ts';

function digest(name: string, ...pieces: Uint8Array[]): Buffer {
  const checksum = checksumOf(name);
  assert(checksum !== null);
  for (const piece of pieces) checksum.update(piece);
  return checksum.digest();
}

/** A reference implementation from the definition, one bit at a time. */
function bitwise(bytes: Uint8Array, width: 32n | 64n, polynomial: bigint): bigint {
  const ones = (1n << width) - 1n;
  let crc = ones;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
  }
  return crc ^ ones;
}

describe('computes known checksums', () => {
  for (const [name, text, hex] of [
    ['crc32', '123456789', 'cbf43926'],
    ['crc32c', '123456789', 'e3069283'],
    ['crc64nvme', '123456789', 'ae8b14860a799888'],
    ['sha1', 'abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    ['sha256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ] as const) {
    test(`${name} of ${text}`, () => assert.equal(digest(`x-amz-checksum-${name}`, Buffer.from(text)).toString('hex'), hex));
  }
  test('as clients encode them', () => {
    assert.equal(digest('x-amz-checksum-crc32', Buffer.from('hello')).toString('base64'), 'NhCmhg==');
    assert.equal(digest('x-amz-checksum-crc64nvme', Buffer.from('hello\n')).toString('base64'), 'akP7S61aVgc=');
    assert.equal(digest('content-md5', Buffer.from('hello')).toString('base64'), 'XUFAKrxLKna5cZ2REBfFkg==');
  });
  test('returns null for unknown algorithms', () => {
    for (const name of ['x-amz-checksum-xxhash64', 'x-amz-checksum-constructor', 'x-amz-meta-a']) assert.equal(checksumOf(name), null);
  });
});

test('accepts bytes in any pieces and matches the reference implementation', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (pieces) => {
      const whole = Buffer.concat(pieces);
      for (const [name, width, polynomial] of [
        ['crc32', 32n, 0xedb88320n],
        ['crc32c', 32n, 0x82f63b78n],
        ['crc64nvme', 64n, 0x9a6c9329ac4bc9b5n],
      ] as const) {
        const expected = bitwise(whole, width, polynomial)
          .toString(16)
          .padStart(Number(width) / 4, '0');
        assert.equal(digest(`x-amz-checksum-${name}`, ...pieces).toString('hex'), expected);
      }
    }),
  );
});

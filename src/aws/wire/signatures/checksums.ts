/** The checksums that S3 clients send with a body. Each is computed incrementally and returned in big-endian order. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export interface Checksum {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

type ChecksumName = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256' | 'md5';

const makers: Readonly<Record<ChecksumName, () => Checksum>> = {
  crc32: () => new Crc32(),
  crc32c: () => new Crc32C(),
  crc64nvme: () => new Crc64Nvme(),
  sha1: () => hashing('sha1'),
  sha256: () => hashing('sha256'),
  md5: () => hashing('md5'),
};

/** Takes the name of a header or trailer: `x-amz-checksum-crc32`, `content-md5`. Null for unknown algorithms. */
export function checksumOf(header: string): Checksum | null {
  const name = header === 'content-md5' ? 'md5' : header.replace(/^x-amz-checksum-/, '');
  return Object.hasOwn(makers, name) ? makers[name as ChecksumName]() : null;
}

function hashing(algorithm: string): Checksum {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}

class Crc32 implements Checksum {
  #value = 0;

  update(bytes: Uint8Array): void {
    this.#value = crc32(bytes, this.#value);
  }

  digest(): Buffer {
    return bigEndian(this.#value);
  }
}

/** Eight tables process eight bytes at a time ("slicing-by-8", Kounavis and Berry 2005), with the reflected polynomial. */
const crc32cTables = tables32(0x82f63b78);

class Crc32C implements Checksum {
  #value = 0xffffffff;

  update(bytes: Uint8Array): void {
    const [t0, t1, t2, t3, t4, t5, t6, t7] = crc32cTables;
    let crc = this.#value;
    let i = 0;
    for (; i + 8 <= bytes.length; i += 8) {
      const low = crc ^ (at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24));
      crc =
        of(t7, low & 0xff) ^
        of(t6, (low >>> 8) & 0xff) ^
        of(t5, (low >>> 16) & 0xff) ^
        of(t4, low >>> 24) ^
        of(t3, at(bytes, i + 4)) ^
        of(t2, at(bytes, i + 5)) ^
        of(t1, at(bytes, i + 6)) ^
        of(t0, at(bytes, i + 7));
    }
    for (; i < bytes.length; i++) crc = (crc >>> 8) ^ of(t0, (crc ^ at(bytes, i)) & 0xff);
    this.#value = crc >>> 0;
  }

  digest(): Buffer {
    return bigEndian(~this.#value >>> 0);
  }
}

/** High and low halves of the eight tables of CRC-64/NVME, whose reflected polynomial is 9a6c9329ac4bc9b5. */
const crc64 = tables64(0x9a6c9329, 0xac4bc9b5);

/** The value is held in two halves, because bitwise operations on numbers are limited to 32 bits. */
class Crc64Nvme implements Checksum {
  #high = 0xffffffff;
  #low = 0xffffffff;

  update(bytes: Uint8Array): void {
    const { high: h, low: l } = crc64;
    let high = this.#high;
    let low = this.#low;
    let i = 0;
    for (; i + 8 <= bytes.length; i += 8) {
      const a = low ^ (at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24));
      const b = high ^ (at(bytes, i + 4) | (at(bytes, i + 5) << 8) | (at(bytes, i + 6) << 16) | (at(bytes, i + 7) << 24));
      // Index 256 * k + byte selects table k, for the byte that is k positions later.
      const [a0, a1, a2, a3] = [1792 + (a & 0xff), 1536 + ((a >>> 8) & 0xff), 1280 + ((a >>> 16) & 0xff), 1024 + (a >>> 24)];
      const [b0, b1, b2, b3] = [768 + (b & 0xff), 512 + ((b >>> 8) & 0xff), 256 + ((b >>> 16) & 0xff), b >>> 24];
      high = of(h, a0) ^ of(h, a1) ^ of(h, a2) ^ of(h, a3) ^ of(h, b0) ^ of(h, b1) ^ of(h, b2) ^ of(h, b3);
      low = of(l, a0) ^ of(l, a1) ^ of(l, a2) ^ of(l, a3) ^ of(l, b0) ^ of(l, b1) ^ of(l, b2) ^ of(l, b3);
    }
    for (; i < bytes.length; i++) {
      const index = (low ^ at(bytes, i)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ of(l, index);
      high = (high >>> 8) ^ of(h, index);
    }
    this.#high = high >>> 0;
    this.#low = low >>> 0;
  }

  digest(): Buffer {
    return Buffer.concat([bigEndian(~this.#high >>> 0), bigEndian(~this.#low >>> 0)]);
  }
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] as number;
}

function of(table: Uint32Array, index: number): number {
  return table[index] as number;
}

type Tables = readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];

/** Table 0 is the usual byte-wise table. Table k is the effect of a byte followed by k zero bytes. */
function tables32(polynomial: number): Tables {
  const first = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    first[byte] = crc;
  }
  const tables = [first];
  for (let k = 1; k < 8; k++) {
    const before = tables[k - 1] as Uint32Array;
    tables.push(before.map((crc) => (crc >>> 8) ^ of(first, crc & 0xff)));
  }
  return tables as unknown as Tables;
}

/** As `tables32`, with the tables concatenated: table k starts at index 256 * k. */
function tables64(polynomialHigh: number, polynomialLow: number): { readonly high: Uint32Array; readonly low: Uint32Array } {
  const high = new Uint32Array(8 * 256);
  const low = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = (l & 1) === 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (isOdd) {
        h ^= polynomialHigh;
        l ^= polynomialLow;
      }
    }
    high[byte] = h;
    low[byte] = l;
  }
  for (let i = 256; i < high.length; i++) {
    const [h, l] = [of(high, i - 256), of(low, i - 256)];
    low[i] = ((l >>> 8) | (h << 24)) ^ of(low, l & 0xff);
    high[i] = (h >>> 8) ^ of(high, l & 0xff);
  }
  return { high, low };
}

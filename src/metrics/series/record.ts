/** Binary format of one row: several metrics within one span. Compact, since there are millions of rows. */
import { PlatformError } from '../../errors.ts';
import { Buckets } from './buckets.ts';
import type { Measured } from './measured.ts';
import { Sketch } from './sketch.ts';

const version = 2;

/** By metric number. */
export function encodeRecord(measured: ReadonlyMap<number, Measured>): Buffer {
  const out = new Bytes();
  out.unsigned(version);
  out.unsigned(measured.size);
  for (const [metric, { count, sum, min, max, sketch }] of measured) {
    out.unsigned(metric);
    out.number(count);
    out.number(sum);
    out.number(min);
    out.number(max);
    // If all values are equal, the distribution needs no buckets.
    const distribution = min === max ? noBytes : distributionOf(sketch);
    out.unsigned(distribution.length);
    out.bytes(distribution);
  }
  return out.length();
}

/**
 * Decodes a row, or only the `requested` metrics: bytes after the last requested one are not read. Throws `internal` for malformed bytes;
 * for a distribution, when it is first used.
 */
export function decodeRecord(bytes: Uint8Array, requested?: ReadonlySet<number>): Map<number, Measured> {
  const from = new Reader(bytes);
  if (from.unsigned() !== version) throw broken('unknown version');
  const size = from.unsigned();
  const measured = new Map<number, Measured>();
  for (let i = 0; i < size && measured.size !== requested?.size; i++) {
    const metric = from.unsigned();
    const [count, sum, min, max] = [from.number(), from.number(), from.number(), from.number()];
    const length = from.unsigned();
    const distribution = { bytes, from: from.skip(length), length };
    if (requested === undefined || requested.has(metric)) measured.set(metric, new Stored({ count, sum, min, max }, distribution));
  }
  return measured;
}

/** A byte range of a row. Creating a view would take longer than reading it, and a day has thousands. */
interface Part {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly length: number;
}

/** Decodes its distribution on demand, since most queries need only sums and counts. */
class Stored implements Measured {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly #distribution: Part;
  #sketch: Sketch | null = null;

  constructor({ count, sum, min, max }: Omit<Measured, 'sketch'>, distribution: Part) {
    this.count = count;
    this.sum = sum;
    this.min = min;
    this.max = max;
    this.#distribution = distribution;
  }

  get sketch(): Sketch {
    this.#sketch ??= this.#read();
    return this.#sketch;
  }

  #read(): Sketch {
    if (this.min !== this.max) {
      const { bytes, from: begin, length } = this.#distribution;
      const from = new Reader(bytes, begin);
      const zeros = from.number();
      const sketch = new Sketch(from.buckets(), from.buckets(), zeros);
      if (from.at !== begin + length) throw broken('a distribution does not have its stated length');
      return sketch;
    }
    const sketch = new Sketch();
    if (this.count > 0) sketch.add(this.min, this.count);
    return sketch;
  }
}

const noBytes = new Uint8Array();
/** Largest step and count packed into one byte, which fits most buckets. */
const nibbleMax = 15;

/**
 * Layout: number of zeros, then positive and negative buckets, each as size, first bucket, and per bucket the step from the previous one
 * and the count. Step and count are one byte if both are 1 to 15, otherwise a 0 followed by both.
 */
function distributionOf(sketch: Sketch): Uint8Array {
  const out = new Bytes();
  const { positive, negative, zeros } = sketch.buckets();
  out.number(zeros);
  for (const { numbers, times: counts } of [positive, negative]) {
    out.unsigned(numbers.length);
    let last = (numbers[0] ?? 0) - 1;
    if (numbers.length > 0) out.signed(last);
    for (let i = 0; i < numbers.length; i++) {
      const [bucket, times] = [numbers[i] as number, counts[i] as number];
      const step = bucket - last;
      if (step <= nibbleMax && times >= 1 && times <= nibbleMax && Number.isInteger(times)) out.unsigned8((step << 4) | times);
      else {
        out.unsigned8(0);
        out.unsigned(step);
        out.number(times);
      }
      last = bucket;
    }
  }
  return out.length();
}

/** Writes whole numbers as variable-length bytes, others as eight bytes. */
class Bytes {
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;

  unsigned(value: number): void {
    this.#ensure(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  signed(value: number): void {
    this.unsigned(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  /** A whole number is stored plus one; others as 0 and eight bytes. */
  number(value: number): void {
    if (Number.isInteger(value) && value >= 0 && value < 2 ** 48) return this.unsigned(value + 1);
    this.unsigned(0);
    this.#ensure(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  unsigned8(value: number): void {
    this.#ensure(1);
    this.#bytes[this.#length++] = value;
  }

  bytes(bytes: Uint8Array): void {
    this.#ensure(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  length(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  #ensure(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(wider, 0, 0, this.#length);
    this.#bytes = wider;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Offset of the next byte. */
  get at(): number {
    return this.#at;
  }

  unsigned(): number {
    const first = this.#bytes[this.#at];
    if (first !== undefined && first < 0x80) {
      this.#at++;
      return first;
    }
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || scale > 2 ** 56) throw broken('it ends too early');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  number(): number {
    const whole = this.unsigned();
    if (whole > 0) return whole - 1;
    const { buffer, byteOffset } = this.#bytes;
    const at = this.skip(8);
    return new DataView(buffer, byteOffset + at, 8).getFloat64(0, true);
  }

  /** Skips bytes and returns the offset where they start. */
  skip(length: number): number {
    if (length > this.#bytes.length - this.#at) throw broken('it ends too early');
    this.#at += length;
    return this.#at - length;
  }

  buckets(): Buckets {
    const size = this.unsigned();
    if (size > this.#bytes.length - this.#at) throw broken('it ends too early');
    if (size === 0) return new Buckets();
    const numbers = new Array<number>(size);
    const counts = new Array<number>(size);
    const zigzag = this.unsigned();
    let bucket = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    const bytes = this.#bytes;
    for (let i = 0; i < size; i++) {
      const byte = bytes[this.#at++];
      if (byte === undefined) throw broken('it ends too early');
      bucket += byte === 0 ? this.unsigned() : byte >> 4;
      numbers[i] = bucket;
      counts[i] = byte === 0 ? this.number() : byte & nibbleMax;
    }
    return new Buckets(numbers, counts);
  }
}

function broken(why: string): PlatformError {
  return new PlatformError('internal', `a row of the metrics database cannot be read: ${why}`);
}

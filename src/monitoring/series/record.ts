/** The bytes of one row: what was measured of several metrics within one span. Small, since there are millions of them. */
import { PlatformError } from '../../errors.ts';
import { Buckets } from './buckets.ts';
import type { Measured } from './measured.ts';
import { Sketch } from './sketch.ts';

const version = 2;

/** By number of the metric. */
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
    // Where all are equal the distribution is known without its buckets.
    const distribution = min === max ? noBytes : distributionOf(sketch);
    out.unsigned(distribution.length);
    out.bytes(distribution);
  }
  return out.taken();
}

/**
 * The opposite; only the metrics wished for where some are, and no byte after the last of those is looked at. Throws `internal` where the bytes are
 * broken; a distribution when it is asked for.
 */
export function decodeRecord(bytes: Uint8Array, wished?: ReadonlySet<number>): Map<number, Measured> {
  const from = new Reader(bytes);
  if (from.unsigned() !== version) throw broken('another version wrote it');
  const size = from.unsigned();
  const measured = new Map<number, Measured>();
  for (let i = 0; i < size && measured.size !== wished?.size; i++) {
    const metric = from.unsigned();
    const [count, sum, min, max] = [from.number(), from.number(), from.number(), from.number()];
    const length = from.unsigned();
    const distribution = { bytes, from: from.skip(length), length };
    if (wished === undefined || wished.has(metric)) measured.set(metric, new Stored({ count, sum, min, max }, distribution));
  }
  return measured;
}

/** Of the bytes of a row. A view of it would take longer to make than to read, and there are thousands for a day. */
interface Part {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly length: number;
}

/** Most questions are about sums and counts: the distribution is read when somebody asks for it. */
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
      if (from.at !== begin + length) throw broken('a distribution is longer or shorter than it says');
      return sketch;
    }
    const sketch = new Sketch();
    if (this.count > 0) sketch.add(this.min, this.count);
    return sketch;
  }
}

const noBytes = new Uint8Array();
/** Of a bucket that follows soon after the one before and holds few: most do. */
const nibbleMax = 15;

/**
 * How many are zero, then the buckets of positive and of negative values: how many there are, the first, and for each how far it is from the
 * one before and what it holds, in one byte where both are 1 to 15, else in several after a 0.
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
  return out.taken();
}

/** Whole numbers in as few bytes as they need; others in eight. */
class Bytes {
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;

  unsigned(value: number): void {
    this.#room(10);
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

  /** 0 and then eight bytes; or one more than a whole number. */
  number(value: number): void {
    if (Number.isInteger(value) && value >= 0 && value < 2 ** 48) return this.unsigned(value + 1);
    this.unsigned(0);
    this.#room(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  unsigned8(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  taken(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  #room(more: number): void {
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

  /** Where the next byte is. */
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

  /** Where what is skipped began. */
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

/** The bytes of one row: what was measured of several metrics within one span. Small, since there are millions of them. */
import { PlatformError } from '../../errors.ts';
import type { Measured } from './measured.ts';
import { Sketch } from './sketch.ts';

const version = 1;

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
    const { positive, negative, zeros } = min === max ? { positive: [], negative: [], zeros: 0 } : sketch.buckets();
    out.number(zeros);
    for (const buckets of [positive, negative]) {
      out.unsigned(buckets.length);
      let last = 0;
      for (const [bucket, times] of buckets) {
        out.signed(bucket - last);
        out.number(times);
        last = bucket;
      }
    }
  }
  return out.taken();
}

/** The opposite; only the metrics wished for where some are. Throws `internal` where the bytes are broken. */
export function decodeRecord(bytes: Uint8Array, wished?: ReadonlySet<number>): Map<number, Measured> {
  const from = new Reader(bytes);
  if (from.unsigned() !== version) throw broken('another version wrote it');
  const size = from.unsigned();
  const measured = new Map<number, Measured>();
  for (let i = 0; i < size; i++) {
    const metric = from.unsigned();
    const [count, sum, min, max, zeros] = [from.number(), from.number(), from.number(), from.number(), from.number()];
    const [positive, negative] = [from.buckets(), from.buckets()];
    if (wished !== undefined && !wished.has(metric)) continue;
    measured.set(metric, { count, sum, min, max, sketch: sketchOf(count, min, max, { positive, negative, zeros }) });
  }
  return measured;
}

function sketchOf(count: number, min: number, max: number, buckets: ReturnType<Sketch['buckets']>): Sketch {
  if (min !== max) return Sketch.of(buckets);
  const sketch = new Sketch();
  if (count > 0) sketch.add(min, count);
  return sketch;
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

  taken(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafe(this.#bytes.length * 2);
    this.#bytes.copy(wider, 0, 0, this.#length);
    this.#bytes = wider;
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  unsigned(): number {
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
    if (this.#at + 8 > this.#bytes.length) throw broken('it ends too early');
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  buckets(): [number, number][] {
    const size = this.unsigned();
    if (size > this.#bytes.length) throw broken('it ends too early');
    let bucket = 0;
    return Array.from({ length: size }, () => {
      const zigzag = this.unsigned();
      bucket += zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      return [bucket, this.number()] as [number, number];
    });
  }
}

function broken(why: string): PlatformError {
  return new PlatformError('internal', `a row of the metrics database cannot be read: ${why}`);
}

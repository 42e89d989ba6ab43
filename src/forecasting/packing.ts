/** Numbers as short text, exact to the last bit, so that days of counts fit into a snapshot. */
import { PlatformError } from '../errors.ts';

/** Eight bytes a number (four of a Float32Array), as base64. */
export function packFloats(values: Float64Array | Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

/**
 * Fills `values` with what was packed. Throws `invalid_request` where that is another number of bytes, or holds infinite numbers, or
 * NaN where that does not stand for "none".
 */
export function unpackFloats<Floats extends Float64Array | Float32Array>(packed: unknown, values: Floats, mayLack = false): Floats {
  const bytes = bytesOf(packed);
  if (bytes.byteLength !== values.byteLength) throw broken(`${values.byteLength} bytes of numbers expected, got ${bytes.byteLength}`);
  new Uint8Array(values.buffer).set(bytes);
  for (const value of values) {
    if (!Number.isFinite(value) && !(mayLack && Number.isNaN(value))) throw broken(`${value} among its numbers`);
  }
  return values;
}

/**
 * Whole numbers from 0 to 10^12 and NaN for none, as base64 of one variable-length number each: 0 for none, else 1 more than the
 * difference to the last number in zigzag order (0, -1, 1, -2, …), seven bits a byte, the lowest first, the eighth set if more follow.
 */
export function packCounts(counts: Float64Array): string {
  const bytes: number[] = [];
  let last = 0;
  for (const count of counts) {
    const step = count - last;
    let left = Number.isNaN(count) ? 0 : (step < 0 ? -2 * step - 1 : 2 * step) + 1;
    if (!Number.isNaN(count)) last = count;
    for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
    bytes.push(left);
  }
  return Buffer.from(bytes).toString('base64');
}

/** Throws `invalid_request` where it does not hold so many. */
export function unpackCounts(packed: unknown, length: number): Float64Array {
  const counts = new Float64Array(length);
  let [n, last, value, unit] = [0, 0, 0, 1];
  for (const byte of bytesOf(packed)) {
    value += (byte % 128) * unit;
    unit *= 128;
    if (byte >= 128) continue;
    if (value > 0) last += value % 2 === 1 ? (value - 1) / 2 : -value / 2;
    if (n === length || !Number.isSafeInteger(last) || last < 0) throw broken('counts that make no sense');
    counts[n++] = value === 0 ? Number.NaN : last;
    [value, unit] = [0, 1];
  }
  if (n !== length || unit !== 1) throw broken(`${length} counts expected, got ${n}`);
  return counts;
}

/** A whole number from `min` on, out of a snapshot. */
export function unpackInteger(given: unknown, min: number): number {
  if (typeof given !== 'number' || !Number.isSafeInteger(given) || given < min) throw broken('a whole number is missing');
  return given;
}

/** A finite number out of a snapshot. */
export function unpackNumber(given: unknown): number {
  if (typeof given !== 'number' || !Number.isFinite(given)) throw broken('a number is missing');
  return given;
}

/** An object out of a snapshot. */
export function unpackObject(given: unknown): Readonly<Record<string, unknown>> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw broken('an object is missing');
  return given as Readonly<Record<string, unknown>>;
}

/** A list of exactly so many things out of a snapshot. */
export function unpackList(given: unknown, length: number): readonly unknown[] {
  if (!Array.isArray(given) || given.length !== length) throw broken(`a list of ${length} is missing`);
  return given;
}

function bytesOf(packed: unknown): Uint8Array {
  if (typeof packed !== 'string') throw broken('packed numbers are missing');
  return Buffer.from(packed, 'base64');
}

export function broken(what: string): PlatformError {
  return new PlatformError('invalid_request', `the snapshot of a forecaster is broken (${what}): start a new forecaster`);
}

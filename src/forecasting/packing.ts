/** Packs numbers as short text without loss, so days of counts fit into a snapshot. */
import { PlatformError } from '../errors.ts';

/** Packs numbers as base64, eight bytes each (four for a Float32Array). */
export function packFloats(values: Float64Array | Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

/**
 * Unpacks into `values`. Throws `invalid_request` if the length differs or a number is infinite, or NaN while `mayLack` is false.
 */
export function unpackFloats<Floats extends Float64Array | Float32Array>(packed: unknown, values: Floats, mayLack = false): Floats {
  const bytes = bytesOf(packed);
  if (bytes.byteLength !== values.byteLength)
    throw corruptSnapshot(`expected ${values.byteLength} bytes of numbers, got ${bytes.byteLength}`);
  new Uint8Array(values.buffer).set(bytes);
  for (const value of values) {
    if (!Number.isFinite(value) && !(mayLack && Number.isNaN(value))) throw corruptSnapshot(`expected finite numbers, got ${value}`);
  }
  return values;
}

/**
 * Packs whole numbers from 0 to 10^12, or NaN for none, as base64 of one variable-length integer each. The integer is 0 for none,
 * else 1 + the zigzag code (0, -1, 1, -2, …) of the difference to the last number. Each byte holds seven bits, lowest first; the
 * eighth bit is set if more bytes follow.
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

/** Reverses `packCounts`. Throws `invalid_request` if the text does not hold exactly `length` counts. */
export function unpackCounts(packed: unknown, length: number): Float64Array {
  const counts = new Float64Array(length);
  let [n, last, value, unit] = [0, 0, 0, 1];
  for (const byte of bytesOf(packed)) {
    value += (byte % 128) * unit;
    unit *= 128;
    if (byte >= 128) continue;
    if (value > 0) last += value % 2 === 1 ? (value - 1) / 2 : -value / 2;
    if (n === length || !Number.isSafeInteger(last) || last < 0) throw corruptSnapshot('invalid counts');
    counts[n++] = value === 0 ? Number.NaN : last;
    [value, unit] = [0, 1];
  }
  if (n !== length || unit !== 1) throw corruptSnapshot(`expected ${length} counts, got ${n}`);
  return counts;
}

/** Reads a whole number of at least `min` from a snapshot. Throws `invalid_request`. */
export function unpackInteger(provided: unknown, min: number): number {
  if (typeof provided !== 'number' || !Number.isSafeInteger(provided) || provided < min) throw corruptSnapshot('a whole number is missing');
  return provided;
}

/** Reads a finite number from a snapshot. Throws `invalid_request`. */
export function unpackNumber(provided: unknown): number {
  if (typeof provided !== 'number' || !Number.isFinite(provided)) throw corruptSnapshot('a number is missing');
  return provided;
}

/** Reads an object from a snapshot. Throws `invalid_request`. */
export function unpackObject(provided: unknown): Readonly<Record<string, unknown>> {
  if (typeof provided !== 'object' || provided === null || Array.isArray(provided)) throw corruptSnapshot('an object is missing');
  return provided as Readonly<Record<string, unknown>>;
}

/** Reads a list of exactly `length` items from a snapshot. Throws `invalid_request`. */
export function unpackList(provided: unknown, length: number): readonly unknown[] {
  if (!Array.isArray(provided) || provided.length !== length) throw corruptSnapshot(`a list of ${length} is missing`);
  return provided;
}

function bytesOf(packed: unknown): Uint8Array {
  if (typeof packed !== 'string') throw corruptSnapshot('packed numbers are missing');
  return Buffer.from(packed, 'base64');
}

/** The error for an invalid snapshot. */
export function corruptSnapshot(what: string): PlatformError {
  return new PlatformError('invalid_request', `broken forecaster snapshot: ${what}. Create a new forecaster`);
}

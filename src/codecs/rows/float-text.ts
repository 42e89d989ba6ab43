/**
 * Formats 32-bit floats quickly, with few digits that parse back to the same 32-bit number. JavaScript formats them as doubles, with
 * meaningless digits, in three times the time and twice the bytes. JSON responses and prediction files consist mostly of such numbers.
 */

/** The longest text of any number written here. */
export const numberBytesMax = 28;

/** `tenTo[k + offset]` is 10^k. */
const offset = 60;
const tenTo = Float64Array.from({ length: 2 * offset + 1 }, (_, at) => Number(`1e${at - offset}`));
/** The smallest normal number; smaller ones have fewer significant bits. */
const normalMin = 2 ** -126;
const normalMax = 2 ** 127;
/** 9 digits distinguish any number from its neighbours (IEEE 754: 1 + ceil(24 log10 2) = 9). */
const digitsMax = 9;
/** A hundred times the maximum error of the products, in units of the ninth digit. */
const margin = 1e-5;

/** A 32-bit float and its bits. */
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
/** Numbers formatted at once: a large response needs no large buffer. */
const blockSize = 1024;
const block = Buffer.alloc(blockSize * (numberBytesMax + 1));
/** Half the distance of a number to its neighbours, by its exponent bits. */
const halfStep = Float64Array.from({ length: 256 }, (_, biased) => 2 ** (biased - 127 - 24));

const zero = 0x30;
const minus = 0x2d;
const plus = 0x2b;
const point = 0x2e;
const letterE = 0x65;
const comma = 0x2c;
/** The digits of 0 to 99. */
const tensOf = Uint8Array.from({ length: 100 }, (_, pair) => zero + Math.floor(pair / 10));
const onesOf = Uint8Array.from({ length: 100 }, (_, pair) => zero + (pair % 10));

/**
 * Writes a 32-bit float at `at`, where `numberBytesMax` must fit, and returns its end. NaN and infinities are as in JavaScript.
 */
export function writeFloat(into: Uint8Array, at: number, value: number): number {
  const size = Math.abs(value);
  if (size < 1e9 && Math.trunc(size) === size) return writeWhole(into, value < 0 ? writeByte(into, at, minus) : at, size);
  if (!(size >= normalMin && size <= normalMax)) return writeText(into, at, String(value));
  float[0] = size;
  const biased = (bits[0] as number) >> 23;
  // 2^e is in [10^k, 10^(k+1)) with k = floor(e log10 2); the number itself can be one decade higher.
  let exponent = Math.floor((biased - 127) * Math.LOG10E * Math.LN2);
  if (size >= (tenTo[exponent + 1 + offset] as number)) exponent++;
  const shift = digitsMax - 1 - exponent;
  const scale = tenTo[shift + offset] as number;
  const start = value < 0 ? writeByte(into, at, minus) : at;
  const above = (halfStep[biased] as number) * scale - margin;
  const isPower = ((bits[0] as number) & 0x7f_ffff) === 0;
  return writeShortest(into, start, size * scale, { shift, above, below: isPower ? above / 2 : above });
}

/** 32-bit floats from index `from` to before `to`, separated by commas; NaN and infinities are as in JavaScript. */
export function joinFloats(values: ArrayLike<number>, from = 0, to = values.length): string {
  let text = '';
  for (let start = from; start < to; start += blockSize) {
    const end = Math.min(start + blockSize, to);
    let at = 0;
    for (let index = start; index < end; index++) {
      if (index > from) block[at++] = comma;
      at = writeFloat(block, at, values[index] as number);
    }
    text += block.toString('latin1', 0, at);
  }
  return text;
}

/** The text of one 32-bit float, as `writeFloat` writes it. */
export function floatText(value: number): string {
  return block.toString('latin1', 0, writeFloat(block, 0, value));
}

interface Decade {
  readonly shift: number;
  /** Maximum distance at which a decimal still identifies the number. Below a power of two, the neighbour is half as far away. */
  readonly above: number;
  readonly below: number;
}

/** Writes `scaled` / 10^`shift` with the fewest digits that identify it; `scaled` has nine digits before its point. */
function writeShortest(into: Uint8Array, start: number, scaled: number, { shift, above, below }: Decade): number {
  let whole = (scaled + 0.5) | 0;
  let places = shift;
  // A number exact in six digits can have fewer: trailing zeros are dropped.
  for (let unit = 10; unit <= 1000; unit *= 10) {
    const rounded = (scaled / unit + 0.5) | 0;
    const off = rounded * unit - scaled;
    if (off > above || -off > below) break;
    whole = rounded;
    places--;
  }
  return writeDecimal(into, start, whole, places);
}

/** Writes a whole number of at most 10 digits. */
function writeWhole(into: Uint8Array, at: number, whole: number): number {
  const end = at + digitsOf(whole);
  writeDigits(into, end, whole, end - at);
  return end;
}

/** Writes `whole` / 10^`shift` in the format of JavaScript. */
function writeDecimal(into: Uint8Array, start: number, whole: number, shift: number): number {
  let left = whole | 0;
  let places = shift;
  for (let rest = (left / 10) | 0; rest * 10 === left; rest = (left / 10) | 0) {
    left = rest;
    places--;
  }
  const count = digitsOf(left);
  const exponent = count - 1 - places;
  let at = start;
  if (exponent >= 21 || exponent < -6) return writeScientific(into, at, left, count, exponent);
  if (places <= 0) {
    at = writeWhole(into, at, left);
    for (let zeros = -places; zeros > 0; zeros--) into[at++] = zero;
    return at;
  }
  if (exponent < 0) {
    into[at++] = zero;
    into[at++] = point;
    for (let zeros = -exponent - 1; zeros > 0; zeros--) into[at++] = zero;
    return writeWhole(into, at, left);
  }
  // Digits after the point first, from the right.
  const end = at + count + 1;
  const rest = writeDigits(into, end, left, places);
  into[end - places - 1] = point;
  writeDigits(into, end - places - 1, rest, count - places);
  return end;
}

function writeScientific(into: Uint8Array, start: number, left: number, count: number, exponent: number): number {
  let at = start;
  if (count === 1) into[at++] = zero + left;
  else {
    const end = at + count + 1;
    into[at] = zero + writeDigits(into, end, left, count - 1);
    into[at + 1] = point;
    at = end;
  }
  into[at++] = letterE;
  into[at++] = exponent < 0 ? minus : plus;
  return writeWhole(into, at, Math.abs(exponent));
}

/**
 * Writes the last `count` digits, up to `end`, two at a time, and returns the leading part of the number. Division is fast because numbers
 * are at most 32 bits long.
 */
function writeDigits(into: Uint8Array, end: number, whole: number, count: number): number {
  let left = whole | 0;
  let at = end - 1;
  const start = end - count;
  for (; at > start; at -= 2) {
    const rest = (left / 100) | 0;
    const pair = left - 100 * rest;
    into[at] = onesOf[pair] as number;
    into[at - 1] = tensOf[pair] as number;
    left = rest;
  }
  if (at < start) return left;
  const rest = (left / 10) | 0;
  into[at] = zero + left - 10 * rest;
  return rest;
}

function digitsOf(whole: number): number {
  if (whole >= 100_000) return whole >= 10_000_000 ? (whole >= 1e9 ? 10 : whole >= 1e8 ? 9 : 8) : whole >= 1_000_000 ? 7 : 6;
  if (whole >= 100) return whole >= 10_000 ? 5 : whole >= 1000 ? 4 : 3;
  return whole >= 10 ? 2 : 1;
}

function writeByte(into: Uint8Array, at: number, byte: number): number {
  into[at] = byte;
  return at + 1;
}

/** Writes ASCII text and returns its end. */
export function writeText(into: Uint8Array, start: number, text: string): number {
  for (let at = 0; at < text.length; at++) into[start + at] = text.charCodeAt(at);
  return start + text.length;
}

/**
 * 32-bit floats as text with few digits, quickly: whoever reads it into 32 bits has the same number again. JavaScript
 * writes them as the doubles they are here, with digits that nobody measured. Bytes are written, not strings: a file of
 * predictions is mostly this.
 */

/** The longest text of any number that is written here. */
export const numberBytesMax = 28;

/** 10^k of `tenTo[k + offset]`. */
const offset = 60;
const tenTo = Float64Array.from({ length: 2 * offset + 1 }, (_, at) => Number(`1e${at - offset}`));
/** Below are numbers with fewer bits. */
const normalMin = 2 ** -126;
const normalMax = 2 ** 127;
/** Any number is told apart from its neighbours by 9 digits (IEEE 754: 1 + ceil(24 log10 2) = 9). */
const digitsTried = [6, 8, 9] as const;
/** What our own products and quotients may be off by, each side. */
const above = 1 + 2 ** -51;
const below = 1 - 2 ** -51;

const zero = 0x30;
const minus = 0x2d;
const plus = 0x2b;
const point = 0x2e;
const letterE = 0x65;

/** Writes a 32-bit float at `at`, where there is room for `numberBytesMax`, and answers where it ends. NaN and infinities are as in JavaScript. */
export function writeFloat(into: Uint8Array, at: number, value: number): number {
  const size = Math.abs(value);
  if (size < 1e9 && Math.trunc(size) === size) return writeWhole(into, value < 0 ? writeByte(into, at, minus) : at, size);
  if (!(size >= normalMin && size <= normalMax)) return writeText(into, at, String(value));
  const exponent = Math.floor(Math.log10(size));
  for (const digits of digitsTried) {
    const shift = digits - 1 - exponent;
    const whole = Math.round(size * (tenTo[shift + offset] as number));
    const read = whole * (tenTo[offset - shift] as number);
    if (Math.fround(read * above) !== size || Math.fround(read * below) !== size || whole > 1e9) continue;
    return writeDecimal(into, value < 0 ? writeByte(into, at, minus) : at, whole, shift);
  }
  return writeText(into, at, String(value));
}

/** A whole number of at most 10 digits. */
function writeWhole(into: Uint8Array, at: number, whole: number): number {
  const end = at + digitsOf(whole);
  writeDigits(into, end, whole, end - at);
  return end;
}

/** `whole` / 10^`shift`, as JavaScript would write it. */
function writeDecimal(into: Uint8Array, start: number, whole: number, shift: number): number {
  let left = whole;
  let places = shift;
  while (left % 10 === 0) {
    left /= 10;
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
  // The digits behind the point first, from the right.
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

/** The last `count` digits, up to `end`; the answer is what stands before them. */
function writeDigits(into: Uint8Array, end: number, whole: number, count: number): number {
  let left = whole;
  for (let at = end - 1; at >= end - count; at--) {
    const rest = Math.floor(left / 10);
    into[at] = zero + (left - 10 * rest);
    left = rest;
  }
  return left;
}

function digitsOf(whole: number): number {
  let digits = 1;
  for (let limit = 10; whole >= limit; limit *= 10) digits++;
  return digits;
}

function writeByte(into: Uint8Array, at: number, byte: number): number {
  into[at] = byte;
  return at + 1;
}

/** ASCII. */
export function writeText(into: Uint8Array, start: number, text: string): number {
  for (let at = 0; at < text.length; at++) into[start + at] = text.charCodeAt(at);
  return start + text.length;
}

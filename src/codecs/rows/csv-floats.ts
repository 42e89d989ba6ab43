/**
 * The fast path from CSV to numbers: bytes in, 32-bit floats out, without intermediate text. It accepts plain numbers only. Everything else
 * takes the slow path, which reports errors.
 */

const newline = 0x0a;
const carriageReturn = 0x0d;
const comma = 0x2c;
const minus = 0x2d;
const plus = 0x2b;
const point = 0x2e;
const zero = 0x30;
const smallE = 0x65;
const largeE = 0x45;

/** Up to this length a whole number fits 32 bits, which is faster than a double. */
const shortDigits = 9;
/** Up to this length a whole number is exact in a double, as is a power of ten up to 10^22. */
const exactDigits = 15;
const powerMax = 22;
/** Exceeds the relative error of two roundings of doubles. */
const slack = 2 ** -50;
const powersOfTen = Float64Array.from({ length: powerMax + 1 }, (_, power) => Number(`1e${power}`));

/** End of the number parsed by `longNumber`. */
let longEnd = 0;

/**
 * Parses lines of `width` numbers such as `-12.5` into one array, at the start of `into` if given. Returns null if the text contains
 * anything else. Empty lines are skipped. The numbers equal `Number(text)`, rounded to 32 bits.
 *
 * A number of few digits is m / 10^k with m and 10^k exact in a double, so one division gives the double next to it
 * (W. D. Clinger, How to read floating point numbers accurately, PLDI 1990, section 3).
 */
export function csvFloats(
  text: Uint8Array,
  width: number,
  rows: number,
  into: Float32Array = new Float32Array(rows * width),
): Float32Array | null {
  const bytes = ended(text);
  const total = rows * width;
  let at = 0;
  let count = 0;
  while (at < bytes.length) {
    let byte = bytes[at] as number;
    if (byte === newline) {
      at++;
      continue;
    }
    if (byte === carriageReturn && bytes[at + 1] === newline) {
      at += 2;
      continue;
    }
    if (count === total) return null;
    for (const lineEnd = count + width; count < lineEnd; ) {
      const start = at;
      const isNegative = byte === minus;
      if (isNegative) byte = bytes[++at] as number;
      let value = byte - zero;
      let isPlain = value >= 0 && value <= 9;
      if (isPlain) {
        byte = bytes[++at] as number;
        // A single digit, frequent in images and categories, is already a number.
        if (byte !== comma) {
          let digit = byte - zero;
          while (digit >= 0 && digit <= 9) {
            value = (Math.imul(value, 10) + digit) | 0;
            byte = bytes[++at] as number;
            digit = byte - zero;
          }
          let characters = at - start;
          if (byte === point) {
            const decimalsFrom = at + 1;
            let whole = value;
            byte = bytes[++at] as number;
            digit = byte - zero;
            while (digit >= 0 && digit <= 9) {
              whole = (Math.imul(whole, 10) + digit) | 0;
              byte = bytes[++at] as number;
              digit = byte - zero;
            }
            characters = at - start - 1;
            if (characters <= shortDigits) value = whole / (powersOfTen[at - decimalsFrom] as number);
          }
          isPlain = characters <= shortDigits && (byte === comma || byte === newline || byte === carriageReturn);
        }
      }
      if (isPlain) into[count++] = isNegative ? -value : value;
      else {
        value = longNumber(bytes, start);
        if (Number.isNaN(value)) return null;
        into[count++] = value;
        at = longEnd;
        byte = bytes[at] as number;
      }
      if (count === lineEnd) break;
      if (byte !== comma) return null;
      byte = bytes[++at] as number;
    }
    if (byte === carriageReturn) byte = bytes[++at] as number;
    if (byte !== newline) return null;
    at++;
  }
  if (count !== total) return null;
  return into.length === total ? into : into.subarray(0, total);
}

/** The text with a final line break, which terminates the last number. */
function ended(text: Uint8Array): Uint8Array {
  if (text.length === 0 || text[text.length - 1] === newline) return text;
  const bytes = new Uint8Array(text.length + 1);
  bytes.set(text);
  bytes[text.length] = newline;
  return bytes;
}

/**
 * Parses a number of any length, possibly with an exponent. Returns NaN if it is not a number or its 32-bit value is ambiguous. The first
 * digits of a long number give a lower bound; with the last of them increased by one they give an upper bound. Inexact products widen the
 * bounds by some slack. Rounding is monotonic, so if both bounds round to the same 32 bits, all values between them do.
 */
function longNumber(bytes: Uint8Array, start: number): number {
  let at = start;
  let byte = bytes[at] as number;
  const isNegative = byte === minus;
  if (isNegative || byte === plus) byte = bytes[++at] as number;
  let whole = 0;
  let digits = 0;
  let places = 0;
  let isCut = false;
  let pointAt = -1;
  const from = at;
  for (;;) {
    const digit = byte - zero;
    if (digit >= 0 && digit <= 9) {
      if (digits < exactDigits) {
        whole = whole * 10 + digit;
        if (whole !== 0) digits++;
        if (pointAt >= 0) places++;
      } else {
        isCut ||= digit !== 0;
        if (pointAt < 0) places--;
      }
    } else if (byte === point && pointAt < 0) pointAt = at;
    else break;
    byte = bytes[++at] as number;
  }
  if (at - from === (pointAt < 0 ? 0 : 1)) return Number.NaN;
  if (byte === smallE || byte === largeE) {
    byte = bytes[++at] as number;
    const isSmall = byte === minus;
    if (isSmall || byte === plus) byte = bytes[++at] as number;
    let power = -1;
    for (let digit = byte - zero; digit >= 0 && digit <= 9; digit = (bytes[++at] as number) - zero) {
      power = Math.min(Math.max(power, 0) * 10 + digit, 10_000);
    }
    if (power < 0) return Number.NaN;
    places += isSmall ? power : -power;
  }
  longEnd = at;
  if (whole === 0) return isNegative ? -0 : 0;
  if (Math.abs(places) > 2 * powerMax) return Number.NaN;
  const value = shifted(whole, places);
  const isExact = !isCut && Math.abs(places) <= powerMax;
  const above = isCut ? shifted(whole + 1, places) : value;
  if (!isExact && Math.fround(value * (1 - slack)) !== Math.fround(above * (1 + slack))) return Number.NaN;
  return isNegative ? -value : value;
}

/** m / 10^k, or m * 10^-k. Up to 10^22 this is a single operation on exact numbers. */
function shifted(whole: number, places: number): number {
  if (places > powerMax) return whole / (powersOfTen[powerMax] as number) / (powersOfTen[places - powerMax] as number);
  if (places < -powerMax) return whole * (powersOfTen[powerMax] as number) * (powersOfTen[-places - powerMax] as number);
  return places > 0 ? whole / (powersOfTen[places] as number) : whole * (powersOfTen[-places] as number);
}

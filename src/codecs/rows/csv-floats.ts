/**
 * The quick way from CSV to numbers: bytes in, 32-bit floats out, no text between. Only what is plainly numbers; for
 * anything else the long way, with its words about what is wrong.
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

/** Up to here a whole number fits 32 bits, which are quicker than a double. */
const shortDigits = 9;
/** Up to here a whole number is exact in a double, and up to 10^22 a power of ten is. */
const exactDigits = 15;
const powerMax = 22;
/** More than what two roundings of doubles are off by. */
const slack = 2 ** -50;
const powersOfTen = Float64Array.from({ length: powerMax + 1 }, (_, power) => Number(`1e${power}`));

/** Where the number that `longNumber` has read ends. */
let longEnd = 0;

/**
 * Lines of `width` numbers such as `-12.5`, as one array, at the start of `into` where that is given; null where anything else is
 * among them. Lines without anything are left out. The numbers are those of `Number(text)`, rounded to 32 bits.
 *
 * A number of few digits is m / 10^k with m and 10^k exact in a double, so that one division gives the double next to it
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
        // A single digit, most often in what was a picture or a category, is a number already.
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

/** With a line break at its end, where every number stops. */
function ended(text: Uint8Array): Uint8Array {
  if (text.length === 0 || text[text.length - 1] === newline) return text;
  const bytes = new Uint8Array(text.length + 1);
  bytes.set(text);
  bytes[text.length] = newline;
  return bytes;
}

/**
 * A number of any length, also with an exponent; NaN where it is none, or where it is not plain which 32 bits it means.
 *
 * Of a long number the first digits make a number that is no larger than it, and with one more in the last of them one that is
 * no smaller; products that are not exact are given some room. Rounding keeps the order, so where both ends round to the same
 * 32 bits all between them do.
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

/** m / 10^k, or m * 10^-k: up to 10^22 one operation of exact numbers. */
function shifted(whole: number, places: number): number {
  if (places > powerMax) return whole / (powersOfTen[powerMax] as number) / (powersOfTen[places - powerMax] as number);
  if (places < -powerMax) return whole * (powersOfTen[powerMax] as number) * (powersOfTen[-places - powerMax] as number);
  return places > 0 ? whole / (powersOfTen[places] as number) : whole * (powersOfTen[-places] as number);
}

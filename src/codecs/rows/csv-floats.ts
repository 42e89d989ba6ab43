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

/** Up to here a whole number is exact in a double, and so is a power of ten. */
const exactDigits = 15;
const powersOfTen = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/**
 * Lines of `width` numbers such as `-12.5`, as one array; null where anything else is among them. Lines without anything
 * are left out. The numbers are those of `Number(text)`, rounded to 32 bits.
 *
 * A number of at most 15 digits is m / 10^k with m and 10^k exact in a double, so that one division gives the double next to
 * it (W. D. Clinger, How to read floating point numbers accurately, PLDI 1990, section 3).
 */
export function csvFloats(bytes: Uint8Array, width: number, rows: number): Float32Array | null {
  const values = new Float32Array(rows * width);
  const length = bytes.length;
  let count = 0;
  let at = 0;
  let column = 0;
  while (at < length) {
    let byte = bytes[at] as number;
    if (column === 0 && (byte === newline || byte === carriageReturn)) {
      at++;
      continue;
    }
    if (column === width || count === values.length) return null;
    const isNegative = byte === minus;
    if (isNegative || byte === plus) byte = ++at < length ? (bytes[at] as number) : comma;
    let whole = 0;
    let digits = 0;
    let decimals = -1;
    for (;;) {
      const digit = byte - zero;
      if (digit >= 0 && digit <= 9) {
        whole = whole * 10 + digit;
        digits++;
        if (decimals >= 0) decimals++;
      } else if (byte === point && decimals < 0) decimals = 0;
      else break;
      if (++at === length) break;
      byte = bytes[at] as number;
    }
    if (digits === 0 || digits > exactDigits) return null;
    const value = decimals > 0 ? whole / (powersOfTen[decimals] as number) : whole;
    values[count++] = isNegative ? -value : value;
    column++;
    if (at === length) break;
    if (byte === comma) {
      at++;
      if (at === length || column === width) return null;
      continue;
    }
    if (byte === carriageReturn && ++at < length) byte = bytes[at] as number;
    if (byte === newline) at++;
    else if (at < length) return null;
    if (column !== width) return null;
    column = 0;
  }
  return count === values.length && (column === 0 || column === width) ? values : null;
}

/** The subset of ASN.1 DER needed for a certificate. Each function returns one encoded value. */

/** A value with its tag and length. Several contents are concatenated. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

export const derSequence = (...items: readonly Uint8Array[]): Buffer => der(0x30, ...items);
export const derSet = (...items: readonly Uint8Array[]): Buffer => der(0x31, ...items);
export const derOctets = (bytes: Uint8Array): Buffer => der(0x04, bytes);
export const derBits = (bytes: Uint8Array, unused = 0): Buffer => der(0x03, Buffer.from([unused]), bytes);
export const derBoolean = (value: boolean): Buffer => der(0x01, Buffer.from([value ? 0xff : 0]));
export const derText = (value: string): Buffer => der(0x0c, Buffer.from(value, 'utf8'));
/** Explicit context tag, used for optional fields. */
export const derTagged = (number: number, ...items: readonly Uint8Array[]): Buffer => der(0xa0 | number, ...items);
/** Implicit context tag, for primitive values. */
export const derImplicit = (number: number, bytes: Uint8Array): Buffer => der(0x80 | number, bytes);

/** A non-negative integer from big-endian bytes. */
export function derInteger(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  // A leading 1 bit would make it negative.
  return ((digits[0] ?? 0) & 0x80) === 0 ? der(0x02, digits) : der(0x02, Buffer.from([0]), digits);
}

/** `2.5.29.17` */
export function derObjectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let remaining = part >>> 7; remaining > 0; remaining >>>= 7) groups.unshift((remaining & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

/** UTCTime, or GeneralizedTime from 2050 on, as required by RFC 5280. */
export function derTime(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replace(/\.\d+|[-:T]/g, '');
  const isShort = Number(digits.slice(0, 4)) < 2050;
  return isShort ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

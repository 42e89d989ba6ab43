/** Rules for bucket names and keys. A key is text and never becomes a path: `..` has no special meaning. */
import { s3Error } from '../s3-errors.ts';

const keyBytesMax = 1024;

/** Throws `InvalidBucketName`. */
export function checkBucketName(name: string): void {
  const fits = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !/^\d+\.\d+\.\d+\.\d+$/.test(name);
  if (fits) return;
  throw s3Error(
    'InvalidBucketName',
    'The specified bucket is not valid: expected 3 to 63 lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit, and no IP address.',
  );
}

/** 1 to 1024 bytes of UTF-8. Throws `KeyTooLongError`, or `InvalidArgument` for NUL, which database texts cannot hold. */
export function checkKey(key: string): void {
  if (key === '' || !key.isWellFormed() || key.includes('\0')) {
    throw s3Error('InvalidArgument', 'A key must be 1 to 1024 bytes of UTF-8 without the character NUL.');
  }
  if (Buffer.byteLength(key) > keyBytesMax) throw s3Error('KeyTooLongError', `Your key is too long: at most ${keyBytesMax} bytes.`);
}

/** The smallest text greater than every text with this prefix, in the order of UTF-8 bytes; null if there is none. */
export function endOfPrefix(prefix: string): string | null {
  const characters = Array.from(prefix);
  for (;;) {
    const last = characters.pop()?.codePointAt(0);
    if (last === undefined) return null;
    if (last === 0x10ffff) continue; // The last code point has no successor: carry to the previous character.
    // U+D800 to U+DFFF are surrogates, not characters.
    return characters.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
}

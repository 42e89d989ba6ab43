/** Which names buckets and keys may bear. A key is text and never becomes a path: `..` in it means nothing. */
import { refusal } from './s3-errors.ts';

const keyBytesMax = 1024;

/** Throws `InvalidBucketName`. */
export function checkBucketName(name: string): void {
  const fits = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !/^\d+\.\d+\.\d+\.\d+$/.test(name);
  if (fits) return;
  throw refusal(
    'InvalidBucketName',
    'The specified bucket is not valid: expected 3 to 63 lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit, and no IP address.',
  );
}

/** 1 to 1024 bytes of UTF-8. Throws `KeyTooLongError`, `InvalidArgument` for NUL, which a database's text cannot hold. */
export function checkKey(key: string): void {
  if (key === '' || !key.isWellFormed() || key.includes('\0')) {
    throw refusal('InvalidArgument', 'A key must be 1 to 1024 bytes of UTF-8 without the character NUL.');
  }
  if (Buffer.byteLength(key) > keyBytesMax) throw refusal('KeyTooLongError', `Your key is too long: at most ${keyBytesMax} bytes.`);
}

/**
 * The least text that is greater than every text beginning with `prefix`, in the order of UTF-8 bytes; null where there
 * is none.
 */
export function endOfPrefix(prefix: string): string | null {
  const characters = Array.from(prefix);
  for (;;) {
    const last = characters.pop()?.codePointAt(0);
    if (last === undefined) return null;
    if (last === 0x10ffff) continue; // nothing comes after it: carry to the character before
    // From U+D800 to U+DFFF there are no characters.
    return characters.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
}

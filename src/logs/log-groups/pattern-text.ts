/** Shared by both kinds of filter patterns. */
import { PlatformError } from '../../errors.ts';

/** A compiled pattern. It never throws. */
export type Matches = (message: string) => boolean;

/** The error for an invalid pattern. */
export function invalidPattern(why: string): PlatformError {
  return new PlatformError('invalid_request', `Invalid filter pattern: ${why}`);
}

/** Parses a double-quoted text at `at`, in which a backslash escapes the next character. Returns the text and its end. */
export function quotedAt(text: string, at: number): [word: string, end: number] {
  let word = '';
  for (let i = at + 1; i < text.length; i++) {
    const character = text.charAt(i);
    if (character === '"') return [word, i + 1];
    if (character === '\\' && i + 1 < text.length) i++;
    word += text.charAt(i);
  }
  throw invalidPattern(`the quotation mark at character ${at + 1} is not closed`);
}

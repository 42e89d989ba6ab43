/** What the two kinds of filter patterns share. */
import { PlatformError } from '../../errors.ts';

export type Matches = (message: string) => boolean;

/** What a pattern is refused with. */
export function invalid(why: string): PlatformError {
  return new PlatformError('invalid_request', `Invalid filter pattern: ${why}`);
}

/** A text in double quotes that begins at `at`, in which a backslash quotes the next character; and where it ends. */
export function quotedAt(text: string, at: number): [word: string, end: number] {
  let word = '';
  for (let i = at + 1; i < text.length; i++) {
    const character = text.charAt(i);
    if (character === '"') return [word, i + 1];
    if (character === '\\' && i + 1 < text.length) i++;
    word += text.charAt(i);
  }
  throw invalid(`the quotation mark at character ${at + 1} has no partner`);
}

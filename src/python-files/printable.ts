const lengthMax = 200;

/** A text of an untrusted file in a line for people: without control characters, and not endless. */
export function printable(text: string): string {
  const clean = text.slice(0, lengthMax).replace(/[\p{C}\u2028\u2029]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
  return text.length > lengthMax || clean.length > lengthMax ? `${clean.slice(0, lengthMax)}…` : clean;
}

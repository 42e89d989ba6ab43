/** The texts of the parts of a JSON text, which has been parsed: slices keep the digits that a parsed number would lose. Pure. */

interface Member {
  readonly name: string;
  readonly value: string;
}

/** The elements of a list. The text must be valid JSON, and a list. */
export function elementsOfArray(text: string): readonly string[] {
  const elements: string[] = [];
  let at = afterSpace(text, afterSpace(text, 0) + 1);
  while (text[at] !== ']') {
    const end = endOfValue(text, at);
    elements.push(text.slice(at, end));
    at = afterComma(text, end);
  }
  return elements;
}

/** The members of an object, including those with a repeated name. The text must be valid JSON, and an object. */
export function membersOfObject(text: string): readonly Member[] {
  const members: Member[] = [];
  let at = afterSpace(text, afterSpace(text, 0) + 1);
  while (text[at] !== '}') {
    const nameEnd = endOfString(text, at);
    const start = afterSpace(text, afterSpace(text, nameEnd) + 1); // after the colon
    const end = endOfValue(text, start);
    members.push({ name: JSON.parse(text.slice(at, nameEnd)) as string, value: text.slice(start, end) });
    at = afterComma(text, end);
  }
  return members;
}

function afterComma(text: string, at: number): number {
  const next = afterSpace(text, at);
  return text[next] === ',' ? afterSpace(text, next + 1) : next;
}

function afterSpace(text: string, at: number): number {
  let next = at;
  while (isSpace(text.charCodeAt(next))) next++;
  return next;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** The position after the value at `start`. */
function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === 0x22) return endOfString(text, start);
  if (first !== 0x5b && first !== 0x7b) return endOfWord(text, start);
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at) - 1;
    else if (code === 0x5b || code === 0x7b) depth++;
    else if ((code === 0x5d || code === 0x7d) && --depth === 0) return at + 1;
  }
  return text.length;
}

/** The position after the number or word at `start`. */
function endOfWord(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x2c || code === 0x5d || code === 0x7d || isSpace(code)) break;
  }
  return at;
}

/** The position after the closing quote of the string at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) return at + 1;
  }
  return text.length;
}

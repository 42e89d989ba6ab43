/** Conditions of a filter pattern on the members of a line that is JSON: `{ $.a = "x" && ($.b[0].c > 3 || $.d NOT EXISTS) }`. */
import { invalid, type Matches, quotedAt } from './pattern-text.ts';

type Condition = (document: unknown) => boolean;

/** Deeper ones nobody writes. */
const depthMax = 32;
/** A longer line is no line of JSON that somebody means to search. */
const messageLengthMax = 1024 * 1024;

/** Throws `invalid_request` where it is none. */
export function parseConditions(text: string): Matches {
  const condition = new Parser(text).whole();
  return (message) => {
    if (message.length > messageLengthMax || !/^\s*\{/.test(message)) return false;
    let document: unknown;
    try {
      document = JSON.parse(message);
    } catch {
      return false;
    }
    return condition(document);
  };
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Condition {
    this.#expect('{');
    const condition = this.#either(0);
    this.#expect('}');
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#wrong('the end');
    return condition;
  }

  #either(depth: number): Condition {
    if (depth > depthMax) throw invalid(`parentheses stand in each other more than ${depthMax} times`);
    const parts = [this.#both(depth)];
    while (this.#take('||')) parts.push(this.#both(depth));
    return parts.length === 1 ? (parts[0] as Condition) : (document) => parts.some((part) => part(document));
  }

  #both(depth: number): Condition {
    const parts = [this.#single(depth)];
    while (this.#take('&&')) parts.push(this.#single(depth));
    return parts.length === 1 ? (parts[0] as Condition) : (document) => parts.every((part) => part(document));
  }

  #single(depth: number): Condition {
    if (this.#take('(')) {
      const inner = this.#either(depth + 1);
      this.#expect(')');
      return inner;
    }
    const path = this.#selector();
    const found = (document: unknown): unknown[] => valuesAt(document, path);
    const word = /^(?:IS\s+(NULL|TRUE|FALSE)|(NOT)\s+EXISTS)\b/i.exec(this.#rest());
    if (word !== null) {
      this.#at += word[0].length;
      if (word[2] !== undefined) return (document) => found(document).length === 0;
      const wanted = { NULL: null, TRUE: true, FALSE: false }[String(word[1]).toUpperCase() as 'NULL' | 'TRUE' | 'FALSE'];
      return (document) => found(document).some((value) => value === wanted);
    }
    const operator = ['!=', '<=', '>=', '=', '<', '>'].find((each) => this.#take(each));
    if (operator === undefined) throw this.#wrong('=, !=, <, >, <=, >=, IS NULL, IS TRUE, IS FALSE or NOT EXISTS');
    const test = comparison(operator, this.#value());
    return (document) => found(document).some(test);
  }

  /** Names and numbers of a path; `*` stands for every element. */
  #selector(): string[] {
    this.#expect('$');
    const path: string[] = [];
    for (;;) {
      const name = /^\.([^\s.[\]=!<>&|(){}"]+)/.exec(this.#text.slice(this.#at));
      const index = /^\[\s*(\d{1,6}|\*)\s*\]/.exec(this.#text.slice(this.#at));
      const step = name ?? index;
      if (step !== null) {
        this.#at += step[0].length;
        path.push(String(step[1]));
      } else if (/^\[\s*"/.test(this.#text.slice(this.#at))) {
        this.#expect('[');
        this.#skipSpace();
        const [word, end] = quotedAt(this.#text, this.#at);
        this.#at = end;
        this.#expect(']');
        path.push(word);
      } else break;
    }
    if (path.length === 0) throw this.#wrong('the name of a member, such as $.status');
    return path;
  }

  #value(): { readonly text: string; readonly isQuoted: boolean } {
    this.#skipSpace();
    if (this.#text.charAt(this.#at) === '"') {
      const [text, end] = quotedAt(this.#text, this.#at);
      this.#at = end;
      return { text, isQuoted: true };
    }
    if (this.#text.charAt(this.#at) === '%') throw invalid('regular expressions, %…%, are not served here: use * for any characters');
    const [text = ''] = /^[^\s&|(){}"]+/.exec(this.#text.slice(this.#at)) ?? [];
    if (text === '') throw this.#wrong('a value');
    this.#at += text.length;
    return { text, isQuoted: false };
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
  }

  #rest(): string {
    this.#skipSpace();
    return this.#text.slice(this.#at);
  }

  #take(word: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #expect(word: string): void {
    if (!this.#take(word)) throw this.#wrong(word);
  }

  #wrong(expected: string): ReturnType<typeof invalid> {
    const here = this.#rest().slice(0, 20);
    return invalid(`at character ${this.#at + 1} ${expected} is expected, got ${here === '' ? 'the end' : here}`);
  }
}

/** What a path leads to; nothing where it leads nowhere. */
function valuesAt(document: unknown, path: readonly string[]): unknown[] {
  let values = [document];
  for (const step of path) {
    values = values.flatMap((value) => {
      if (typeof value !== 'object' || value === null) return [];
      if (step === '*' && Array.isArray(value)) return value as unknown[];
      return Object.hasOwn(value, step) ? [(value as Record<string, unknown>)[step]] : [];
    });
  }
  return values;
}

function comparison(operator: string, { text, isQuoted }: { readonly text: string; readonly isQuoted: boolean }): Condition {
  const number = isQuoted || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number.NaN : Number(text);
  switch (operator) {
    case '=':
      return (value) => isEqual(value, text, number);
    case '!=':
      return (value) => !isEqual(value, text, number);
    default:
      if (Number.isNaN(number)) throw invalid(`after ${operator} a number is expected, got ${text.slice(0, 40)}`);
  }
  switch (operator) {
    case '<':
      return (value) => typeof value === 'number' && value < number;
    case '>':
      return (value) => typeof value === 'number' && value > number;
    case '<=':
      return (value) => typeof value === 'number' && value <= number;
    default:
      return (value) => typeof value === 'number' && value >= number;
  }
}

function isEqual(value: unknown, text: string, number: number): boolean {
  if (typeof value === 'number' && !Number.isNaN(number)) return value === number;
  return (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') && isLike(String(value), text);
}

/** Whether a text is like one in which `*` stands for any characters; each piece is looked for once, from left to right. */
function isLike(text: string, like: string): boolean {
  const pieces = like.split('*');
  const [head = ''] = pieces;
  if (pieces.length === 1) return text === like;
  const tail = pieces.at(-1) ?? '';
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let at = head.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= text.length - tail.length;
}

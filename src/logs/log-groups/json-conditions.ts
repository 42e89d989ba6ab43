/** Filter-pattern conditions on members of JSON lines: `{ $.a = "x" && ($.b[0].c > 3 || $.d NOT EXISTS) }`. */
import { parseJsonWithin } from '../../codecs/index.ts';
import { invalidPattern, type Matches, quotedAt } from './pattern-text.ts';

type Condition = (document: unknown) => boolean;

/** Nesting limit of parentheses. */
const depthMax = 32;
/** Longer lines never match, nor do those that hold more: a page of them would be parsed for a fifth of a second. */
const messageLengthMax = 1024 * 1024;
const lineLimits = { depthMax: 64, valuesMax: 100_000, nodesMax: 20_000 };

/** Throws `invalid_request` for an invalid pattern. */
export function parseConditions(text: string): Matches {
  const condition = new Parser(text).whole();
  return (message) => {
    if (message.length > messageLengthMax || !/^\s*\{/.test(message)) return false;
    let document: unknown;
    try {
      document = parseJsonWithin(message, lineLimits);
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
    if (depth > depthMax) throw invalidPattern(`parentheses are nested deeper than ${depthMax}`);
    const parts = [this.#both(depth)];
    while (this.#consume('||')) parts.push(this.#both(depth));
    return parts.length === 1 ? (parts[0] as Condition) : (document) => parts.some((part) => part(document));
  }

  #both(depth: number): Condition {
    const parts = [this.#single(depth)];
    while (this.#consume('&&')) parts.push(this.#single(depth));
    return parts.length === 1 ? (parts[0] as Condition) : (document) => parts.every((part) => part(document));
  }

  #single(depth: number): Condition {
    if (this.#consume('(')) {
      const inner = this.#either(depth + 1);
      this.#expect(')');
      return inner;
    }
    const path = this.#selector();
    const found = (document: unknown): unknown[] => valuesAt(document, path);
    const word = /^(?:IS\s+(NULL|TRUE|FALSE)|(NOT)\s+EXISTS)\b/i.exec(this.#remaining());
    if (word !== null) {
      this.#at += word[0].length;
      if (word[2] !== undefined) return (document) => found(document).length === 0;
      const wanted = { NULL: null, TRUE: true, FALSE: false }[String(word[1]).toUpperCase() as 'NULL' | 'TRUE' | 'FALSE'];
      return (document) => found(document).some((value) => value === wanted);
    }
    const operator = ['!=', '<=', '>=', '=', '<', '>'].find((each) => this.#consume(each));
    if (operator === undefined) throw this.#wrong('=, !=, <, >, <=, >=, IS NULL, IS TRUE, IS FALSE or NOT EXISTS');
    const test = comparison(operator, this.#value());
    return (document) => found(document).some(test);
  }

  /** Names and indexes of a path; `*` stands for every element. */
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
    if (this.#text.charAt(this.#at) === '%') throw invalidPattern('regular expressions, %…%, are not supported. Use * for any characters');
    const [text = ''] = /^[^\s&|(){}"]+/.exec(this.#text.slice(this.#at)) ?? [];
    if (text === '') throw this.#wrong('a value');
    this.#at += text.length;
    return { text, isQuoted: false };
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
  }

  #remaining(): string {
    this.#skipSpace();
    return this.#text.slice(this.#at);
  }

  #consume(word: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #expect(word: string): void {
    if (!this.#consume(word)) throw this.#wrong(word);
  }

  #wrong(expected: string): ReturnType<typeof invalidPattern> {
    const here = this.#remaining().slice(0, 20);
    return invalidPattern(`expected ${expected} at character ${this.#at + 1}, got ${here === '' ? 'the end' : here}`);
  }
}

/** Values at a path; none if it does not exist. */
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
      if (Number.isNaN(number)) throw invalidPattern(`expected a number after ${operator}, got ${text.slice(0, 40)}`);
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

/** Whether `text` matches `like`, in which `*` stands for any characters. Pieces are searched once, left to right. */
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

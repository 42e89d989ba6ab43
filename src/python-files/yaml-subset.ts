/**
 * Reads the part of YAML that MLflow writes: maps and lists in block style, plain and quoted texts, also folded over lines. Everything else
 * (anchors, aliases, tags, flow style, several documents) is rejected: it is not in such files, and lets a small file grow without bound or
 * mean something else to another reader. Takes time in proportion to the text, which general readers do not.
 */
import { PlatformError } from '../errors.ts';

/** Maps keep the order of the file. */
export type YamlValue = string | number | boolean | null | readonly YamlValue[] | ReadonlyMap<string, YamlValue>;

interface Line {
  readonly number: number;
  readonly indent: number;
  /** Without indentation; empty lines are only of interest within texts. */
  readonly text: string;
}

const depthMax = 64;

/** Throws `invalid_request` with the line. `what` names the file. */
export function readYaml(text: string, what: string): YamlValue {
  const parser = new YamlParser(linesOf(text), what);
  return parser.document();
}

function linesOf(text: string): Line[] {
  return text.split(/\r?\n/).map((line, index) => {
    const content = line.trimStart();
    return { number: index + 1, indent: line.length - content.length, text: content.trimEnd() };
  });
}

class YamlParser {
  readonly #lines: Line[];
  readonly #what: string;
  #at = 0;

  constructor(lines: Line[], what: string) {
    this.#lines = lines;
    this.#what = what;
  }

  document(): YamlValue {
    const first = this.#next();
    if (first === null) return null;
    if (first.text === '---') this.#at++;
    const start = this.#next();
    const value = start === null ? null : this.#block(start.indent, 0);
    const rest = this.#next();
    if (rest !== null) throw this.#unexpected(rest);
    return value;
  }

  /** The next line with content; null at the end. */
  #next(): Line | null {
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] as Line;
      if (line.text !== '' && !line.text.startsWith('#')) return line;
    }
    return null;
  }

  #block(indent: number, depth: number): YamlValue {
    if (depth > depthMax) throw this.#error(`is nested more than ${depthMax} deep`);
    const line = this.#next() as Line;
    return isItem(line.text) ? this.#list(indent, depth) : this.#map(indent, depth);
  }

  #map(indent: number, depth: number): YamlValue {
    const map = new Map<string, YamlValue>();
    for (let line = this.#next(); line !== null && line.indent === indent && !isItem(line.text); line = this.#next()) {
      const colon = keyEnd(line.text);
      if (colon === -1) throw this.#unexpected(line);
      const key = this.#key(line.text.slice(0, colon).trimEnd(), line);
      if (map.has(key)) throw this.#error(`has '${key.slice(0, 100)}' twice`, line);
      map.set(key, this.#valueAfter(line, line.text.slice(colon + 1).trimStart(), indent, depth));
    }
    return map;
  }

  #list(indent: number, depth: number): YamlValue {
    const list: YamlValue[] = [];
    for (let line = this.#next(); line !== null && line.indent === indent && isItem(line.text); line = this.#next()) {
      const content = line.text.slice(1).trimStart();
      if (content === '' || !(isItem(content) || keyEnd(content) !== -1)) {
        list.push(this.#valueAfter(line, content, indent, depth));
        continue;
      }
      // A map or list that begins on the line of its item.
      const inner = indent + line.text.length - content.length;
      this.#lines[this.#at] = { number: line.number, indent: inner, text: content };
      list.push(this.#block(inner, depth + 1));
    }
    return list;
  }

  /** The value of a key or item: what follows on the line, or the block below. */
  #valueAfter(line: Line, text: string, indent: number, depth: number): YamlValue {
    this.#at++;
    if (text !== '' && !text.startsWith('#')) return this.#scalar(line, text, indent);
    const below = this.#next();
    if (below !== null && below.indent > indent) return this.#block(below.indent, depth + 1);
    return below !== null && below.indent === indent && isItem(below.text) && !isItem(line.text) ? this.#block(indent, depth + 1) : null;
  }

  #scalar(line: Line, text: string, indent: number): YamlValue {
    if (text === '[]') return [];
    if (text === '{}') return new Map();
    const quote = text[0] as string;
    if (quote === '"' || quote === "'") return this.#quoted(line, text, quote);
    if (/^[[\]{}&*!|>%@`?]/.test(text)) throw this.#error(`has '${text.slice(0, 40)}': expected a plain or quoted text`, line);
    const folded = [withoutComment(text)];
    for (let next = this.#next(); next !== null && next.indent > indent; next = this.#next()) {
      if (keyEnd(next.text) !== -1) throw this.#unexpected(next);
      folded.push(withoutComment(next.text));
      this.#at++;
    }
    return folded.length === 1 ? typed(folded[0] as string) : folded.join(' ');
  }

  /** A quoted text, to its closing quote. A line break within is a space; n empty lines are n line breaks. */
  #quoted(line: Line, start: string, quote: string): string {
    let text = '';
    let rest = start.slice(1);
    for (let breaks = 0; ; ) {
      const end = closingQuote(rest, quote);
      const piece = end === -1 ? rest : rest.slice(0, end);
      const isContinued = quote === '"' && end === -1 && /(?<!\\)(?:\\\\)*\\$/.test(piece);
      text += isContinued ? piece.slice(0, -1) : piece;
      if (end !== -1) {
        const after = rest.slice(end + 1).trim();
        if (after !== '' && !after.startsWith('#')) throw this.#unexpected(line);
        return unescaped(text, quote) ?? this.#fail(line);
      }
      for (breaks = 0; this.#lines[this.#at]?.text === ''; this.#at++) breaks++;
      const next = this.#lines[this.#at++];
      if (next === undefined) throw this.#error('has a text without closing quote', line);
      text += isContinued ? '' : breaks === 0 ? ' ' : '\n'.repeat(breaks);
      rest = next.text;
    }
  }

  #key(text: string, line: Line): string {
    const quote = text[0];
    if (quote !== '"' && quote !== "'") {
      if (text === '' || /^[[\]{}&*!|>%@`?<-]/.test(text)) throw this.#unexpected(line);
      return text;
    }
    if (closingQuote(text.slice(1), quote) !== text.length - 2) throw this.#unexpected(line);
    return unescaped(text.slice(1, -1), quote) ?? this.#fail(line);
  }

  #fail(line: Line): never {
    throw this.#error('has an unknown escape', line);
  }

  #unexpected(line: Line): PlatformError {
    return this.#error(`has '${line.text.slice(0, 40)}', which is not expected there`, line);
  }

  #error(what: string, line: Line | null = this.#next()): PlatformError {
    const at = line === null ? '' : ` line ${line.number}`;
    return new PlatformError('invalid_request', `${this.#what}${at} ${what}. Only the YAML that MLflow writes is read`);
  }
}

function isItem(text: string): boolean {
  return text === '-' || text.startsWith('- ');
}

/** Position of the colon after a key; -1 if the line is none. */
function keyEnd(text: string): number {
  const quote = text[0];
  const from = quote === '"' || quote === "'" ? closingQuote(text.slice(1), quote) + 2 : 0;
  if (from === 1) return -1;
  const colon = text.startsWith(':', from) && from > 0 ? from : from > 0 ? -1 : text.search(/:(?:\s|$)/);
  return colon !== -1 && /^(?:\s|$)/.test(text.slice(colon + 1, colon + 2)) ? colon : -1;
}

/** In a text after its opening quote; -1 if it goes on in the next line. */
function closingQuote(text: string, quote: string): number {
  for (let at = 0; at < text.length; at++) {
    if (quote === '"' && text[at] === '\\') at++;
    else if (text[at] === quote) {
      if (quote === '"' || text[at + 1] !== "'") return at;
      at++;
    }
  }
  return -1;
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  '"': '"',
  '\\': '\\',
  '/': '/',
  ' ': ' ',
  e: '\u001b',
};

/** Null for an unknown escape. */
function unescaped(text: string, quote: string): string | null {
  if (quote === "'") return text.replaceAll("''", "'");
  let isValid = true;
  const plain = text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U000([\da-fA-F]{5})|([^])|$)/g,
    (_, x, u, wide, letter: string | undefined) => {
      const hex = (x ?? u ?? wide) as string | undefined;
      if (hex !== undefined) {
        const code = Number.parseInt(hex, 16);
        isValid &&= code <= 0x10ffff;
        return isValid ? String.fromCodePoint(code) : '';
      }
      const meant = letter === undefined || !Object.hasOwn(escapes, letter) ? undefined : escapes[letter];
      isValid &&= meant !== undefined;
      return meant ?? '';
    },
  );
  return isValid ? plain : null;
}

function withoutComment(text: string): string {
  const comment = text.indexOf(' #');
  return comment === -1 ? text : text.slice(0, comment).trimEnd();
}

function typed(text: string): YamlValue {
  if (text === 'null' || text === '~') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^[-+]?(?:\d{1,15}|\d{1,15}\.\d{0,15}(?:e[-+]?\d{1,3})?)$/.test(text) ? Number(text) : text;
}

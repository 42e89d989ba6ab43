/**
 * Expressions over series, as in CloudWatch metric math: `+ - * /`, comparisons, parentheses, SUM, AVG, MIN, MAX, RATE, PERIOD, FILL, IF,
 * METRICS, and lists of ids. Parsed once, bounded, arithmetic only.
 */
import type { PlatformError } from '../../errors.ts';
import { functions } from './functions.ts';
import { joinSeries, type MathContext, type MathSeries, mathError, seriesList, seriesOf, type Value } from './value.ts';

/** A parsed expression. Throws `invalid_request` if it cannot be evaluated in this context. */
export type Expression = (context: MathContext) => MathSeries;

const textMax = 2048;
const depthMax = 64;

/** Throws `invalid_request` with the position. */
export function parseMath(text: string): { readonly ids: ReadonlySet<string>; readonly evaluate: Expression } {
  if (text.length > textMax) throw mathError(`it exceeds ${textMax} characters`);
  const parser = new Parser(tokensOf(text));
  const value = parser.whole();
  return { ids: parser.ids, evaluate: (context) => seriesOf(value(context), context) };
}

type Node = (context: MathContext) => Value;

interface Token {
  readonly kind: 'number' | 'name' | 'text' | 'sign' | 'end';
  readonly text: string;
  readonly at: number;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|"([^"]*)"|(>=|<=|==|!=|[-+*/(),<>[\]]))/y;
  while (pattern.lastIndex < text.trimEnd().length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) throw mathError(`unexpected '${text.slice(at, at + 20).trim()}' at character ${at + 1}`);
    const [, number, name, quoted, sign] = match;
    if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name, at });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted, at });
    else tokens.push({ kind: 'sign', text: sign as string, at });
  }
  return [...tokens, { kind: 'end', text: 'the end', at: text.length }];
}

const comparing: Readonly<Record<string, (a: number, b: number) => number>> = {
  '>': (a, b) => Number(a > b),
  '>=': (a, b) => Number(a >= b),
  '<': (a, b) => Number(a < b),
  '<=': (a, b) => Number(a <= b),
  '==': (a, b) => Number(a === b),
  '!=': (a, b) => Number(a !== b),
};
const adding: Readonly<Record<string, (a: number, b: number) => number>> = { '+': (a, b) => a + b, '-': (a, b) => a - b };
const multiplying: Readonly<Record<string, (a: number, b: number) => number>> = { '*': (a, b) => a * b, '/': (a, b) => a / b };
/** Lowest precedence first. */
const levels = [comparing, adding, multiplying];

class Parser {
  readonly ids = new Set<string>();
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Node {
    const node = this.#level(0);
    if (this.#peek().kind !== 'end') throw this.#unexpected('an operator');
    return node;
  }

  #level(level: number): Node {
    const signs = levels[level];
    if (signs === undefined) return this.#signed();
    if (++this.#depth > depthMax) throw mathError(`it is nested deeper than ${depthMax}`);
    let left = this.#level(level + 1);
    for (;;) {
      const { kind, text } = this.#peek();
      const operate = kind === 'sign' && Object.hasOwn(signs, text) ? signs[text] : undefined;
      if (operate === undefined) break;
      this.#next++;
      const [first, second] = [left, this.#level(level + 1)];
      left = (context) => joinSeries(first(context), second(context), operate);
    }
    this.#depth--;
    return left;
  }

  #signed(): Node {
    let isNegative = false;
    while (this.#accept('-')) isNegative = !isNegative;
    const node = this.#atom();
    return isNegative ? (context) => joinSeries(0, node(context), (a, b) => a - b) : node;
  }

  #atom(): Node {
    const token = this.#peek();
    if (token.kind === 'number') {
      this.#next++;
      const value = Number(token.text);
      return () => value;
    }
    if (token.kind === 'name') {
      this.#next++;
      return this.#accept('(') ? this.#called(token) : this.#named(token.text);
    }
    if (this.#accept('[')) return this.#list();
    if (!this.#accept('(')) throw this.#unexpected('a number, an id, a function or a parenthesis');
    const inner = this.#level(0);
    this.#expect(')');
    return inner;
  }

  /** `[m1, m2]`: several series, for a function that combines them. */
  #list(): Node {
    const nodes = [this.#level(0)];
    while (!this.#accept(']')) {
      this.#expect(',');
      nodes.push(this.#level(0));
    }
    return (context) =>
      seriesList(
        nodes.map((node) => node(context)),
        context,
      );
  }

  #named(id: string): Node {
    this.ids.add(id);
    return ({ series }) => {
      const found = series.get(id);
      if (found === undefined) throw mathError(`no query has the id '${id}'`);
      return found;
    };
  }

  #called({ text, at }: Token): Node {
    const name = text.toUpperCase();
    if (name === 'METRICS') return this.#metrics();
    const nodes: Node[] = [];
    let mode: string | null = null;
    while (!this.#accept(')')) {
      if (nodes.length > 0) this.#expect(',');
      const { kind, text: word } = this.#peek();
      if (name === 'FILL' && nodes.length === 1 && kind === 'name' && /^(REPEAT|LINEAR)$/i.test(word)) {
        this.#next++;
        mode = word.toUpperCase();
        this.#expect(')');
        break;
      }
      nodes.push(this.#level(0));
    }
    const call = functions[name];
    if (call === undefined || !Object.hasOwn(functions, name))
      throw mathError(
        `unknown function ${text} at character ${at + 1}: expected one of ${[...Object.keys(functions), 'METRICS'].join(', ')}`,
      );
    const [least, most] = call.takes;
    const count = nodes.length + (mode === null ? 0 : 1);
    if (count < least || count > most)
      throw mathError(`${name} takes ${least === most ? least : `${least} to ${most}`} arguments, got ${count}`);
    return (context) =>
      call.run(
        nodes.map((node) => node(context)),
        context,
        mode,
      );
  }

  #metrics(): Node {
    const token = this.#peek();
    if (token.kind === 'text') this.#next++;
    this.#expect(')');
    const part = token.kind === 'text' ? token.text : '';
    return ({ series, measured }) => [...series].filter(([id]) => id.includes(part) && (measured?.has(id) ?? true)).map(([, each]) => each);
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #accept(sign: string): boolean {
    const { kind, text } = this.#peek();
    if (kind !== 'sign' || text !== sign) return false;
    this.#next++;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#accept(sign)) throw this.#unexpected(`'${sign}'`);
  }

  #unexpected(requested: string): PlatformError {
    const { text, at } = this.#peek();
    return mathError(`expected ${requested} at character ${at + 1}, got '${text}'`);
  }
}

/**
 * Expressions over series of numbers, as CloudWatch's metric math has them: `+ - * /`, comparisons, parentheses, and SUM, AVG, MIN, MAX, RATE,
 * PERIOD, FILL, IF, METRICS. Parsed once, bounded, and nothing but arithmetic.
 */
import { PlatformError } from '../errors.ts';

/** Epoch milliseconds to value, rising. */
export type Series = ReadonlyMap<number, number>;
/** A number that is the same at all times; one series; or several, which only a function that joins them makes one of. */
type Value = number | Series | readonly Series[];

export interface MathContext {
  /** By id; undefined where there is none. */
  readonly series: ReadonlyMap<string, Series>;
  /** Ids of those that were measured, not reckoned: what METRICS means. All of them where it is not said. */
  readonly measured?: ReadonlySet<string>;
  /** Seconds. */
  readonly periodS: number;
}

export type Expression = (context: MathContext) => Series;

const textMax = 2048;
const depthMax = 64;

/** Throws `invalid_request` that says where. */
export function parseMath(text: string): { readonly ids: ReadonlySet<string>; readonly evaluate: Expression } {
  if (text.length > textMax) throw wrong(`it is longer than ${textMax} characters`);
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
  const pattern = /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|"([^"]*)"|(>=|<=|==|!=|[-+*/(),<>]))/y;
  while (pattern.lastIndex < text.trimEnd().length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) throw wrong(`'${text.slice(at, at + 20).trim()}' at character ${at + 1} is not understood`);
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
/** From those that bind least. */
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
    if (++this.#depth > depthMax) throw wrong(`it is nested deeper than ${depthMax}`);
    let left = this.#level(level + 1);
    for (;;) {
      const { kind, text } = this.#peek();
      const operate = kind === 'sign' && Object.hasOwn(signs, text) ? signs[text] : undefined;
      if (operate === undefined) break;
      this.#next++;
      const [first, second] = [left, this.#level(level + 1)];
      left = (context) => joined(first(context), second(context), operate);
    }
    this.#depth--;
    return left;
  }

  #signed(): Node {
    let isNegative = false;
    while (this.#accept('-')) isNegative = !isNegative;
    const node = this.#atom();
    return isNegative ? (context) => joined(0, node(context), (a, b) => a - b) : node;
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
    if (!this.#accept('(')) throw this.#unexpected('a number, an id, a function or a parenthesis');
    const inner = this.#level(0);
    this.#expect(')');
    return inner;
  }

  #named(id: string): Node {
    this.ids.add(id);
    return ({ series }) => {
      const found = series.get(id);
      if (found === undefined) throw wrong(`there is no '${id}' among the queries`);
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
      throw wrong(`${text} at character ${at + 1} is no function here: there are ${[...Object.keys(functions), 'METRICS'].join(', ')}`);
    const [least, most] = call.takes;
    const count = nodes.length + (mode === null ? 0 : 1);
    if (count < least || count > most)
      throw wrong(`${name} takes ${least === most ? least : `${least} to ${most}`} arguments, got ${count}`);
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

  #unexpected(wished: string): PlatformError {
    const { text, at } = this.#peek();
    return wrong(`expected ${wished} at character ${at + 1}, got '${text}'`);
  }
}

interface MathFunction {
  /** Least and most arguments. */
  readonly takes: readonly [number, number];
  readonly run: (values: readonly Value[], context: MathContext, mode: string | null) => Value;
}

const functions: Readonly<Record<string, MathFunction>> = {
  SUM: { takes: [1, 1], run: ([value]) => folded(value as Value, (all) => all.reduce((sum, each) => sum + each, 0)) },
  AVG: { takes: [1, 1], run: ([value]) => folded(value as Value, (all) => all.reduce((sum, each) => sum + each, 0) / all.length) },
  MIN: { takes: [1, 1], run: ([value]) => folded(value as Value, (all) => Math.min(...all)) },
  MAX: { takes: [1, 1], run: ([value]) => folded(value as Value, (all) => Math.max(...all)) },
  RATE: { takes: [1, 1], run: ([value], context) => rate(seriesOf(value as Value, context)) },
  PERIOD: { takes: [1, 1], run: (_values, { periodS }) => periodS },
  FILL: {
    takes: [2, 2],
    run: ([value, filler], context, mode) => filled(seriesOf(value as Value, context), filler ?? null, context, mode),
  },
  IF: { takes: [2, 3], run: ([condition, then, otherwise], context) => chosen(condition as Value, then as Value, otherwise, context) },
};

/** Of several series, one: at each time of any. Of one series, its one number, as CloudWatch has it. */
function folded(value: Value, fold: (all: readonly number[]) => number): Value {
  if (typeof value === 'number') return value;
  if (value instanceof Map) return value.size === 0 ? new Map() : fold([...value.values()]);
  const many = value as readonly Series[];
  const times = timesOf(many);
  return new Map(times.map((at) => [at, fold(many.flatMap((each) => each.get(at) ?? []))]));
}

/** By second, from the value before. */
function rate(series: Series): Series {
  const result = new Map<number, number>();
  let before: [number, number] | null = null;
  for (const [at, value] of series) {
    if (before !== null) result.set(at, ((value - before[1]) * 1000) / (at - before[0]));
    before = [at, value];
  }
  return result;
}

/** Fills times that another series of the query has and this one has not. */
function filled(series: Series, filler: Value | null, { series: all }: MathContext, mode: string | null): Series {
  const times = timesOf([series, ...all.values()]);
  const known = [...series.keys()];
  return new Map(
    times.flatMap((at): [number, number][] => {
      const own = series.get(at);
      if (own !== undefined) return [[at, own]];
      if (mode === null) return typeof filler === 'number' ? [[at, filler]] : [];
      const before = known.findLast((each) => each < at);
      const after = known.find((each) => each > at);
      if (before === undefined || (mode === 'LINEAR' && after === undefined)) return [];
      const from = series.get(before) as number;
      if (mode === 'REPEAT' || after === undefined) return [[at, from]];
      return [[at, from + (((series.get(after) as number) - from) * (at - before)) / (after - before)]];
    }),
  );
}

function chosen(condition: Value, then: Value, otherwise: Value | undefined, context: MathContext): Value {
  if (typeof condition === 'number') return condition !== 0 ? then : (otherwise ?? new Map<number, number>());
  const at = (value: Value | undefined, time: number): number | undefined => {
    if (value === undefined || typeof value === 'number') return value;
    return seriesOf(value, context).get(time);
  };
  return new Map(
    [...seriesOf(condition, context)].flatMap(([time, holds]): [number, number][] => {
      const value = at(holds !== 0 ? then : otherwise, time);
      return value === undefined ? [] : [[time, value]];
    }),
  );
}

/** Where both have a value; what is no number any more (a division by nothing) is left out. */
function joined(left: Value, right: Value, operate: (a: number, b: number) => number): Value {
  if (typeof left === 'number' && typeof right === 'number') return operate(left, right);
  const [first, second] = [left, right].map((value) => (Array.isArray(value) ? single(value as readonly Series[]) : value)) as [
    number | Series,
    number | Series,
  ];
  const times = typeof first === 'number' ? [...(second as Series).keys()] : [...first.keys()];
  const result = new Map<number, number>();
  for (const at of times) {
    const [a, b] = [first, second].map((value) => (typeof value === 'number' ? value : value.get(at)));
    if (a === undefined || b === undefined) continue;
    const value = operate(a, b);
    if (Number.isFinite(value)) result.set(at, value);
  }
  return result;
}

function single(many: readonly Series[]): Series {
  if (many.length === 1) return many[0] as Series;
  throw wrong('several series cannot be reckoned with as one: join them with SUM, AVG, MIN or MAX');
}

/** A number is that number at all times of the query. */
function seriesOf(value: Value, { series }: MathContext): Series {
  if (typeof value === 'number') return new Map(timesOf([...series.values()]).map((at) => [at, value]));
  return Array.isArray(value) ? single(value as readonly Series[]) : (value as Series);
}

function timesOf(all: readonly Series[]): number[] {
  return [...new Set(all.flatMap((each) => [...each.keys()]))].sort((a, b) => a - b);
}

function wrong(what: string): PlatformError {
  return new PlatformError('invalid_request', `the expression is not valid: ${what}`);
}

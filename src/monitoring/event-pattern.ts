/**
 * EventBridge's patterns: which events a rule is about. A pattern is compiled once; matching never backtracks beyond the length of the
 * text, whatever the pattern.
 */
import { PlatformError } from '../errors.ts';

export type EventPattern = (event: unknown) => boolean;

type Test = (value: unknown) => boolean;

const patternBytesMax = 4096;
const depthMax = 16;
/** Of `$or`, multiplied out: as EventBridge has it. */
const combinationsMax = 1000;

/** Throws `invalid_request` that names the place. */
export function compilePattern(text: string): EventPattern {
  if (Buffer.byteLength(text) > patternBytesMax) throw wrong('', `it is longer than ${patternBytesMax} bytes`);
  let pattern: unknown;
  try {
    pattern = JSON.parse(text);
  } catch (error) {
    throw wrong('', `it is no JSON: ${(error as Error).message}`);
  }
  if (!isObject(pattern)) throw wrong('', 'expected an object');
  if (Object.keys(pattern).length === 0) throw wrong('', 'it names no field');
  return compileObject(pattern, '', 0, { left: combinationsMax });
}

function compileObject(pattern: Readonly<Record<string, unknown>>, path: string, depth: number, budget: { left: number }): EventPattern {
  if (depth > depthMax) throw wrong(path, `it is nested deeper than ${depthMax}`);
  const tests = Object.entries(pattern).map(([name, wished]): EventPattern => {
    const place = path === '' ? name : `${path}.${name}`;
    if (name === '$or') return compileOr(wished, place, depth, budget);
    if (isObject(wished)) {
      const inner = compileObject(wished, place, depth + 1, budget);
      return (event) => inner(isObject(event) ? event[name] : undefined);
    }
    if (!Array.isArray(wished) || wished.length === 0) throw wrong(place, 'expected a list of values, or an object');
    const any = wished.map((each) => compileValue(each, place));
    return (event) => matchesAny(isObject(event) ? event[name] : undefined, any);
  });
  return (event) => tests.every((test) => test(event));
}

function compileOr(wished: unknown, place: string, depth: number, budget: { left: number }): EventPattern {
  if (!Array.isArray(wished) || wished.length < 2 || !wished.every(isObject)) throw wrong(place, 'expected a list of at least two objects');
  budget.left -= wished.length;
  if (budget.left < 0) throw wrong(place, `it has more than ${combinationsMax} alternatives`);
  const any = wished.map((each) => compileObject(each, place, depth + 1, budget));
  return (event) => any.some((test) => test(event));
}

/** A list in the event matches where one of its elements does. */
function matchesAny(value: unknown, tests: readonly Test[]): boolean {
  if (Array.isArray(value) && value.length > 0) return value.some((each) => tests.some((test) => test(each)));
  return tests.some((test) => test(Array.isArray(value) ? undefined : value));
}

function compileValue(wished: unknown, place: string): Test {
  if (wished === null || ['string', 'number', 'boolean'].includes(typeof wished)) return (value) => value === wished;
  if (!isObject(wished)) throw wrong(place, 'a value is a text, a number, true, false, null or an object with one operator');
  const [[operator, operand] = ['', undefined], ...more] = Object.entries(wished);
  const make = Object.hasOwn(operators, operator) ? operators[operator] : undefined;
  if (make === undefined || more.length > 0) {
    throw wrong(place, `expected one operator of ${Object.keys(operators).join(', ')}, got ${JSON.stringify(wished).slice(0, 60)}`);
  }
  return make(operand, `${place}.${operator}`);
}

const operators: Readonly<Record<string, (operand: unknown, place: string) => Test>> = {
  prefix: (operand, place) => ofText(operand, place, (text, part) => text.startsWith(part)),
  suffix: (operand, place) => ofText(operand, place, (text, part) => text.endsWith(part)),
  'equals-ignore-case': (operand, place) => ofText(operand, place, (text, part) => text.toLowerCase() === part.toLowerCase()),
  wildcard: (operand, place) => {
    if (typeof operand !== 'string' || operand.includes('**')) throw wrong(place, 'expected a text with single asterisks');
    return (value) => typeof value === 'string' && matchesWildcard(value, operand);
  },
  exists: (operand, place) => {
    if (typeof operand !== 'boolean') throw wrong(place, 'expected true or false');
    return (value) => (value !== undefined && !isObject(value)) === operand;
  },
  numeric: (operand, place) => numeric(operand, place),
  'anything-but': (operand, place) => anythingBut(operand, place),
};

/** The operand may be `{"equals-ignore-case": "x"}` below `prefix` and `suffix`. */
function ofText(operand: unknown, place: string, holds: (text: string, part: string) => boolean): Test {
  if (isObject(operand) && typeof operand['equals-ignore-case'] === 'string' && Object.keys(operand).length === 1) {
    const part = operand['equals-ignore-case'].toLowerCase();
    return (value) => typeof value === 'string' && holds(value.toLowerCase(), part);
  }
  if (typeof operand !== 'string' || operand === '') throw wrong(place, 'expected a text');
  return (value) => typeof value === 'string' && holds(value, operand);
}

const relations: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '=': (value, bound) => value === bound,
  '>=': (value, bound) => value >= bound,
  '>': (value, bound) => value > bound,
};

function numeric(operand: unknown, place: string): Test {
  const isList = Array.isArray(operand) && (operand.length === 2 || operand.length === 4);
  if (!isList) throw wrong(place, 'expected ["<", 5] or [">", 0, "<=", 5]');
  const bounds = Array.from({ length: operand.length / 2 }, (_, i) => {
    const [relation, bound] = [operand[2 * i] as unknown, operand[2 * i + 1] as unknown];
    const holds = typeof relation === 'string' && Object.hasOwn(relations, relation) ? relations[relation] : undefined;
    if (holds === undefined || typeof bound !== 'number')
      throw wrong(place, `expected a relation (${Object.keys(relations).join(' ')}) and a number`);
    return (value: number) => holds(value, bound);
  });
  return (value) => typeof value === 'number' && bounds.every((holds) => holds(value));
}

function anythingBut(operand: unknown, place: string): Test {
  const all = Array.isArray(operand) ? operand : [operand];
  if (all.length === 0) throw wrong(place, 'expected at least one value');
  const tests = all.flatMap((each): Test[] => {
    if (!isObject(each)) return [compileValue(each, place)];
    const [[operator, inner] = ['', undefined]] = Object.entries(each);
    const parts = Array.isArray(inner) ? inner : [inner];
    if (!['prefix', 'suffix', 'wildcard', 'equals-ignore-case'].includes(operator))
      throw wrong(place, 'expected values, prefix, suffix, wildcard or equals-ignore-case');
    return parts.map((part) => compileValue({ [operator]: part as unknown }, place));
  });
  return (value) => value !== undefined && !tests.some((test) => test(value));
}

/** Greedy with one point to go back to: linear in practice, at worst the product of the lengths. */
function matchesWildcard(text: string, pattern: string): boolean {
  let [at, want, star, from] = [0, 0, -1, 0];
  while (at < text.length) {
    if (pattern[want] === '*') {
      star = want++;
      from = at;
    } else if (pattern[want] === text[at]) {
      want++;
      at++;
    } else if (star >= 0) {
      want = star + 1;
      at = ++from;
    } else return false;
  }
  while (pattern[want] === '*') want++;
  return want === pattern.length;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(place: string, what: string): PlatformError {
  return new PlatformError('invalid_request', `Event pattern is not valid. Reason: ${place === '' ? '' : `${place}: `}${what}`);
}

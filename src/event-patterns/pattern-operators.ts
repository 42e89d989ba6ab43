/**
 * The operators of EventBridge's patterns, as listed in its guide ("Comparison operators for use in event patterns"). Each function
 * compiles an operand to a test of a value.
 */
import { BlockList, isIP } from 'node:net';
import { PlatformError } from '../errors.ts';

/** Whether a value of an event matches. */
export type ValueTest = (value: unknown) => boolean;
type TextTest = (text: string) => boolean;

/** Compiles objects with one operator each, of which one must match. Throws `invalid_request` with the position. */
export function compileOperators(requested: readonly Readonly<Record<string, unknown>>[], place: string): readonly ValueTest[] {
  const operands = requested.map((each) => onlyOf(each, Object.keys(operators), place));
  const of = (operator: string): readonly unknown[] => operands.flatMap(([name, operand]) => (name === operator ? [operand] : []));
  const [texts, blocks] = [of('equals-ignore-case'), of('cidr')];
  return [
    ...(texts.length === 0 ? [] : [equalsAnyIgnoringCase(texts, `${place}.equals-ignore-case`)]),
    ...(blocks.length === 0 ? [] : [cidr(blocks, `${place}.cidr`)]),
    ...operands
      .filter(([name]) => name !== 'equals-ignore-case' && name !== 'cidr')
      .map(([name, operand]) => (operators[name] as (typeof operators)[string])(operand, `${place}.${name}`)),
  ];
}

/** One look-up for all texts. */
function equalsAnyIgnoringCase(operands: readonly unknown[], place: string): ValueTest {
  const requested = new Set(operands.map((each) => textOf(each, place).toLowerCase()));
  return (value) => typeof value === 'string' && requested.has(value.toLowerCase());
}

const operators: Readonly<Record<string, (operand: unknown, place: string) => ValueTest>> = {
  prefix: (operand, place) => ofText(prefix(operand, place)),
  suffix: (operand, place) => ofText(suffix(operand, place)),
  'equals-ignore-case': (operand, place) => ofText(equalsIgnoreCase(operand, place)),
  wildcard: (operand, place) => ofText(wildcard(operand, place)),
  'anything-but': anythingBut,
  numeric,
  exists,
  cidr: (operand, place) => cidr([operand], place),
};

/**
 * Field names that EventBridge's matcher rejects within `$or`: its operators, and names reserved for future ones (`Constants.java` of
 * aws/event-ruler).
 */
const reservedNames: ReadonlySet<string> = new Set([
  ...Object.keys(operators),
  ...'exactly html = < <= > >= regex not-wildcard not-equals-ignore-case date-after date-on-or-after date-before date-on-or-before'.split(
    ' ',
  ),
  ...'in-date-range ip-address-in-range ip-address-not-in-range'.split(' '),
]);

/** Names of operators, which cannot be names of members. */
export function isReservedName(name: string): boolean {
  return reservedNames.has(name);
}

function prefix(operand: unknown, place: string): TextTest {
  // An empty prefix matches every text: EventBridge's usual way to match all.
  if (!isPatternObject(operand)) return startsWith(operand === '' ? operand : textOf(operand, place));
  const start = startsWith(ignoredCaseOf(operand, place));
  return (text) => start(text.toLowerCase());
}

function suffix(operand: unknown, place: string): TextTest {
  if (!isPatternObject(operand)) return endsWith(textOf(operand, place));
  const end = endsWith(ignoredCaseOf(operand, place));
  return (text) => end(text.toLowerCase());
}

function equalsIgnoreCase(operand: unknown, place: string): TextTest {
  const requested = textOf(operand, place).toLowerCase();
  return (text) => text.toLowerCase() === requested;
}

function wildcard(operand: unknown, place: string): TextTest {
  const matches = compileWildcard(textOf(operand, place));
  if (matches === null) throw patternError(place, 'expected single asterisks, and a backslash only as \\* or \\\\');
  return matches;
}

const butTexts: Readonly<Record<string, (operand: unknown, place: string) => TextTest>> = {
  prefix,
  suffix,
  'equals-ignore-case': equalsIgnoreCase,
  wildcard,
};

/** Texts, numbers, or one text operator; each with one operand or a list. */
function anythingBut(operand: unknown, place: string): ValueTest {
  if (isPatternObject(operand)) {
    const [operator, inner] = onlyOf(operand, Object.keys(butTexts), place);
    const make = butTexts[operator] as (operand: unknown, place: string) => TextTest;
    const tests = listOf(inner, place).map((each) => make(each, `${place}.${operator}`));
    return (value) => !(typeof value === 'string' && tests.some((test) => test(value)));
  }
  const all = listOf(operand, place);
  const isPlain = all.every((each) => each === null || ['string', 'number', 'boolean'].includes(typeof each));
  if (!isPlain) throw patternError(place, 'expected a list of texts or numbers, or an object with one operator');
  const excluded = new Set(all);
  return (value) => !excluded.has(value);
}

const relations: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '=': (value, bound) => value === bound,
  '>=': (value, bound) => value >= bound,
  '>': (value, bound) => value > bound,
};

function numeric(operand: unknown, place: string): ValueTest {
  const isList = Array.isArray(operand) && (operand.length === 2 || operand.length === 4);
  if (!isList) throw patternError(place, 'expected ["<", 5] or [">", 0, "<=", 5]');
  const bounds = Array.from({ length: operand.length / 2 }, (_, i) => {
    const [relation, bound] = [operand[2 * i] as unknown, operand[2 * i + 1] as unknown];
    const holds = typeof relation === 'string' && Object.hasOwn(relations, relation) ? relations[relation] : undefined;
    if (holds === undefined || typeof bound !== 'number')
      throw patternError(place, `expected a relation (${Object.keys(relations).join(' ')}) and a number`);
    return (value: number) => holds(value, bound);
  });
  return (value) => typeof value === 'number' && bounds.every((holds) => holds(value));
}

/** Matches if there is a value. Absence is not a property of a value: see `compileField`. */
function exists(operand: unknown, place: string): ValueTest {
  if (operand !== true) throw patternError(place, 'expected true or false');
  return () => true;
}

/** Whether an address is in one of the blocks. Supports IPv4 and IPv6; an address matches only blocks of its version. */
function cidr(operands: readonly unknown[], place: string): ValueTest {
  const lists = { 4: new BlockList(), 6: new BlockList() };
  for (const operand of operands) {
    const [, network = '', digits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(textOf(operand, place)) ?? [];
    const [version, bits] = [isIP(network), Number(digits)];
    if (version === 0 || bits > (version === 4 ? 32 : 128)) throw patternError(place, 'expected a block of addresses such as 10.0.0.0/24');
    if (version === 4) lists[4].addSubnet(network, bits, 'ipv4');
    else lists[6].addSubnet(network, bits, 'ipv6');
  }
  return (value) => {
    const version = typeof value === 'string' ? isIP(value) : 0;
    if (version === 4) return lists[4].check(value as string, 'ipv4');
    return version === 6 && lists[6].check(value as string, 'ipv6');
  };
}

function ofText(test: TextTest): ValueTest {
  return (value) => typeof value === 'string' && test(value);
}

const startsWith =
  (start: string): TextTest =>
  (text) =>
    text.startsWith(start);
const endsWith =
  (end: string): TextTest =>
  (text) =>
    text.endsWith(end);

function textOf(operand: unknown, place: string): string {
  if (typeof operand !== 'string' || operand === '') throw patternError(place, 'expected a text');
  return operand;
}

/** `{"equals-ignore-case": "x"}`, in lower case. */
function ignoredCaseOf(operand: Readonly<Record<string, unknown>>, place: string): string {
  const [operator, inner] = onlyOf(operand, ['equals-ignore-case'], place);
  return textOf(inner, `${place}.${operator}`).toLowerCase();
}

function listOf(operand: unknown, place: string): readonly unknown[] {
  const all: readonly unknown[] = Array.isArray(operand) ? operand : [operand];
  if (all.length === 0) throw patternError(place, 'expected at least one value');
  return all;
}

function onlyOf(requested: Readonly<Record<string, unknown>>, names: readonly string[], place: string): [string, unknown] {
  const [first, ...more] = Object.entries(requested);
  if (first !== undefined && more.length === 0 && names.includes(first[0])) return first;
  throw patternError(place, `expected one operator of ${names.join(', ')}, got ${JSON.stringify(requested).slice(0, 60)}`);
}

/** Narrows parsed JSON to an object: neither null nor an array. */
export function isPatternObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** With EventBridge's text. `place` is the path within the pattern. */
export function patternError(place: string, what: string): PlatformError {
  return new PlatformError('invalid_request', `Event pattern is not valid. Reason: ${place === '' ? '' : `${place}: `}${what}`);
}

/** Wildcards of event patterns: `*` matches any text, `\*` an asterisk, `\\` a backslash. */

/** Null for consecutive asterisks, or a backslash before any other character. */
function compileWildcard(pattern: string): ((text: string) => boolean) | null {
  if (!/^(?:\\[*\\]|\*(?!\*)|[^*\\])*$/s.test(pattern)) return null;
  const segments = [''];
  for (const [all, escaped, any] of pattern.matchAll(/\\([*\\])|(\*)|[^*\\]+/g)) {
    if (any === undefined) segments[segments.length - 1] += escaped ?? all;
    else segments.push('');
  }
  const [first = '', ...others] = segments;
  const last = others.pop();
  if (last === undefined) return (text) => text === first;
  const searches = others.filter((segment) => segment !== '').map(compileSearch);
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const search of searches) {
      at = search(text, at);
      if (at === -1) return false;
    }
    return at <= text.length - last.length;
  };
}

/** Shorter segments are found faster by the language's own search, whose worst case is the product of the lengths. */
const shortMax = 4;

/** Finds the end of the first occurrence of a segment, or -1, in linear time: Knuth, Morris and Pratt (1977). */
function compileSearch(segment: string): (text: string, from: number) => number {
  const { length } = segment;
  if (length <= shortMax) {
    return (text, from) => {
      const at = text.indexOf(segment, from);
      return at === -1 ? -1 : at + length;
    };
  }
  // By the number of characters that match: how many still do if the next one does not.
  const fallback = new Uint16Array(length + 1);
  for (let at = 1, matched = 0; at < length; at++) {
    while (matched > 0 && segment[at] !== segment[matched]) matched = fallback[matched] as number;
    if (segment[at] === segment[matched]) matched++;
    fallback[at + 1] = matched;
  }
  return (text, from) => {
    for (let at = from, matched = 0; at < text.length; at++) {
      while (matched > 0 && text.charCodeAt(at) !== segment.charCodeAt(matched)) matched = fallback[matched] as number;
      if (text.charCodeAt(at) === segment.charCodeAt(matched)) matched++;
      if (matched === length) return at + 1;
    }
    return -1;
  };
}

/**
 * EventBridge's patterns: which events a rule is about. A pattern is compiled once; matching never backtracks beyond the length of the
 * text, whatever the pattern.
 */
import { compileOperator, isObject, type ValueTest, wrong } from './pattern-operators.ts';

export type EventPattern = (event: unknown) => boolean;

/** `here` is the part of the event that the pattern is about, `event` the whole. */
type Test = (here: unknown, event: unknown) => boolean;
type FieldPath = readonly string[];

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
  const test = compileObject(pattern, [], 0, { left: combinationsMax });
  return (event) => test(event, event);
}

function compileObject(pattern: Readonly<Record<string, unknown>>, path: FieldPath, depth: number, budget: { left: number }): Test {
  if (depth > depthMax) throw wrong(path.join('.'), `it is nested deeper than ${depthMax}`);
  const tests = Object.entries(pattern).map(([name, wished]): Test => {
    const place = [...path, name];
    if (name === '$or') return compileOr(wished, path, depth, budget);
    if (isObject(wished)) {
      const inner = compileObject(wished, place, depth + 1, budget);
      // Of a list one element matches in all that is wanted of it: fields of two elements never match together.
      return (here, event) => insides(here, name).some((each) => inner(each, event));
    }
    if (!Array.isArray(wished) || wished.length === 0) throw wrong(place.join('.'), 'expected a list of values, or an object');
    return compileField(wished, name, place);
  });
  return (here, event) => tests.every((test) => test(here, event));
}

function compileOr(wished: unknown, path: FieldPath, depth: number, budget: { left: number }): Test {
  const place = [...path, '$or'].join('.');
  if (!Array.isArray(wished) || wished.length < 2 || !wished.every(isObject)) throw wrong(place, 'expected a list of at least two objects');
  budget.left -= wished.length;
  if (budget.left < 0) throw wrong(place, `it has more than ${combinationsMax} alternatives`);
  const any = wished.map((each) => compileObject(each, path, depth + 1, budget));
  return (here, event) => any.some((test) => test(here, event));
}

/** A field matches where one of its values does. That there is none is a matter of the whole event, as it is for EventBridge. */
function compileField(wished: readonly unknown[], name: string, path: FieldPath): Test {
  const place = path.join('.');
  const any: ValueTest[] = [];
  let mayBeAbsent = false;
  for (const each of wished) {
    if (isObject(each) && Object.keys(each).length === 1 && each.exists === false) mayBeAbsent = true;
    else any.push(compileValue(each, place));
  }
  const isAbsent = absenceOf(path);
  return (here, event) => {
    const values = leavesOf(isObject(here) ? here[name] : undefined);
    return values.some((value) => any.some((test) => test(value))) || (mayBeAbsent && isAbsent(event));
  };
}

function compileValue(wished: unknown, place: string): ValueTest {
  if (wished === null || ['string', 'number', 'boolean'].includes(typeof wished)) return (value) => value === wished;
  if (!isObject(wished)) throw wrong(place, 'a value is a text, a number, true, false, null or an object with one operator');
  return compileOperator(wished, place);
}

/** Whether no value stands at the path, in whatever element of lists. Kept for the last event: each element of a list may ask again. */
function absenceOf(path: FieldPath): (event: unknown) => boolean {
  let last: { readonly event: unknown; readonly isAbsent: boolean } | null = null;
  return (event) => {
    if (last !== null && last.event === event) return last.isAbsent;
    let heres: readonly unknown[] = [event];
    for (const name of path.slice(0, -1)) heres = heres.flatMap((here) => insides(here, name));
    const isAbsent = heres.every((here) => !isObject(here) || leavesOf(here[path.at(-1) as string]).length === 0);
    last = { event, isAbsent };
    return isAbsent;
  };
}

/** What is in a field: the object, or the elements of a list, however nested. */
function insides(here: unknown, name: string): readonly unknown[] {
  const value = isObject(here) ? here[name] : undefined;
  return Array.isArray(value) && value.length > 0 ? value.flat(Number.POSITIVE_INFINITY) : [value];
}

/** The values of a field: itself, or the elements of a list. Objects are no values. */
function leavesOf(value: unknown): readonly unknown[] {
  const all: readonly unknown[] = Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : [value];
  return all.filter((each) => each !== undefined && !isObject(each));
}

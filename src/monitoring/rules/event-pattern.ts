/**
 * EventBridge's patterns: which events a rule is about. A pattern is compiled once; matching never backtracks beyond the length of the
 * text, whatever the pattern.
 */
import { compileOperator, isKeptForOperators, isObject, type ValueTest, wrong } from './pattern-operators.ts';

export type EventPattern = (event: unknown) => boolean;

/** `here` is the part of the event that the pattern is about, `event` the whole. */
type Test = (here: unknown, event: unknown) => boolean;
type FieldPath = readonly string[];

const patternBytesMax = 4096;
const depthMax = 16;
/** As EventBridge has it. */
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
  const any = branchesOf(pattern, { path: [], depth: 0, isWithinOr: false }).map(compileBranch);
  return (event) => any.some((test) => test(event, event));
}

/** What must hold together, by field: of its values, and of what is in it. */
type Branch = ReadonlyMap<string, { readonly tests: readonly Test[]; readonly inside: Branch | null }>;

interface Place {
  readonly path: FieldPath;
  readonly depth: number;
  readonly isWithinOr: boolean;
}

/**
 * `$or` multiplied out, as EventBridge does: each combination of alternatives with all that stands beside. Looked at by itself an alternative
 * would not know which element of a list the others mean.
 */
function branchesOf(pattern: Readonly<Record<string, unknown>>, { path, depth, isWithinOr }: Place): readonly Branch[] {
  if (depth > depthMax) throw wrong(path.join('.'), `it is nested deeper than ${depthMax}`);
  if (isEmpty(pattern)) throw wrong(path.join('.'), 'it names no field');
  let branches: readonly Branch[] = [new Map()];
  for (const [name, wished] of Object.entries(pattern)) {
    const place = [...path, name];
    if (isWithinOr && isKeptForOperators(name))
      throw wrong(place.join('.'), 'within $or no field may have this name, since EventBridge keeps it for operators');
    const alternatives =
      name === '$or'
        ? alternativesOf(wished, { path, depth: depth + 1, isWithinOr: true })
        : fieldsOf(wished, name, { path: place, depth: depth + 1, isWithinOr });
    if (branches.length * alternatives.length > combinationsMax)
      throw wrong(place.join('.'), `it has more than ${combinationsMax} combinations of $or`);
    branches = branches.flatMap((branch) => alternatives.map((each) => together(branch, each)));
  }
  return branches;
}

/** EventBridge's matcher takes what is no such list for a field that is called `$or`, for the sake of old rules. No event has one: refused. */
function alternativesOf(wished: unknown, within: Place): readonly Branch[] {
  const place = [...within.path, '$or'].join('.');
  if (!Array.isArray(wished) || wished.length < 2 || !wished.every(isObject)) throw wrong(place, 'expected a list of at least two objects');
  if (wished.some(isEmpty)) throw wrong(place, 'one of its objects names no field');
  return wished.flatMap((each) => branchesOf(each, within));
}

function fieldsOf(wished: unknown, name: string, within: Place): readonly Branch[] {
  if (isObject(wished)) return branchesOf(wished, within).map((inside) => new Map([[name, { tests: [], inside }]]));
  if (!Array.isArray(wished) || wished.length === 0) throw wrong(within.path.join('.'), 'expected a list of values, or an object');
  return [new Map([[name, { tests: [compileField(wished, name, within.path)], inside: null }]])];
}

function isEmpty(pattern: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(pattern).length === 0;
}

function together(first: Branch, second: Branch): Branch {
  const both = new Map(first);
  for (const [name, { tests, inside }] of second) {
    const known = both.get(name);
    if (known === undefined) both.set(name, { tests, inside });
    else {
      const inner = known.inside === null || inside === null ? (known.inside ?? inside) : together(known.inside, inside);
      both.set(name, { tests: [...known.tests, ...tests], inside: inner });
    }
  }
  return both;
}

function compileBranch(branch: Branch): Test {
  const all = [...branch].flatMap(([name, { tests, inside }]): readonly Test[] => {
    if (inside === null) return tests;
    const inner = compileBranch(inside);
    // Of a list one element matches in all that is wanted of it: fields of two elements never match together.
    return [...tests, (here, event) => insides(here, name).some((each) => inner(each, event))];
  });
  return (here, event) => all.every((test) => test(here, event));
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

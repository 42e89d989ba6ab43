/** EventBridge's patterns, which select the events of a rule. Compiled once; matching is bounded by the length of the text. */
import { compileOperators, isPatternObject, isReservedName, patternError, type ValueTest } from './pattern-operators.ts';

/** A compiled pattern. It never throws. */
export type EventPattern = (event: unknown) => boolean;

/** `here` is the part of the event the pattern applies to, `event` the whole. */
type Test = (here: unknown, event: unknown) => boolean;
type FieldPath = readonly string[];

const patternBytesMax = 4096;
const depthMax = 16;
/** The limit of EventBridge. */
const combinationsMax = 1000;

/** Throws `invalid_request` with the position. */
export function compilePattern(text: string): EventPattern {
  if (Buffer.byteLength(text) > patternBytesMax) throw patternError('', `it exceeds ${patternBytesMax} bytes`);
  let pattern: unknown;
  try {
    pattern = JSON.parse(text);
  } catch (error) {
    throw patternError('', `it is not valid JSON: ${(error as Error).message}`);
  }
  if (!isPatternObject(pattern)) throw patternError('', 'expected an object');
  const any = branchesOf(pattern, { path: [], depth: 0, isWithinOr: false }).map(compileBranch);
  return (event) => any.some((test) => test(event, event));
}

/** Tests that must hold together, by field: of its values, and of nested fields. */
type Branch = ReadonlyMap<string, { readonly tests: readonly Test[]; readonly inside: Branch | null }>;

interface FieldPosition {
  readonly path: FieldPath;
  readonly depth: number;
  readonly isWithinOr: boolean;
}

/**
 * Expands `$or` into combinations, as EventBridge does. Evaluated separately, an alternative would not know which element of a list the
 * other conditions refer to.
 */
function branchesOf(pattern: Readonly<Record<string, unknown>>, { path, depth, isWithinOr }: FieldPosition): readonly Branch[] {
  if (depth > depthMax) throw patternError(path.join('.'), `it is nested deeper than ${depthMax}`);
  if (isEmpty(pattern)) throw patternError(path.join('.'), 'it has no fields');
  let branches: readonly Branch[] = [new Map()];
  for (const [name, requested] of Object.entries(pattern)) {
    const place = [...path, name];
    if (isWithinOr && isReservedName(name))
      throw patternError(place.join('.'), 'within $or a field cannot have this name, because EventBridge reserves it for operators');
    const alternatives =
      name === '$or'
        ? alternativesOf(requested, { path, depth: depth + 1, isWithinOr: true })
        : fieldsOf(requested, name, { path: place, depth: depth + 1, isWithinOr });
    if (branches.length * alternatives.length > combinationsMax)
      throw patternError(place.join('.'), `it has more than ${combinationsMax} combinations of $or`);
    branches = branches.flatMap((branch) => alternatives.map((each) => together(branch, each)));
  }
  return branches;
}

/**
 * EventBridge treats other values as a field named `$or`, for compatibility with old rules. No event has such a field, so they are
 * rejected.
 */
function alternativesOf(requested: unknown, within: FieldPosition): readonly Branch[] {
  const place = [...within.path, '$or'].join('.');
  if (!Array.isArray(requested) || requested.length < 2 || !requested.every(isPatternObject))
    throw patternError(place, 'expected a list of at least two objects');
  if (requested.some(isEmpty)) throw patternError(place, 'one of its objects has no fields');
  return requested.flatMap((each) => branchesOf(each, within));
}

function fieldsOf(requested: unknown, name: string, within: FieldPosition): readonly Branch[] {
  if (isPatternObject(requested)) return branchesOf(requested, within).map((inside) => new Map([[name, { tests: [], inside }]]));
  if (!Array.isArray(requested) || requested.length === 0)
    throw patternError(within.path.join('.'), 'expected a list of values, or an object');
  return [new Map([[name, { tests: [compileField(requested, name, within.path)], inside: null }]])];
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
    // One element of a list must match all conditions: fields of two elements never match together.
    return [...tests, (here, event) => insides(here, name).some((each) => inner(each, event))];
  });
  return (here, event) => all.every((test) => test(here, event));
}

/** A field matches if one of its values does. Absence is evaluated over the whole event, as in EventBridge. */
function compileField(requested: readonly unknown[], name: string, path: FieldPath): Test {
  const place = path.join('.');
  const allowsNothing = (each: unknown): boolean => isPatternObject(each) && Object.keys(each).length === 1 && each.exists === false;
  const any = compileValues(
    requested.filter((each) => !allowsNothing(each)),
    place,
  );
  const allowsAbsence = requested.some(allowsNothing);
  const isAbsent = absenceOf(path);
  return (here, event) => {
    const values = leavesOf(isPatternObject(here) ? here[name] : undefined);
    return values.some((value) => any.some((test) => test(value))) || (allowsAbsence && isAbsent(event));
  };
}

/** Values and operators that can be tested together are one test: a pattern of 4 KiB can have hundreds, and an event 100,000 values. */
function compileValues(requested: readonly unknown[], place: string): readonly ValueTest[] {
  const plain = new Set<unknown>();
  const operators: Readonly<Record<string, unknown>>[] = [];
  for (const each of requested) {
    if (each === null || ['string', 'number', 'boolean'].includes(typeof each)) plain.add(each);
    else if (isPatternObject(each)) operators.push(each);
    else throw patternError(place, 'expected a string, a number, true, false, null or an object with one operator');
  }
  const isPlain = (value: unknown): boolean => plain.has(value);
  return [...(plain.size === 0 ? [] : [isPlain]), ...compileOperators(operators, place)];
}

/** Whether the path has no value, in any element of lists. Cached for the last event, because each element of a list evaluates it. */
function absenceOf(path: FieldPath): (event: unknown) => boolean {
  let last: { readonly event: unknown; readonly isAbsent: boolean } | null = null;
  return (event) => {
    if (last !== null && last.event === event) return last.isAbsent;
    let parents: readonly unknown[] = [event];
    for (const name of path.slice(0, -1)) parents = parents.flatMap((here) => insides(here, name));
    const isAbsent = parents.every((here) => !isPatternObject(here) || leavesOf(here[path.at(-1) as string]).length === 0);
    last = { event, isAbsent };
    return isAbsent;
  };
}

/** Contents of a field: the object, or the elements of nested lists. */
function insides(here: unknown, name: string): readonly unknown[] {
  const value = isPatternObject(here) ? here[name] : undefined;
  return Array.isArray(value) && value.length > 0 ? value.flat(Number.POSITIVE_INFINITY) : [value];
}

/** Values of a field: itself, or the elements of nested lists. Objects are excluded. */
function leavesOf(value: unknown): readonly unknown[] {
  const all: readonly unknown[] = Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : [value];
  return all.filter((each) => each !== undefined && !isPatternObject(each));
}

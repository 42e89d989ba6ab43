/**
 * Filters of a transform for records and results: the subset of JSONPath supported by SageMaker's data processing.
 * `$`, `.name`, `.*`, `['name']`, `['a','b']`, `[*]`, `[3]`, `[-1]`, `[1,-1]`, `[1:4]`. Several names
 * select an object, several indices a list. Pure.
 */
import { PlatformError } from '../../../errors.ts';

/** One step of a path. */
export type JsonPathStep =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'indices'; readonly indices: readonly number[] }
  | { readonly kind: 'slice'; readonly from: number | null; readonly to: number | null }
  | { readonly kind: 'all' };

/** A parsed path; empty for `$`, the whole record. */
export type JsonPath = readonly JsonPathStep[];

const lengthMax = 1024;
const stepPatterns: readonly [RegExp, (match: RegExpExecArray) => JsonPathStep][] = [
  [/\.\*|\[\s*\*\s*\]/y, () => ({ kind: 'all' })],
  [/\.([^\s.[\]'"*$(),:@?]+)/y, ([, name = '']) => ({ kind: 'name', name })],
  [/\[\s*('(?:[^'\\]|\\.)*'(?:\s*,\s*'(?:[^'\\]|\\.)*')*)\s*\]/y, ([, list = '']) => namesIn(list)],
  [/\[\s*(-?\d{1,9})?\s*:\s*(-?\d{1,9})?\s*\]/y, ([, from, to]) => ({ kind: 'slice', from: numberOr(from), to: numberOr(to) })],
  [/\[\s*(-?\d{1,9}(?:\s*,\s*-?\d{1,9})*)\s*\]/y, ([, list = '']) => indicesIn(list)],
];

/** Throws `invalid_request` for an invalid or unsupported path. */
export function parsePath(text: string): JsonPath {
  const path = text.trim();
  if (path.length > lengthMax)
    throw new PlatformError('invalid_request', `the filter is too long: expected at most ${lengthMax} characters, got ${path.length}`);
  if (!path.startsWith('$')) throw refused(text, 'expected a path that begins with $');
  const steps: JsonPathStep[] = [];
  for (let at = 1; at < path.length; ) {
    const found = stepAt(path, at);
    if (found === null) throw refused(text, `'${path.slice(at, at + 20)}' is not a valid step`);
    steps.push(found.step);
    at = found.end;
  }
  return steps;
}

/** Whether the path selects the whole value. */
export function isRootPath(path: JsonPath): boolean {
  return path.length === 0;
}

/** Selects a part of the value. Throws `invalid_request` if it does not exist. */
export function select(path: JsonPath, value: unknown): unknown {
  return selectFrom(path, 0, value);
}

function stepAt(path: string, at: number): { readonly step: JsonPathStep; readonly end: number } | null {
  for (const [pattern, make] of stepPatterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(path);
    if (match !== null) return { step: make(match), end: pattern.lastIndex };
  }
  return null;
}

function refused(text: string, why: string): PlatformError {
  return new PlatformError(
    'invalid_request',
    `invalid filter '${text.slice(0, 100)}': ${why}; supported are $, .name, .*, ['a','b'], [1,-1] and [a:b]`,
  );
}

function numberOr(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

function namesIn(list: string): JsonPathStep {
  const names = [...list.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map(([, name = '']) => name.replaceAll(/\\(.)/gs, '$1'));
  const [name = ''] = names;
  return names.length === 1 ? { kind: 'name', name } : { kind: 'names', names };
}

function indicesIn(list: string): JsonPathStep {
  const indices = list.split(',').map(Number);
  const [index = 0] = indices;
  return indices.length === 1 ? { kind: 'index', index } : { kind: 'indices', indices };
}

function selectFrom(path: JsonPath, at: number, value: unknown): unknown {
  const step = path[at];
  if (step === undefined) return value;
  const rest = (part: unknown): unknown => selectFrom(path, at + 1, part);
  switch (step.kind) {
    case 'name':
      return rest(memberOf(value, step.name));
    case 'names':
      return Object.fromEntries(step.names.map((name) => [name, rest(memberOf(value, name))]));
    case 'index':
      return rest(elementOf(value, step.index));
    case 'indices':
      return step.indices.map((index) => rest(elementOf(value, index)));
    case 'slice':
      return listOf(value, 'a slice')
        .slice(step.from ?? 0, step.to ?? undefined)
        .map(rest);
    case 'all':
      return (isFields(value) ? Object.values(value) : listOf(value, '*')).map(rest);
  }
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function memberOf(value: unknown, name: string): unknown {
  if (isFields(value) && Object.hasOwn(value, name)) return value[name];
  throw new PlatformError('invalid_request', `the filter selects '${name.slice(0, 60)}', which does not exist`);
}

function elementOf(value: unknown, index: number): unknown {
  const list = listOf(value, `[${index}]`);
  const at = index < 0 ? list.length + index : index;
  if (at >= 0 && at < list.length) return list[at];
  throw new PlatformError('invalid_request', `the filter selects element ${index}, but the list has ${list.length}`);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw new PlatformError('invalid_request', `the filter selects ${what} of a value that is not a list`);
}

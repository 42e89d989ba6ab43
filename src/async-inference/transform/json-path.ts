/**
 * What a transform takes of a record and of its result: the part of JSONPath that SageMaker's data processing knows.
 * `$`, `.name`, `.*`, `['name']`, `['a','b']`, `[*]`, `[3]`, `[-1]`, `[1,-1]`, `[1:4]`. Several names give an object of
 * them, several elements a list. Pure.
 */
import { PlatformError } from '../../errors.ts';

export type Step =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'indices'; readonly indices: readonly number[] }
  | { readonly kind: 'slice'; readonly from: number | null; readonly to: number | null }
  | { readonly kind: 'all' };

export type JsonPath = readonly Step[];

const lengthMax = 1024;
const stepPatterns: readonly [RegExp, (match: RegExpExecArray) => Step][] = [
  [/\.\*|\[\s*\*\s*\]/y, () => ({ kind: 'all' })],
  [/\.([^\s.[\]'"*$(),:@?]+)/y, ([, name = '']) => ({ kind: 'name', name })],
  [/\[\s*('(?:[^'\\]|\\.)*'(?:\s*,\s*'(?:[^'\\]|\\.)*')*)\s*\]/y, ([, list = '']) => namesIn(list)],
  [/\[\s*(-?\d{1,9})?\s*:\s*(-?\d{1,9})?\s*\]/y, ([, from, to]) => ({ kind: 'slice', from: numberOr(from), to: numberOr(to) })],
  [/\[\s*(-?\d{1,9}(?:\s*,\s*-?\d{1,9})*)\s*\]/y, ([, list = '']) => indicesIn(list)],
];

/** Throws `invalid_request` for what is no path, or uses more of JSONPath. */
export function parsePath(text: string): JsonPath {
  const path = text.trim();
  if (path.length > lengthMax)
    throw new PlatformError('invalid_request', `the filter has ${path.length} characters, at most ${lengthMax} may be`);
  if (!path.startsWith('$')) throw refused(text, 'a path begins with $');
  const steps: Step[] = [];
  for (let at = 1; at < path.length; ) {
    const found = stepAt(path, at);
    if (found === null) throw refused(text, `'${path.slice(at, at + 20)}' is no step of it`);
    steps.push(found.step);
    at = found.end;
  }
  return steps;
}

/** Whether it takes everything as it is. */
export function isWhole(path: JsonPath): boolean {
  return path.length === 0;
}

/** What the path takes of the value. Throws `invalid_request` where that is not there. */
export function select(path: JsonPath, value: unknown): unknown {
  return selectFrom(path, 0, value);
}

function stepAt(path: string, at: number): { readonly step: Step; readonly end: number } | null {
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
    `'${text.slice(0, 100)}' is no filter that is understood: ${why}; use $, .name, .*, ['a','b'], [1,-1] and [a:b]`,
  );
}

function numberOr(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

function namesIn(list: string): Step {
  const names = [...list.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map(([, name = '']) => name.replaceAll(/\\(.)/gs, '$1'));
  const [name = ''] = names;
  return names.length === 1 ? { kind: 'name', name } : { kind: 'names', names };
}

function indicesIn(list: string): Step {
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
  throw new PlatformError('invalid_request', `the filter asks for '${name.slice(0, 60)}', which is not there`);
}

function elementOf(value: unknown, index: number): unknown {
  const list = listOf(value, `[${index}]`);
  const at = index < 0 ? list.length + index : index;
  if (at >= 0 && at < list.length) return list[at];
  throw new PlatformError('invalid_request', `the filter asks for element ${index}, and there are ${list.length}`);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw new PlatformError('invalid_request', `the filter asks for ${what} of what is no list`);
}

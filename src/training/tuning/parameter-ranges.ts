/** The ranges of a tuning job's hyperparameters, and their map to the unit interval, on which all strategies work. Pure. */
import { PlatformError } from '../../errors.ts';

/** How a range is searched. Auto is Logarithmic for positive ranges over two orders of magnitude or more, otherwise Linear. */
export type RangeScaling = 'Auto' | 'Linear' | 'Logarithmic' | 'ReverseLogarithmic';

/** The range of one hyperparameter. */
export type ParameterRange =
  | {
      readonly kind: 'continuous' | 'integer';
      readonly name: string;
      readonly min: number;
      readonly max: number;
      readonly scaling: RangeScaling;
    }
  | { readonly kind: 'categorical'; readonly name: string; readonly values: readonly string[] };

type NumericRange = Exclude<ParameterRange, { kind: 'categorical' }>;

/** Those of SageMaker. */
export const rangeLimits = { ranges: 30, nameLength: 256, values: 30, valueLength: 256 } as const;

/** A range of two orders of magnitude is searched by magnitude. */
const magnitudesOfAuto = 100;
const controls = /\p{Cc}/u;

/** Throws `invalid_request` for ranges that cannot be searched. */
export function checkRanges(ranges: readonly ParameterRange[]): void {
  if (ranges.length === 0) throw invalid('no hyperparameter has a range: expected at least one to tune');
  if (ranges.length > rangeLimits.ranges) throw invalid(`${ranges.length} ranges: expected at most ${rangeLimits.ranges}`);
  const names = new Set<string>();
  for (const range of ranges) {
    const { name } = range;
    if (name === '' || name.length > rangeLimits.nameLength || controls.test(name))
      throw invalid(`invalid name of a range ${JSON.stringify(name.slice(0, 80))}: expected 1 to ${rangeLimits.nameLength} characters`);
    if (names.has(name)) throw invalid(`two ranges are named '${shown(name)}': expected different names`);
    names.add(name);
    if (range.kind === 'categorical') checkValues(range.name, range.values);
    else checkBounds(range);
  }
}

function checkValues(name: string, values: readonly string[]): void {
  const { values: most, valueLength } = rangeLimits;
  if (values.length === 0 || values.length > most)
    throw invalid(`range '${shown(name)}' has ${values.length} values: expected 1 to ${most}`);
  if (new Set(values).size < values.length) throw invalid(`range '${shown(name)}' has a value twice: expected different values`);
  const wrong = values.find((value) => value.length > valueLength || value.includes('\0'));
  if (wrong !== undefined)
    throw invalid(`range '${shown(name)}' has a value of ${wrong.length} characters or with a NUL byte: expected at most ${valueLength}`);
}

function checkBounds({ kind, name, min, max, scaling }: NumericRange): void {
  const at = `range '${shown(name)}'`;
  if (!Number.isFinite(min) || !Number.isFinite(max)) throw invalid(`${at}: expected two numbers, got ${min} and ${max}`);
  if (kind === 'integer' && !(Number.isSafeInteger(min) && Number.isSafeInteger(max)))
    throw invalid(`${at}: expected two whole numbers, got ${min} and ${max}`);
  if (min > max) throw invalid(`${at}: the minimum ${min} is more than the maximum ${max}`);
  if (!Number.isFinite(max - min)) throw invalid(`${at}: from ${min} to ${max} is too wide to search`);
  if (scaling === 'Logarithmic' && min <= 0) throw invalid(`${at}: Logarithmic scaling needs a minimum above 0, got ${min}`);
  if (scaling !== 'ReverseLogarithmic') return;
  if (kind === 'integer') throw invalid(`${at}: ReverseLogarithmic scaling is for continuous ranges`);
  if (min < 0 || max >= 1) throw invalid(`${at}: ReverseLogarithmic scaling needs a range within 0 <= x < 1, got ${min} to ${max}`);
}

/** The value at `unit` in [0, 1] of the range, as text. */
export function valueAt(range: ParameterRange, unit: number): string {
  if (range.kind === 'categorical') {
    const index = Math.min(range.values.length - 1, Math.floor(unit * range.values.length));
    return range.values[Math.max(0, index)] ?? '';
  }
  const { into, outOf } = scaleOf(range);
  const [from, to] = edgesOf(range).map(into) as [number, number];
  const value = outOf(from + Math.min(1, Math.max(0, unit)) * (to - from));
  const whole = range.kind === 'integer' ? Math.round(value) : value;
  return String(Math.min(range.max, Math.max(range.min, whole)) + 0); // + 0: no -0
}

/** Where a value lies in its range, in [0, 1]; of a categorical value its index. Null if it is outside. */
export function unitOf(range: ParameterRange, text: string): number | null {
  if (range.kind === 'categorical') {
    const index = range.values.indexOf(text);
    return index < 0 ? null : index;
  }
  const value = Number(text);
  if (text.trim() === '' || !(value >= range.min && value <= range.max)) return null;
  const { into } = scaleOf(range);
  const [from, to] = edgesOf(range).map(into) as [number, number];
  return to === from ? 0.5 : Math.min(1, Math.max(0, (into(value) - from) / (to - from)));
}

/** Each integer has the same share of a linear range, those at its ends too. */
function edgesOf({ kind, min, max }: NumericRange): readonly [number, number] {
  return kind === 'integer' ? [min - 0.5, max + 0.5] : [min, max];
}

function scaleOf({ min, max, scaling }: NumericRange): {
  readonly into: (value: number) => number;
  readonly outOf: (scaled: number) => number;
} {
  const isWide = min > 0 && max / min >= magnitudesOfAuto;
  if (scaling === 'Logarithmic' || (scaling === 'Auto' && isWide)) return { into: Math.log, outOf: Math.exp };
  if (scaling === 'ReverseLogarithmic') return { into: (x) => -Math.log1p(-x), outOf: (y) => -Math.expm1(-y) };
  return { into: (x) => x, outOf: (x) => x };
}

function shown(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

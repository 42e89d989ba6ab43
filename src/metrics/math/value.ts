/** Values of metric math: numbers, series and lists of series, and how to combine two. */
import { PlatformError } from '../../errors.ts';

/** Values by the start of their period, epoch milliseconds, ascending. */
export class MathSeries extends Map<number, number> {
  /** Seconds. */
  readonly periodS: number;

  constructor(periodS: number, points: Iterable<readonly [number, number]> = []) {
    super(points);
    this.periodS = periodS;
  }
}

/** A constant, one series, or several series, which only some functions combine into one. */
export type Value = number | MathSeries | readonly MathSeries[];

/** Epoch milliseconds; `toMs` is exclusive. */
export interface MathRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What an expression can refer to. */
export interface MathContext {
  /** By id. */
  readonly series: ReadonlyMap<string, MathSeries>;
  /** Ids of measured series, not expressions: the ones METRICS returns. Default: all. */
  readonly measured?: ReadonlySet<string>;
  /** The period used for constants. Seconds. */
  readonly periodS: number;
  /** The requested span for a given period: FILL fills from `fromMs` (inclusive) to `toMs` (exclusive), epoch milliseconds. */
  readonly spanOf: (periodS: number) => MathRange;
}

/** Whether a value is a list of series, as METRICS and SEARCH return them. */
export function isMany(value: Value): value is readonly MathSeries[] {
  return Array.isArray(value);
}

/** Flattens values into a list of series. */
export function seriesList(values: readonly Value[], context: MathContext): readonly MathSeries[] {
  return values.flatMap((value) => (isMany(value) ? value : [seriesOf(value, context)]));
}

/** Combines values at times where both have one, so the longer period decides. Drops non-finite results such as division by zero. */
export function joinSeries(left: Value, right: Value, operate: (a: number, b: number) => number): Value {
  if (typeof left === 'number' && typeof right === 'number') return operate(left, right);
  const [first, second] = [left, right].map((value) => (isMany(value) ? singleSeries(value) : value)) as [
    number | MathSeries,
    number | MathSeries,
  ];
  const times = typeof first === 'number' ? [...(second as MathSeries).keys()] : [...first.keys()];
  const result = new MathSeries(Math.max(...[first, second].map((value) => (typeof value === 'number' ? 0 : value.periodS))));
  for (const at of times) {
    const [a, b] = [first, second].map((value) => (typeof value === 'number' ? value : value.get(at)));
    if (a === undefined || b === undefined) continue;
    const value = operate(a, b);
    if (Number.isFinite(value)) result.set(at, value);
  }
  return result;
}

/** Throws `invalid_request` for several series. */
export function singleSeries(many: readonly MathSeries[]): MathSeries {
  if (many.length === 1) return many[0] as MathSeries;
  throw mathError('expected one series, got several. Combine them with SUM, AVG, MIN or MAX');
}

/** A constant has its value at all times of the query. */
export function seriesOf(value: Value, { series, periodS }: MathContext): MathSeries {
  if (typeof value === 'number')
    return new MathSeries(
      periodS,
      timesOf([...series.values()]).map((at) => [at, value]),
    );
  return isMany(value) ? singleSeries(value) : value;
}

/** The times at which any of the series has a value, ascending. */
export function timesOf(all: readonly MathSeries[]): number[] {
  return [...new Set(all.flatMap((each) => [...each.keys()]))].sort((a, b) => a - b);
}

/** For an expression that cannot be evaluated: a mistake of its author. */
export function mathError(what: string): PlatformError {
  return new PlatformError('invalid_request', `the expression is not valid: ${what}`);
}

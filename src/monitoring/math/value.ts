/** What metric math reckons with: numbers, series and several series, and how two of them meet. */
import { PlatformError } from '../../errors.ts';

/** Epoch milliseconds to value, rising, each of a period that begins then. */
export class Series extends Map<number, number> {
  /** Seconds. */
  readonly periodS: number;

  constructor(periodS: number, points: Iterable<readonly [number, number]> = []) {
    super(points);
    this.periodS = periodS;
  }
}

/** A number that is the same at all times; one series; or several, which only a function that joins them makes one of. */
export type Value = number | Series | readonly Series[];

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface MathContext {
  /** By id; undefined where there is none. */
  readonly series: ReadonlyMap<string, Series>;
  /** Ids of those that were measured, not reckoned: what METRICS means. All of them where it is not said. */
  readonly measured?: ReadonlySet<string>;
  /** Of a number, which has none of its own. Seconds. */
  readonly periodS: number;
  /** What was asked for, of periods of so many seconds: FILL fills those from `fromMs` on and before `toMs`, epoch milliseconds. */
  readonly spanOf: (periodS: number) => Span;
}

export function isMany(value: Value): value is readonly Series[] {
  return Array.isArray(value);
}

/** All of them, those that are several by themselves too. */
export function listed(values: readonly Value[], context: MathContext): readonly Series[] {
  return values.flatMap((value) => (isMany(value) ? value : [seriesOf(value, context)]));
}

/** Where both have a value, so that the longer periods count; what is no number any more (a division by nothing) is left out. */
export function joined(left: Value, right: Value, operate: (a: number, b: number) => number): Value {
  if (typeof left === 'number' && typeof right === 'number') return operate(left, right);
  const [first, second] = [left, right].map((value) => (isMany(value) ? single(value) : value)) as [number | Series, number | Series];
  const times = typeof first === 'number' ? [...(second as Series).keys()] : [...first.keys()];
  const result = new Series(Math.max(...[first, second].map((value) => (typeof value === 'number' ? 0 : value.periodS))));
  for (const at of times) {
    const [a, b] = [first, second].map((value) => (typeof value === 'number' ? value : value.get(at)));
    if (a === undefined || b === undefined) continue;
    const value = operate(a, b);
    if (Number.isFinite(value)) result.set(at, value);
  }
  return result;
}

export function single(many: readonly Series[]): Series {
  if (many.length === 1) return many[0] as Series;
  throw wrong('several series cannot be reckoned with as one: join them with SUM, AVG, MIN or MAX');
}

/** A number is that number at all times of the query. */
export function seriesOf(value: Value, { series, periodS }: MathContext): Series {
  if (typeof value === 'number')
    return new Series(
      periodS,
      timesOf([...series.values()]).map((at) => [at, value]),
    );
  return isMany(value) ? single(value) : value;
}

export function timesOf(all: readonly Series[]): number[] {
  return [...new Set(all.flatMap((each) => [...each.keys()]))].sort((a, b) => a - b);
}

export function wrong(what: string): PlatformError {
  return new PlatformError('invalid_request', `the expression is not valid: ${what}`);
}

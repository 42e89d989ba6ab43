/** Functions of CloudWatch metric math. */
import { isMany, type MathContext, MathSeries, seriesOf, timesOf, type Value } from './value.ts';

/** A function of metric math, with its number of arguments. */
export interface MathFunction {
  /** Minimum and maximum number of arguments. */
  readonly takes: readonly [number, number];
  readonly run: (values: readonly Value[], context: MathContext, mode: string | null) => Value;
}

/** By name in capitals, as CloudWatch documents them. */
export const functions: Readonly<Record<string, MathFunction>> = {
  SUM: { takes: [1, 1], run: ([value]) => folded(value as Value, (all) => all.reduce((sum, each) => sum + each, 0)) },
  AVG: { takes: [1, 1], run: ([value]) => folded(value as Value, (all) => all.reduce((sum, each) => sum + each, 0) / all.length) },
  MIN: { takes: [1, 1], run: ([value]) => folded(value as Value, (all) => Math.min(...all)) },
  MAX: { takes: [1, 1], run: ([value]) => folded(value as Value, (all) => Math.max(...all)) },
  RATE: { takes: [1, 1], run: ([value], context) => rate(seriesOf(value as Value, context)) },
  PERIOD: { takes: [1, 1], run: ([value], context) => seriesOf(value as Value, context).periodS },
  FILL: {
    takes: [2, 2],
    run: ([value, filler], context, mode) => filled(value as Value, filler ?? null, context, mode),
  },
  IF: { takes: [2, 3], run: ([condition, then, otherwise], context) => chosen(condition as Value, then as Value, otherwise, context) },
};

/** Combines several series into one, at each time of any. A single series becomes one number, as in CloudWatch. */
function folded(value: Value, fold: (all: readonly number[]) => number): Value {
  if (typeof value === 'number') return value;
  if (!isMany(value)) return value.size === 0 ? new MathSeries(value.periodS) : fold([...value.values()]);
  return new MathSeries(
    Math.min(...value.map(({ periodS }) => periodS)),
    timesOf(value).map((at) => [at, fold(value.flatMap((each) => each.get(at) ?? []))]),
  );
}

/** Change per second since the previous value. */
function rate(series: MathSeries): MathSeries {
  const result = new MathSeries(series.periodS);
  let before: [number, number] | null = null;
  for (const [at, value] of series) {
    if (before !== null) result.set(at, ((value - before[1]) * 1000) / (at - before[0]));
    before = [at, value];
  }
  return result;
}

/**
 * Fills each period of the requested span, as far as the mode gives a value. Several series are filled separately: a series measured every
 * five minutes has no gaps in the minutes between.
 */
function filled(value: Value, filler: Value | null, context: MathContext, mode: string | null): Value {
  if (isMany(value)) return value.map((each) => filledOne(each, filler, context, mode));
  return filledOne(seriesOf(value, context), filler, context, mode);
}

function filledOne(series: MathSeries, filler: Value | null, context: MathContext, mode: string | null): MathSeries {
  const fillers = filler === null ? null : seriesOf(filler, context);
  const times = [...new Set([...periodsOf(series, context), ...series.keys()])].sort((a, b) => a - b);
  const known = [...series];
  const result = new MathSeries(series.periodS);
  let next = 0;
  for (const at of times) {
    while (next < known.length && (known[next] as [number, number])[0] <= at) next++;
    const [before, after] = [known[next - 1], known[next]];
    const value =
      mode === null ? (series.get(at) ?? (typeof filler === 'number' ? filler : fillers?.get(at))) : between(at, before, after, mode);
    if (value !== undefined) result.set(at, value);
  }
  return result;
}

type Point = readonly [number, number];

/** Interpolates between the last point up to `at` and the first one after. */
function between(at: number, before: Point | undefined, after: Point | undefined, mode: string): number | undefined {
  if (before === undefined || before[0] === at || mode === 'REPEAT') return before?.[1];
  return after === undefined ? undefined : before[1] + ((after[1] - before[1]) * (at - before[0])) / (after[0] - before[0]);
}

function periodsOf({ periodS }: MathSeries, { spanOf }: MathContext): number[] {
  const { fromMs, toMs } = spanOf(periodS);
  return Array.from({ length: Math.max(0, Math.ceil((toMs - fromMs) / (1000 * periodS))) }, (_, i) => fromMs + i * 1000 * periodS);
}

function chosen(condition: Value, then: Value, otherwise: Value | undefined, context: MathContext): Value {
  if (typeof condition === 'number') return condition !== 0 ? then : (otherwise ?? new MathSeries(context.periodS));
  const at = (value: Value | undefined, time: number): number | undefined => {
    if (value === undefined || typeof value === 'number') return value;
    return seriesOf(value, context).get(time);
  };
  const conditions = seriesOf(condition, context);
  return new MathSeries(
    conditions.periodS,
    [...conditions].flatMap(([time, holds]): [number, number][] => {
      const value = at(holds !== 0 ? then : otherwise, time);
      return value === undefined ? [] : [[time, value]];
    }),
  );
}

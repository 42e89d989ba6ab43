/** Proposes the next values of a tuning job. Pure: the same history and the same random numbers give the same proposal. */
import type { Random } from '../../random.ts';
import { type ParameterRange, valueAt } from './parameter-ranges.ts';
import { type ParameterValues, randomValues, type TriedParameters, type TuningSearch } from './search.ts';
import { tpeProposals } from './tpe.ts';

/** A proposal that was already tried is drawn again, unless the ranges contain few other values: one of the drawn ones comes again. */
const redraws = 20;
/** A search that has converged proposes the same values several times before others. */
const sameMax = 5;

/** Null if every combination was tried, which only happens with a grid. */
export function propose(
  history: readonly TriedParameters[],
  { strategy, goal, ranges }: TuningSearch,
  random: Random,
): ParameterValues | null {
  if (strategy === 'Grid') return nextOfGrid(history, ranges);
  const tried = new Set(history.map(({ values }) => keyOf(ranges, values)));
  const draw = strategy === 'Bayesian' ? tpeProposals(history, { goal, ranges }, random) : () => randomValues(ranges, random);
  const drawn = new Map<string, number>();
  for (;;) {
    const values = draw();
    const key = keyOf(ranges, values);
    const times = (drawn.get(key) ?? 0) + 1;
    drawn.set(key, times);
    if (!tried.has(key) || times === sameMax || drawn.size === redraws) return values;
  }
}

/** Combinations of categorical ranges, which is all that a grid can have. */
export function gridSize(ranges: readonly ParameterRange[]): number {
  return ranges.reduce((product, range) => product * (range.kind === 'categorical' ? range.values.length : 1), 1);
}

/** The first combination that was not tried; the last range changes fastest. */
function nextOfGrid(history: readonly TriedParameters[], ranges: readonly ParameterRange[]): ParameterValues | null {
  const tried = new Set(history.map(({ values }) => keyOf(ranges, values)));
  const size = gridSize(ranges);
  for (let index = 0; index < size; index++) {
    const values = combinationAt(ranges, index);
    if (!tried.has(keyOf(ranges, values))) return values;
  }
  return null;
}

function combinationAt(ranges: readonly ParameterRange[], index: number): ParameterValues {
  let rest = index;
  const pairs: [string, string][] = [];
  for (const range of ranges.toReversed()) {
    const values = range.kind === 'categorical' ? range.values : [valueAt(range, 0.5)];
    pairs.unshift([range.name, values[rest % values.length] ?? '']);
    rest = Math.floor(rest / values.length);
  }
  return Object.fromEntries(pairs);
}

function keyOf(ranges: readonly ParameterRange[], values: ParameterValues): string {
  return JSON.stringify(ranges.map(({ name }) => values[name] ?? null));
}

/** The search space of a tuning job, and its trials so far. */
import type { Random } from '../../random.ts';
import { type ParameterRange, valueAt } from './parameter-ranges.ts';

/** Hyperband is ASHA: random proposals, most of which `decideHalving` stops early. Bayesian is TPE. */
export type TuningStrategy = 'Random' | 'Grid' | 'Hyperband' | 'Bayesian';

/** Whether a smaller or a larger value is better. */
export type TuningGoal = 'Minimize' | 'Maximize';

/** Values by hyperparameter. */
export type ParameterValues = Readonly<Record<string, string>>;

/** A trial as strategies see it. */
export interface TriedParameters {
  readonly values: ParameterValues;
  /** Null while the trial runs, or if it reported no value. */
  readonly objective: number | null;
}

/** What is searched, and how. */
export interface TuningSearch {
  readonly strategy: TuningStrategy;
  readonly goal: TuningGoal;
  readonly ranges: readonly ParameterRange[];
}

/** Each range uniformly in its scale. */
export function randomValues(ranges: readonly ParameterRange[], random: Random): ParameterValues {
  return Object.fromEntries(ranges.map((range) => [range.name, valueAt(range, random.next())]));
}

/** Decides which trials of a tuning job are stopped early, because others were better after the same number of reports. Pure. */
import type { TuningGoal } from './search.ts';

/** The values of the objective that one trial has reported, the oldest first. */
export type Reports = readonly number[];

/** One in eta trials passes each rung. */
const eta = 3;
/** Fewer trials say little about the median. */
const trialsOfMedian = 3;

/** Between which numbers of reports trials are compared. */
export interface HalvingResources {
  /** Reports before the first rung. */
  readonly min: number;
  /** Reports of a complete training: there are no rungs from here on. */
  readonly max: number;
}

/** Counts of reports at which a trial is compared: min, 3 min, 9 min, … below max. */
export function rungsOf({ min, max }: HalvingResources): readonly number[] {
  const rungs: number[] = [];
  for (let reports = min; reports < max; reports *= eta) rungs.push(reports);
  return rungs;
}

/**
 * ASHA (Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht, Talwalkar: A System for Massively Parallel Hyperparameter Tuning, MLSys 2020,
 * section 3) in its stopping form: at each rung that a trial has reached, it must be among the best 1/eta of all that have reached the rung
 * so far. The first eta - 1 of a rung pass, because there is nothing to compare them with.
 */
export function decideHalving(trial: Reports, others: readonly Reports[], goal: TuningGoal, resources: HalvingResources): boolean {
  return rungsOf(resources).some((rung) => {
    const own = trial[rung - 1];
    if (own === undefined) return false;
    const reached = others.flatMap((reports) => (reports[rung - 1] === undefined ? [] : [reports[rung - 1] as number]));
    const passing = Math.floor((reached.length + 1) / eta);
    if (passing === 0) return false;
    return reached.filter((value) => isBetter(value, own, goal)).length >= passing;
  });
}

/**
 * The median rule, as SageMaker's early stopping has it: a trial whose last value is worse than the median of the running averages of all
 * completed trials, each over the same number of reports (Golovin et al.: Google Vizier, KDD 2017, section 3.1.2).
 */
export function decideMedian(trial: Reports, completed: readonly Reports[], goal: TuningGoal): boolean {
  const last = trial.at(-1);
  const comparable = completed.filter(({ length }) => length > 0);
  if (last === undefined || comparable.length < trialsOfMedian) return false;
  const averages = comparable.map((reports) => mean(reports.slice(0, trial.length)));
  return isBetter(median(averages), last, goal);
}

/** Strictly: equal values are not better. */
export function isBetter(value: number, than: number, goal: TuningGoal): boolean {
  return goal === 'Minimize' ? value < than : value > than;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Texts and figures of tuning jobs. Pure functions. */
import type { TuningJobBody, TuningTrialBody } from '../../../../src/api/index.ts';
import type { StateKind } from '../../kit/state-mark.tsx';
import { shownMetric } from '../training-text.ts';

export const tuningStates: Readonly<Record<TuningJobBody['status'], StateKind>> = {
  InProgress: 'changing',
  Completed: 'ok',
  Failed: 'bad',
  Stopping: 'changing',
  Stopped: 'zero',
};

/** Numbers are cut to four digits: `lr=0.001827, depth=7`. */
export function trialText(values: TuningTrialBody['values']): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value.trim() !== '' && Number.isFinite(Number(value)) ? shownMetric(Number(value)) : value}`)
    .join(', ');
}

/** `0.0001 to 1, Logarithmic`, or the values. */
export function searchedText(range: TuningJobBody['ranges'][number]): string {
  if (range.type === 'categorical') return range.values.join(', ');
  const kind = range.type === 'integer' ? 'whole numbers from ' : '';
  return `${kind}${range.min} to ${range.max}${range.scaling === 'Auto' ? '' : `, ${range.scaling.toLowerCase()}`}`;
}

export interface TrialPoint {
  readonly number: number;
  readonly value: number;
  /** Better than all trials before it. */
  readonly isBest: boolean;
}

/** Trials with a value, in order of their numbers. */
export function trialPoints(trials: readonly TuningTrialBody[], goal: TuningJobBody['goal']): readonly TrialPoint[] {
  const points: TrialPoint[] = [];
  let best: number | null = null;
  for (const { number, objective } of trials) {
    if (objective === null) continue;
    const isBest = best === null || (goal === 'Minimize' ? objective < best : objective > best);
    if (isBest) best = objective;
    points.push({ number, value: objective, isBest });
  }
  return points;
}

/** Texts of the training pages. Pure functions. */
import type { TrainingJobBody } from '../../../src/api/index.ts';
import type { StateKind } from '../kit/state-mark.tsx';

type Transition = TrainingJobBody['transitions'][number];

const kinds: Readonly<Record<TrainingJobBody['status'], StateKind>> = {
  InProgress: 'changing',
  Completed: 'ok',
  Failed: 'bad',
  Stopping: 'changing',
  Stopped: 'zero',
  Deleting: 'changing',
};

/** The state of a job, with the activity of a running one. */
export function jobState({
  status,
  secondary_status: detail,
}: Pick<TrainingJobBody, 'status' | 'secondary_status'>): readonly [StateKind, string] {
  const isTimeOver = detail === 'MaxRuntimeExceeded' || detail === 'MaxWaitTimeExceeded';
  return [isTimeOver ? 'warn' : kinds[status], status === 'InProgress' ? detail : isTimeOver ? 'Out of time' : status];
}

const endings: readonly string[] = ['Completed', 'Failed', 'Stopped', 'MaxRuntimeExceeded', 'MaxWaitTimeExceeded'];

export function transitionKind({ status, ended_at: ended }: Transition, isLast: boolean): StateKind {
  if (status === 'Completed') return 'ok';
  if (status === 'Failed') return 'bad';
  if (status === 'Interrupted' || status === 'Restarting' || status.startsWith('Max')) return 'warn';
  if (status === 'Stopped' || status === 'Stopping') return 'zero';
  return isLast && ended === null ? 'changing' : 'ok';
}

/** Milliseconds that a status took, up to now for the current one; null for the end of a job, which takes none. */
export function transitionMs({ status, started_at: from, ended_at: to }: Transition, nowMs: number): number | null {
  return endings.includes(status) ? null : Math.max(0, (to === null ? nowMs : Date.parse(to)) - Date.parse(from));
}

/** A metric with four significant digits: `0.9533`. */
export function shownMetric(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** The first metric that a job defines, with its last value. */
export function objectiveMetric({
  metric_definitions: definitions,
  metrics,
}: TrainingJobBody): { readonly name: string; readonly value: number } | null {
  const name = definitions[0]?.name;
  const last = metrics.find((metric) => metric.name === name);
  return last === undefined ? null : last;
}

/** One `C=0.5` per line. */
export function hyperparameterLines(hyperparameters: Readonly<Record<string, string>>): string {
  return Object.entries(hyperparameters)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}

/** Null if a line has no name before `=`. */
export function parseHyperparameters(text: string): Record<string, string> | null {
  const found: Record<string, string> = {};
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    if (at < 1) return null;
    found[line.slice(0, at).trim()] = line.slice(at + 1);
  }
  return found;
}

/** Texts of the pipelines pages. Pure functions. */
import type { PipelineBody, PipelineRunBody } from '../../../../src/api/index.ts';
import { plural } from '../../kit/format/format.ts';
import type { StateKind } from '../../kit/state-mark.tsx';

type RunStep = PipelineRunBody['steps'][number];

export const runStates: Readonly<Record<PipelineRunBody['state'], readonly [StateKind, string]>> = {
  InProgress: ['changing', 'In progress'],
  Completed: ['ok', 'Completed'],
  Failed: ['bad', 'Failed'],
  Stopped: ['zero', 'Stopped'],
};

export const stepStates: Readonly<Record<RunStep['state'], readonly [StateKind, string]>> = {
  Waiting: ['zero', 'Waiting'],
  InProgress: ['changing', 'In progress'],
  Completed: ['ok', 'Completed'],
  Failed: ['bad', 'Failed'],
  Skipped: ['zero', 'Skipped'],
  Stopped: ['zero', 'Stopped'],
};

export const verdictStates: Readonly<Record<NonNullable<PipelineRunBody['verdict']>, readonly [StateKind, string]>> = {
  better: ['ok', 'Better'],
  worse: ['bad', 'Worse'],
  unsure: ['warn', 'Unsure'],
};

/** The triggers of the runs: `cron(0 3 ? * SUN *), endpoint.drifted`; `by hand` without a schedule and events. */
export function startsText({ schedule, event }: Pick<PipelineBody, 'schedule' | 'event'>): string {
  const starts = [schedule, event === null ? null : eventText(event)].filter((each) => each !== null);
  return starts.length === 0 ? 'by hand' : starts.join(', ');
}

/** The kinds of events that a pattern names, else `events`. */
function eventText(pattern: string): string {
  const kinds: unknown = (JSON.parse(pattern) as Readonly<Record<string, unknown>>)['detail-type'];
  return Array.isArray(kinds) && kinds.length > 0 && kinds.every((kind) => typeof kind === 'string') ? kinds.join(', ') : 'events';
}

const triggerWords: Readonly<Record<PipelineRunBody['trigger']['kind'], string>> = {
  manual: 'by',
  schedule: 'on schedule',
  event: 'on',
};

/** `by admin`, `on endpoint.drifted, 3 triggers as one`. */
export function triggerText({ kind, by, count }: Pick<PipelineRunBody['trigger'], 'kind' | 'by' | 'count'>): string {
  return `${triggerWords[kind]} ${by}${count === 1 ? '' : `, ${plural(count, 'trigger')} as one`}`;
}

/** The outcome of a run: why it failed, or the note of the last step that ran. */
export function resultText({ reason, steps }: Pick<PipelineRunBody, 'reason' | 'steps'>): string | null {
  return reason ?? steps.findLast(({ state, note }) => note !== null && state !== 'Skipped')?.note ?? null;
}

/** Milliseconds from start to end, up to now if there is no end; null before the start. */
export function tookMs({ started_at: from, ended_at: to }: Pick<RunStep, 'started_at' | 'ended_at'>, nowMs: number): number | null {
  return from === null ? null : Math.max(0, (to === null ? nowMs : Date.parse(to)) - Date.parse(from));
}

/** A p-value or a gain with three significant digits: `0.00803`, `1.2e-9`, `−0.0133`. */
export function shownFigure(value: number): string {
  return String(Number(value.toPrecision(3))).replace(/^-/, '−');
}

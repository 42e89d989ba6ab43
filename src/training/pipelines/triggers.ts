/** When runs start: merged triggers, the pause between runs, and patterns by which a pipeline would start itself. Pure. */
import type { Envelope } from '../../alerts/index.ts';
import { PlatformError } from '../../errors.ts';
import { compilePattern } from '../../event-patterns/index.ts';
import { sameName } from '../../names.ts';
import type { PlatformEvent } from '../../records/index.ts';
import { nextDueMs, parseSchedule } from '../../schedules/index.ts';
import type { Pipeline, PipelineRun, PipelineTrigger } from './pipeline.ts';
import type { PipelineSpec } from './pipeline-spec.ts';

const strength = { event: 0, schedule: 1, manual: 2 } as const;

/**
 * Merges two triggers of one run. The stronger one is the cause, and its parameter values prevail: an event, which any client may send,
 * does not change those that a caller has chosen. Of equally strong ones the later prevails.
 */
export function mergedTrigger(waiting: PipelineTrigger | null, next: PipelineTrigger): PipelineTrigger {
  if (waiting === null) return next;
  const [weaker, stronger] = strength[next.kind] >= strength[waiting.kind] ? [waiting, next] : [next, waiting];
  const { kind, by } = stronger;
  return {
    kind,
    by,
    count: waiting.count + next.count,
    atMs: Math.min(waiting.atMs, next.atMs),
    parameters: { ...weaker.parameters, ...stronger.parameters },
    setBy: { ...weaker.setBy, ...stronger.setBy },
  };
}

/** The values of a start with the key that gave them; null: a rule. */
export function startValues(
  parameters: Readonly<Record<string, string>>,
  by: string | null,
): Pick<PipelineTrigger, 'parameters' | 'setBy'> {
  return { parameters, setBy: Object.fromEntries(Object.keys(parameters).map((name) => [name, by])) };
}

/** When the waiting trigger may start its run; null if none waits. Only events wait for the pause after the previous run. */
export function startsAtMs({ waiting, lastStartedAtMs, spec }: Pick<Pipeline, 'waiting' | 'lastStartedAtMs' | 'spec'>): number | null {
  if (waiting === null) return null;
  if (waiting.kind !== 'event' || lastStartedAtMs === null) return waiting.atMs;
  return Math.max(waiting.atMs, lastStartedAtMs + spec.on.atMostEveryMs);
}

/** The first due time of the schedule that is not handled yet; null without a schedule. */
export function scheduleDueMs({
  spec,
  scheduleHandledMs,
  createdAtMs,
}: Pick<Pipeline, 'spec' | 'scheduleHandledMs' | 'createdAtMs'>): number | null {
  const { schedule } = spec.on;
  return schedule === null ? null : nextDueMs(parseSchedule(schedule), scheduleHandledMs, createdAtMs);
}

/** Throws `invalid_request` if the events of the pipeline's own runs match its pattern: it would start itself forever. */
export function checkOwnEvents({ name, on }: PipelineSpec): void {
  if (on.event === null) return;
  const matches = compilePattern(on.event);
  for (const kind of ['pipeline.run-started', 'pipeline.step-ended', 'pipeline.run-ended'] as const) {
    for (const state of ['InProgress', 'Completed', 'Failed', 'Stopped', 'Skipped']) {
      if (!matches(ownEnvelope(name, kind, state))) continue;
      throw new PlatformError(
        'invalid_request',
        `on.event matches ${kind} of pipeline ${name} itself, so it would start itself forever: name other resources, or leave ${kind} out`,
      );
    }
  }
}

/** Kinds of an endpoint that a rollout does not cause. */
const notOfRollouts = /^endpoint\.(?:drift|objective-)/;
/** The event that an endpoint is in service may come later than the step notices it. */
const afterwardsMs = 60_000;

/** Whether a deploying run caused an event of its endpoint. Otherwise a pattern without kinds would start a run after each rollout. */
export function isOfRollout(
  { kind, subject, atMs }: Pick<PlatformEvent, 'kind' | 'subject' | 'atMs'>,
  { deploy }: Pick<PipelineSpec, 'deploy'>,
  runs: readonly Pick<PipelineRun, 'startedAtMs' | 'endedAtMs'>[],
): boolean {
  if (deploy === null || !sameName(subject, deploy.endpoint) || !/^(?:endpoint|decision)\./.test(kind) || notOfRollouts.test(kind))
    return false;
  return runs.some(({ startedAtMs, endedAtMs }) => atMs >= startedAtMs && atMs <= (endedAtMs ?? atMs) + afterwardsMs);
}

function ownEnvelope(name: string, kind: string, state: string): Envelope {
  const detail = { run: 1, step: 'train', state, reason: null, note: null, version: null, verdict: null, job: null };
  const place = { account: '000000000000', time: '2026-01-01T00:00:00Z', region: 'us-east-1' };
  return { version: '0', id: 'own', 'detail-type': kind, source: 'penstock', ...place, resources: [name], detail };
}

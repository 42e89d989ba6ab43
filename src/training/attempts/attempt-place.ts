/** On which machine an attempt runs, and under which id its task is known there. */
import { join } from 'node:path';
import { nameKey } from '../../names.ts';
import type { PreparedFolder, TaskAddress, TaskEviction, TaskRequest } from '../../providers/index.ts';
import { type JobKind, jobKindOf, jobNameOf } from '../job-kind.ts';
import type { StoredTraining } from '../rows.ts';
import type { TrainingSpec } from '../spec.ts';
import { instanceMs } from '../status.ts';
import type { JobPython } from './launch.ts';
import type { RunDeps } from './run-deps.ts';

/** Of the time until its host stops, an evicted task has this share: the rest is for uploading its checkpoints. */
const evictionShare = 0.6;
/** An attempt may run for this time, even if the attempts before have used that of the job. */
const runtimeMsMin = 1000;
/** Time to upload results after the end of a task, and for a host to return that is away just then: it is lost after 11 minutes. */
const handOverMs = 3_600_000;

/** Of the task of the current attempt. Another job of this name has another id, even in the same folder. */
export function taskAddressOf(
  { jobFolder }: Pick<RunDeps, 'jobFolder'>,
  { spec, progress: { attempt, host = null }, createdAtMs }: Pick<StoredTraining, 'spec' | 'progress' | 'createdAtMs'>,
): TaskAddress {
  return { id: `${nameKey(spec.name)}/${attempt}/${createdAtMs}`, folder: join(jobFolder(spec.name), String(attempt)), host };
}

/** The job and the attempt of a task, by its id: the inverse of `taskAddressOf`. The name of the job is in lower case. */
export function jobOfTask(id: string): { readonly kind: JobKind; readonly job: string; readonly attempt: number } {
  const [key = '', attempt] = id.split('/');
  return { kind: jobKindOf(key), job: jobNameOf(key), attempt: Number(attempt) };
}

/** What a machine must have for the job. Script mode runs the Python of the system if the job names no environment. `lock`: null if it is not known. */
export function requirementsOfTask(
  { instanceOf }: Pick<RunDeps, 'instanceOf'>,
  spec: TrainingSpec,
  lock: string | null,
): Omit<TaskRequest, 'id' | 'folder' | 'name'> {
  const { vcpus: threads, memoryMiB } = instanceOf(spec);
  const isPython = spec.environment !== null || spec.command === null;
  return { threads, memoryMiB, environment: isPython ? { name: spec.environment, lock } : null };
}

/** Stores where the attempt will run before anything starts there, so that the next server finds it. Null: the job was deleted. */
export async function prepareAttempt(deps: RunDeps, stored: StoredTraining, python: JobPython | null): Promise<PreparedFolder | null> {
  const { tasks, states } = deps;
  const { id, folder } = taskAddressOf(deps, stored);
  const name = `attempt ${stored.progress.attempt} of ${jobNameOf(stored.spec.name)}`;
  const prepared = await tasks.prepare({ id, folder, name, ...requirementsOfTask(deps, stored.spec, python?.lock ?? null) });
  const placed = { host: prepared.at.host, machine: prepared.machine, placedBecause: prepared.reason };
  return (await states.patch(stored.spec.name, placed)) === null ? null : prepared;
}

/** Whether the host of the attempt is lost with all files. Waits while the host is away. */
export async function isAttemptLost(
  deps: Pick<RunDeps, 'tasks' | 'jobFolder'>,
  stored: StoredTraining,
  signal: AbortSignal,
): Promise<boolean> {
  const at = taskAddressOf(deps, stored);
  return at.host !== null && (await deps.tasks.find(at, signal)) === null;
}

/** How the task of an attempt without an end was lost. */
export function lossOf({ progress: { host = null } }: StoredTraining, isGivenUp: boolean): string {
  if (isGivenUp) return `${host === null ? 'its host' : `host ${host}`} did not end the task in its time`;
  return host === null ? 'its supervisor was killed' : `host ${host} was lost, or lost the task`;
}

/**
 * When a host must have ended the current attempt and handed over its results, epoch milliseconds; null before it downloads its inputs. The
 * agent keeps the limit itself: this one holds for an agent that hangs or lies, and is computed from the row, so that each home has the same.
 */
export function handOverByMs({ spec, progress }: Pick<StoredTraining, 'spec' | 'progress'>, stopGraceMs: number): number | null {
  const { transitions } = progress;
  const at = transitions.findLastIndex(({ status }) => status === 'Downloading');
  const begun = transitions[at];
  if (begun === undefined) return null;
  const usedMs = instanceMs({ ...progress, transitions: transitions.slice(0, at) }, begun.startedAtMs);
  const endsAtMs = begun.startedAtMs + attemptRuntimeMs(spec, usedMs);
  const stopping = transitions.slice(at).find(({ status }) => status === 'Stopping');
  return Math.min(endsAtMs, stopping?.startedAtMs ?? Number.POSITIVE_INFINITY) + stopGraceMs + handOverMs;
}

/** How long an attempt may run, if those before have used some of the time of the job. */
export function attemptRuntimeMs({ maxRuntimeMs }: Pick<TrainingSpec, 'maxRuntimeMs'>, usedMs: number): number {
  return Math.max(runtimeMsMin, maxRuntimeMs - usedMs);
}

/** The time to stop of a task that must leave its host. Null: it may stay. A job without checkpoints would begin again from nothing, so a host that is only drained waits. */
export function evictionGraceMs({ spec }: StoredTraining, { why, withinMs }: TaskEviction, stopGraceMs: number): number | null {
  if (why === 'draining' && spec.checkpoints === null && !spec.isSpot) return null;
  return Math.min(stopGraceMs, (withinMs ?? Number.POSITIVE_INFINITY) * evictionShare);
}

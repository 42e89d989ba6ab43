/** On which machine an attempt runs, and under which id its task is known there. */
import { join } from 'node:path';
import { nameKey } from '../../names.ts';
import type { PreparedFolder, TaskAddress, TaskEviction, TaskRequest } from '../../providers/index.ts';
import type { StoredTraining } from '../rows.ts';
import type { TrainingSpec } from '../spec.ts';
import type { JobPython } from './launch.ts';
import type { RunDeps } from './run-deps.ts';

/** Of the time until its host stops, an evicted task has this share: the rest is for uploading its checkpoints. */
const evictionShare = 0.6;

/** Of the task of the current attempt. Another job of this name has another id, even in the same folder. */
export function taskAddressOf(
  { jobFolder }: Pick<RunDeps, 'jobFolder'>,
  { spec, progress: { attempt, host = null }, createdAtMs }: Pick<StoredTraining, 'spec' | 'progress' | 'createdAtMs'>,
): TaskAddress {
  return { id: `${nameKey(spec.name)}/${attempt}/${createdAtMs}`, folder: join(jobFolder(spec.name), String(attempt)), host };
}

/** What a machine must have for the job. Script mode runs the Python of the system if the job names no environment. `lock`: null if it is not known. */
export function requirementsOfTask(
  { instanceOf }: Pick<RunDeps, 'instanceOf'>,
  spec: TrainingSpec,
  lock: string | null,
): Omit<TaskRequest, 'id' | 'folder'> {
  const { vcpus: threads, memoryMiB } = instanceOf(spec);
  const isPython = spec.environment !== null || spec.command === null;
  return { threads, memoryMiB, environment: isPython ? { name: spec.environment, lock } : null };
}

/** Stores where the attempt will run before anything starts there, so that the next server finds it. Null: the job was deleted. */
export async function prepareAttempt(deps: RunDeps, stored: StoredTraining, python: JobPython | null): Promise<PreparedFolder | null> {
  const { tasks, states } = deps;
  const { id, folder } = taskAddressOf(deps, stored);
  const prepared = await tasks.prepare({ id, folder, ...requirementsOfTask(deps, stored.spec, python?.lock ?? null) });
  const placed = { host: prepared.at.host, placedBecause: prepared.reason };
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
export function lossOf({ progress: { host = null } }: StoredTraining): string {
  return host === null ? 'its supervisor was killed' : `host ${host} was lost, or lost the task`;
}

/** The time to stop of a task that must leave its host. Null: it may stay. A job without checkpoints would begin again from nothing, so a host that is only drained waits. */
export function evictionGraceMs({ spec }: StoredTraining, { why, withinMs }: TaskEviction, stopGraceMs: number): number | null {
  if (why === 'draining' && spec.checkpoints === null && !spec.isSpot) return null;
  return Math.min(stopGraceMs, (withinMs ?? Number.POSITIVE_INFINITY) * evictionShare);
}

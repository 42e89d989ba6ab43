/** What the folder of a task says about its state. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { bootId, startTicks } from '../processes/process-facts.ts';
import type { TaskEnd } from './task.ts';
import { readTaskFile, type TaskClaim, taskFiles } from './task-plan.ts';

/** `gone`: its supervisor does not run, and has not recorded an end. */
export type TaskObservation =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly claim: TaskClaim }
  | { readonly kind: 'gone'; readonly claim: TaskClaim | null; readonly lastSignMs: number }
  | { readonly kind: 'ended'; readonly end: TaskEnd };

/** Reads the end twice, because a task may end between the other readings. */
export function observeTask(folder: string): TaskObservation {
  const end = readTaskFile(folder, 'end');
  if (end !== null) return { kind: 'ended', end };
  const claim = readTaskFile(folder, 'claim');
  if (claim !== null && isRunning(claim)) return claim.commandPid === null ? { kind: 'starting' } : { kind: 'running', claim };
  // It may have ended between the two readings.
  const late = readTaskFile(folder, 'end');
  if (late !== null) return { kind: 'ended', end: late };
  return { kind: 'gone', claim, lastSignMs: lastSignMs(folder) };
}

/** Pid and start time name one process of one boot; after a restart of the machine neither means anything. */
export function isRunning({ pid, startTicks: ticks, bootId: boot }: TaskClaim): boolean {
  return ticks !== null && startTicks(pid) === ticks && boot === bootId();
}

/** Wall-clock time of its last sign of life; 0 if there is none. */
function lastSignMs(folder: string): number {
  const times = [taskFiles.alive, taskFiles.claim, taskFiles.plan].map(
    (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  return Math.max(...times);
}

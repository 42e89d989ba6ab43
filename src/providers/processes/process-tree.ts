/**
 * Cleans up after a worker that starts processes: ends the processes that outlive it, even if they left its group, and removes its folder.
 * Each process has a mark in its environment that is never reused, by which the next server can also find it.
 */
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { removeTree } from '../disk/remove-tree.ts';
import { endProcesses, markedProcesses, startTicks } from './process-facts.ts';

/** The environment variable that marks a process and its descendants. */
export const markName = 'PENSTOCK_PROCESS';
/** Found by a mark in the environment, which every descendant inherits unless it clears it. */
export class ProcessTree {
  /** Belongs to this worker; its archive is unpacked here. */
  readonly directory: string;
  readonly mark: { readonly name: string; readonly value: string };

  /** `parent` belongs to the server. */
  constructor(parent: string, workerId: string) {
    this.directory = join(parent, workerId);
    this.mark = { name: markName, value: workerId };
  }

  /** Ends all remaining processes and removes the folder; resolves when done. Does not throw. */
  async end(clock: Clock, log: Log): Promise<void> {
    const remaining = runningMarked(this.mark.value);
    if (remaining.length > 0) log.info({ processes: remaining }, 'ending processes left behind by a worker');
    await endProcesses(() => runningMarked(this.mark.value), clock);
    try {
      await removeTree(this.directory);
    } catch (error) {
      log.warn({ folder: this.directory, error: messageOf(error) }, 'failed to remove the folder of a worker');
    }
  }
}

/** Running processes that were started with this mark, and their descendants. */
export function runningMarked(mark: string): readonly number[] {
  return markedProcesses(markName, mark).filter((pid) => startTicks(pid) !== null);
}

/** Kills the process group of this leader pid. The number is not reused while the group has a member. */
export function killGroup(pid: number): void {
  kill(-pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended just now
  }
}

/**
 * What a worker leaves behind that starts processes: those that outlast it, wherever they went, and its folder. Each
 * carries a mark in its environment, a name that is never given twice, by which also the next server finds it.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import { markedProcesses, startTicks } from './process-facts.ts';

export const markName = 'PENSTOCK_PROCESS';
/** One that is being killed may start another meanwhile. */
const roundsMax = 100;
const pauseMs = 10;

export class ProcessTree {
  /** Of this worker alone; what is unpacked for it lies here. */
  readonly directory: string;
  readonly mark: { readonly name: string; readonly value: string };

  /** `parent` is the server's own. */
  constructor(parent: string, workerId: string) {
    this.directory = join(parent, workerId);
    this.mark = { name: markName, value: workerId };
  }

  /** Ends all that is left of it, and removes its folder; resolves when it is gone. Does not throw. */
  async end(clock: Clock, log: Log): Promise<void> {
    for (let round = 0; round < roundsMax; round++) {
      const left = markedProcesses(this.mark.name, this.mark.value).filter((pid) => startTicks(pid) !== null);
      if (left.length === 0) break;
      if (round === 0) log.info({ processes: left }, 'ending what a worker left behind');
      for (const pid of left) kill(pid);
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
    }
    try {
      rmSync(this.directory, { recursive: true, force: true });
    } catch (error) {
      log.warn({ folder: this.directory, error: messageOf(error) }, 'the folder of a worker could not be removed');
    }
  }
}

/** All that are in the group whose head has, or had, this pid: as long as one is, nobody else is given that number. */
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

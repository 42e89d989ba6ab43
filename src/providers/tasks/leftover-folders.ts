/** Removes the folders of tasks that nothing needs any more, which a killed server left behind. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { removeTree } from '../disk/remove-tree.ts';
import type { TaskView } from './task.ts';

interface LeftoverDeps {
  readonly tasks: {
    adopt(folder: string): TaskView | null;
    stop(id: string, graceMs: number): Promise<void>;
    remove(id: string): Promise<void>;
  };
  readonly log: Log;
}

/**
 * `parent`: holds a folder per job, with a folder per attempt. `needed`: folders of current attempts of jobs that are not over. A
 * task that still runs is only stopped: the next server removes its folder.
 */
export async function removeLeftovers(deps: LeftoverDeps, parent: string, needed: ReadonlySet<string>): Promise<void> {
  const { tasks, log } = deps;
  for (const job of await namesIn(parent)) {
    const folder = join(parent, job);
    let isNeeded = false;
    for (const attempt of await namesIn(folder)) {
      if (needed.has(join(folder, attempt))) {
        isNeeded = true;
        continue;
      }
      const task = tasks.adopt(join(folder, attempt));
      try {
        if (task?.state === 'starting' || task?.state === 'running') {
          isNeeded = true;
          await tasks.stop(task.id, 0);
          continue;
        }
        if (task !== null) await tasks.remove(task.id);
        await removeTree(join(folder, attempt));
      } catch (error) {
        isNeeded = true;
        log.warn({ job, attempt, error: messageOf(error) }, 'failed to remove what remains of a training job');
      }
    }
    if (!isNeeded) await removeTree(folder).catch(() => undefined); // the next server tries again
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

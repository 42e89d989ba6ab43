/** Cleans up after a killed server: ends its build and removes half-built folders. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import { pidFile, startOf } from './build.ts';
import { removeFolder } from './folders.ts';
import { endGroup } from './process-group.ts';

/** Only folders that end in `.tmp` are removed: no server uses them. A failed removal is retried at the next start. */
export async function endLeftovers(directory: string, log: Pick<Log, 'warn'>): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.tmp'));
  for (const name of names) {
    const folder = join(directory, name);
    await endBuildIn(folder);
    await removeFolder(folder).catch((error: unknown) =>
      log.warn({ folder, error: messageOf(error) }, 'failed to remove a half-built environment'),
    );
  }
}

/** The recorded start time distinguishes the build from another process with the same id. */
async function endBuildIn(folder: string): Promise<void> {
  const [pid = '', started = ''] = (await readFile(join(folder, pidFile), 'utf8').catch(() => '')).split(' ');
  if (!/^\d+$/.test(pid) || started === '') return;
  const status = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  if (startOf(status) === started) endGroup(Number(pid));
}

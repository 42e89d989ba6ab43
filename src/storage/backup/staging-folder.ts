/**
 * The folder beside a backup in which it is written, so that nothing unfinished has the name of a backup. Its writer holds a lock in it,
 * which ends with the process: what a killed backup left is removed by the next one, and what a running backup writes never is. Migrations
 * and restores write in such folders, too.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync } from 'node:fs';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FileLock } from '../../data-directory/index.ts';

const prefix = '.penstock-backup-';
const lockName = 'lock';
/** Another backup that looks for leftovers may hold the new lock for a moment. */
const attemptsMax = 10;

/** A locked folder, and the function that removes it. */
export interface StagingFolder {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** Creates a folder for its owner only. Throws the system's error. */
export async function createStagingFolder(parent: string): Promise<StagingFolder> {
  for (let attempt = 1; ; attempt++) {
    const path = join(parent, `${prefix}${randomUUID()}`);
    await mkdir(path, { mode: 0o700 });
    const lock = lockFolder(path);
    if (lock === 'taken' && attempt < attemptsMax) continue;
    const remove = async (): Promise<void> => {
      await rm(path, { recursive: true, force: true });
      if (typeof lock === 'object') lock.release();
    };
    return { path, remove };
  }
}

/** On a disk without locks there is none, and the folder is never taken for a leftover. `taken`: another process looks for leftovers. */
export function lockFolder(path: string): FileLock | 'taken' | 'unsupported' {
  try {
    return FileLock.take(join(path, lockName), 0) ?? 'taken';
  } catch {
    return existsSync(path) ? 'unsupported' : 'taken';
  }
}

/** Ends the name of the folder in which a data directory is restored. */
export const restoringSuffix = '.restoring';

/** Removes what killed backups, migrations and restores have left beside the data directory. Never throws. */
export async function removeUnfinishedCopies(dataDir: string): Promise<void> {
  const path = resolve(dataDir);
  await removeStagingLeftovers(dirname(path));
  await removeAbandoned(`${path}${restoringSuffix}`);
}

/** Removes the folders of killed backups and migrations in `parent`. What cannot be removed stays. */
export async function removeStagingLeftovers(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names) await removeStagingLeftover(join(parent, name));
}

/** Removes the folder if a backup of this user that was killed has left it, and that of the migration around it. Never throws. */
export async function removeStagingLeftover(path: string): Promise<void> {
  if (!basename(path).startsWith(prefix)) return;
  await removeAbandoned(path);
  await removeStagingLeftover(dirname(path));
}

/** Removes the folder of this user if the process that locked it has ended. Never throws. */
export async function removeAbandoned(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true || found.uid !== process.getuid?.()) return;
  let lock: FileLock | null = null;
  try {
    const file = join(path, lockName);
    if (!existsSync(file)) return await rmdir(path); // only if it is empty
    lock = FileLock.take(file, 0);
    if (lock !== null) await rm(path, { recursive: true, force: true });
  } catch {
    // The disk has no locks, or its process ends just now.
  } finally {
    lock?.release();
  }
}

/** Releases the lock of a folder that is complete, and removes its file. */
export async function unlockFolder(path: string, lock: FileLock | null): Promise<void> {
  lock?.release();
  await rm(join(path, lockName), { force: true });
}

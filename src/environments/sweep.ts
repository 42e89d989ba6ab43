/** Deletes environments that nothing has used for a week. */
import { lstat, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { Database } from '../storage/index.ts';
import { factsFile } from './environment-archive.ts';
import type { EnvironmentRows } from './environment-rows.ts';
import { removeFolder, sizeOfFolder } from './folders.ts';
import type { HomeArchives } from './home-archives.ts';
import { lockKey } from './lock.ts';

/** What decides whether an environment is in use. */
export interface SweepDeps {
  readonly rows: EnvironmentRows;
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: string;
  readonly users: () => Promise<ReadonlyMap<string, readonly string[]>>;
  readonly isBuilding: (id: string) => boolean;
  readonly archives: Pick<HomeArchives, 'remove'>;
}

/** How long an environment stays that nothing uses. */
export const unusedMs = 7 * 86_400_000;
const keyPattern = /^[0-9a-f]{64}$/;

/** Throws, and has deleted nothing, if the users or the stored environments cannot be read. */
export async function sweepEnvironments(deps: SweepDeps): Promise<void> {
  const { rows, clock, directory, log } = deps;
  const users = await deps.users();
  const [locks, environments] = [await rows.locks(), await rows.list()];
  const named = new Set(environments.flatMap(({ name, lockKey: key }) => (name === null || key === null ? [] : [key])));
  const cutoffMs = clock.wallMs() - unusedMs;
  await rows.removeFailed(cutoffMs);
  await adoptUnknown(deps, new Set(locks.map(({ key }) => key)));
  for (const { key, usedAtMs } of locks) {
    if (named.has(key) || (users.get(key)?.length ?? 0) > 0 || usedAtMs >= cutoffMs || deps.isBuilding(`lock:${key}`)) continue;
    if (!(await rows.removeLock(key, cutoffMs))) continue;
    await discard(directory, key);
    await deps.archives.remove(key);
    log.info({ lock: key }, 'deleted an environment that nothing has used for 7 days');
  }
}

/** The folder first gets a name that the next start cleans up. */
async function discard(directory: string, key: string): Promise<void> {
  const [from, to] = [join(directory, key), join(directory, `${key}.unused.tmp`)];
  if ((await lstat(from).catch(() => null)) === null) return;
  await rename(from, to);
  await removeFolder(to);
}

/**
 * Folders of a database that was restored from an older backup. They count as used now, so they are deleted a week later unless something
 * uses them. A folder that cannot be read, or that does not match its name, stays.
 */
async function adoptUnknown({ rows, db, clock, log, directory }: SweepDeps, known: ReadonlySet<string>): Promise<void> {
  for (const key of (await readdir(directory)).filter((name) => keyPattern.test(name) && !known.has(name))) {
    try {
      const facts = JSON.parse(await readFile(join(directory, key, factsFile), 'utf8')) as Record<string, string>;
      const { lock = '', python_version: version = '', platform = '', python = '' } = facts;
      if (lockKey(lock, { version, platform }) !== key) throw new Error(`${factsFile} is not that of this folder`);
      const size = await sizeOfFolder(join(directory, key));
      await rows.putLock(db, { key, lock, ...size }, { path: python, executable: python, version, platform, folders: [] }, clock.wallMs());
    } catch (error) {
      log.warn({ folder: key, error: messageOf(error) }, 'left a folder of environments that could not be read');
    }
  }
}

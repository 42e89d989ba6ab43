/**
 * While a backup runs, a server moves objects to the trash instead of deleting them. Each backup creates a marker file in each store and
 * touches it every few seconds, so the marker of a killed backup soon expires. It names the folder in which the backup is written, so what
 * a killed one left there is found.
 */
import { randomUUID } from 'node:crypto';
import { utimesSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type Clock, repeat } from '../../clock.ts';
import { systemCode } from '../../data-directory/index.ts';
import { removeStagingLeftover } from './staging-folder.ts';

const prefix = 'backup-running';
const touchedEveryMs = 5_000;
const freshMs = 60_000;
/** A database snapshot blocks the thread, so the marker cannot be touched meanwhile. */
const snapshotMs = 3_600_000;
/** A marker this old belongs to a killed backup. */
const abandonedMs = 24 * 3_600_000;

/** The marker of a running backup. It expires by itself if the backup is killed. */
export interface Retention {
  /** Call before a database snapshot: retains objects for an hour, or until the next touch. */
  readonly beginSnapshot: () => void;
  readonly end: () => Promise<void>;
}

/** `folder`: where the backup is written, an absolute path. Resolves once objects are retained. */
export async function retainObjects(roots: readonly string[], folder: string, clock: Clock): Promise<Retention> {
  const name = `${prefix}-${randomUUID()}`;
  const files = roots.map((root) => join(root, name));
  for (const root of roots) {
    await mkdir(root, { recursive: true, mode: 0o700 });
    await removeBackupLeftovers(root);
    await removeAbandoned(root, clock.wallMs());
  }
  for (const file of files) await writeFile(file, folder, { mode: 0o600 });
  // Synchronous, because an earlier touch that completes later would overwrite the marker time set by `beginSnapshot`.
  const touch = (aheadMs: number): void => {
    const seconds = (clock.wallMs() + aheadMs) / 1000;
    for (const file of files) utimesSync(file, seconds, seconds);
  };
  const endTouching = repeat(
    clock,
    touchedEveryMs,
    async () => touch(0),
    () => undefined,
  );
  const end = async (): Promise<void> => {
    await endTouching();
    for (const file of files) await rm(file, { force: true });
  };
  return { beginSnapshot: () => touch(snapshotMs), end };
}

/** Whether a backup requires the store to retain objects. Also true if that cannot be determined. */
export async function isRetained(root: string, nowMs: number): Promise<boolean> {
  const marks = await marksIn(root).catch(() => null);
  return marks === null || marks.some(({ touchedAtMs }) => nowMs - touchedAtMs < freshMs);
}

/** Removes what killed backups of this store have left where they were written. */
export async function removeBackupLeftovers(root: string): Promise<void> {
  for (const { file } of await marksIn(root)) {
    const folder = await orIfMissing(readFile(file, 'utf8'), '');
    if (isAbsolute(folder)) await removeStagingLeftover(folder);
  }
}

async function removeAbandoned(root: string, nowMs: number): Promise<void> {
  for (const { file, touchedAtMs } of await marksIn(root)) if (nowMs - touchedAtMs > abandonedMs) await rm(file, { force: true });
}

async function marksIn(root: string): Promise<{ readonly file: string; readonly touchedAtMs: number }[]> {
  const names = (await orIfMissing(readdir(root), [])).filter((name) => name.startsWith(prefix));
  const files = names.map((name) => join(root, name));
  const stats = await Promise.all(files.map(async (file) => ({ file, found: await orIfMissing(stat(file), null) })));
  return stats.flatMap(({ file, found }) => (found === null ? [] : [{ file, touchedAtMs: found.mtimeMs }]));
}

async function orIfMissing<T, U>(answer: Promise<T>, missing: U): Promise<T | U> {
  try {
    return await answer;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return missing;
    throw error;
  }
}

/**
 * A file that reserves disk space. If the disk is full, the file is deleted, so that the server can still start, write its logs and process
 * deletions. It is created again once there is enough free space.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync } from 'node:fs';
import { rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, repeat } from '../clock.ts';

const fileName = 'reserve';
const temporaryName = `${fileName}.tmp`;
const reserveBytes = 16 * 2 ** 20;
/** Below this much free space the disk counts as full. */
const fullBytes = 8 * 2 ** 20;
/** Above this much free space the reserve is created again. */
const roomBytes = 8 * reserveBytes;
const checkEveryMs = 30_000;

/** Call at startup before the first write: deletes the reserve if the disk is full. */
export function releaseReserveIfFull(directory: string): void {
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize < fullBytes) releaseReserve(directory);
}

/** Deletes the reserve, including a partial one. Succeeds if there is none. */
export function releaseReserve(directory: string): void {
  for (const name of [fileName, temporaryName]) rmSync(join(directory, name), { force: true });
}

/** Where the reserve is, and the callback for a full disk. */
export interface ReserveDeps {
  readonly directory: string;
  readonly clock: Clock;
  /** Called when the reserve was deleted because the disk is full. */
  readonly onReleased: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** Maintains the reserve periodically. Returns a function that stops this. */
export function keepReserve(deps: ReserveDeps): () => Promise<void> {
  return repeat(deps.clock, checkEveryMs, () => checkReserve(deps), deps.onFailure);
}

/** One round of `keepReserve`: deletes the reserve if the disk is full, or creates it if there is enough space. */
export async function checkReserve({ directory, onReleased }: ReserveDeps): Promise<void> {
  const path = join(directory, fileName);
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  const isThere = (await stat(path).catch(() => null)) !== null;
  if (isThere && freeBytes < fullBytes) {
    await rm(path, { force: true });
    onReleased();
  }
  if (isThere || freeBytes < roomBytes) return;
  const temporary = join(directory, temporaryName);
  // Random bytes, because a compressing file system would reserve no space for zeros.
  try {
    await writeFile(temporary, randomBytes(reserveBytes), { mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * What the files of a worker take on the disk. Models run while this looks, and may hide what they write: deleted files that they still have
 * open, folders without permissions, paths that are too long. All of them count.
 */
import type { Stats } from 'node:fs';
import { lstat, opendir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** An amount of disk space, and the number of files that it is in. */
export interface FileUse {
  /** Allocated, so a hole in a file counts nothing. */
  readonly bytes: number;
  /** Files and folders. */
  readonly files: number;
}

/** Where a worker writes. */
export interface WrittenFiles {
  /** Folders on the host that only this worker writes. */
  readonly folders: readonly string[];
  /** A user whose files in the machine's shared memory count, too; null if the worker does not write there. */
  readonly sharedMemoryOf: number | null;
  /** The processes of the worker. */
  readonly processes: () => readonly number[];
}

/** The in-memory file system of Linux, whose files count as memory. */
export const sharedMemoryFolder = '/dev/shm';
/** Looking at open files ends here: a process can have 4,096, and a worker 1,024 processes. */
const openFilesMax = 50_000;
/** The system rejects paths of more bytes. */
const pathLengthMax = 4095;
/** Sizes are read this many at a time. */
const batch = 64;
const blockBytes = 512;

/** Counts until `max` is exceeded in one of both. */
export async function fileUseOf({ folders, sharedMemoryOf, processes }: WrittenFiles, max: FileUse): Promise<FileUse> {
  const count = new Count(max);
  for (const folder of folders) await countFolder(folder, count);
  if (sharedMemoryOf !== null) await countSharedMemory(sharedMemoryOf, count);
  if (count.devices.size > 0) for (const pid of processes()) await countDeleted(pid, count);
  return { bytes: count.bytes, files: count.files };
}

class Count implements FileUse {
  bytes = 0;
  files = 0;
  openFiles = 0;
  /** Of the worker's folders. */
  readonly devices = new Set<number>();
  readonly #max: FileUse;
  /** Inodes with several names, or none. */
  readonly #known = new Set<string>();

  constructor(max: FileUse) {
    this.#max = max;
  }

  get isOver(): boolean {
    return this.bytes > this.#max.bytes || this.files > this.#max.files;
  }

  add({ dev, ino, nlink, blocks }: Stats): void {
    this.files++;
    if (nlink !== 1) {
      const inode = `${dev}/${ino}`;
      if (this.#known.has(inode)) return;
      this.#known.add(inode);
    }
    this.bytes += blocks * blockBytes;
  }

  /** A folder that hides what is in it. */
  addHidden(): void {
    this.files = Math.max(this.files, this.#max.files + 1);
  }
}

async function countFolder(folder: string, count: Count): Promise<void> {
  const root = await statusOf(folder);
  if (root !== null) count.devices.add(root.dev);
  const pending = [folder];
  for (let at = pending.pop(); at !== undefined && !count.isOver; at = pending.pop()) {
    try {
      let names: string[] = [];
      for await (const { name } of await opendir(at, { bufferSize: batch })) {
        names.push(name);
        if (names.length < batch) continue;
        pending.push(...(await countEntries(at, names, count)));
        names = [];
        if (count.isOver) return;
      }
      pending.push(...(await countEntries(at, names, count)));
    } catch (error) {
      if (await isHidden(at, error)) count.addHidden();
    }
  }
}

/** Returns the folders among the entries. Links are not followed. */
async function countEntries(folder: string, names: readonly string[], count: Count): Promise<readonly string[]> {
  const paths = names.map((name) => join(folder, name));
  const found = await Promise.all(paths.map(statusOf));
  return paths.filter((path, index) => {
    const status = found[index];
    if (status === null || status === undefined) {
      if (Buffer.byteLength(path) > pathLengthMax) count.addHidden();
      return false;
    }
    count.add(status);
    return status.isDirectory();
  });
}

/** Whether the worker made a folder unreadable for a server that has the same user. */
async function isHidden(path: string, error: unknown): Promise<boolean> {
  return (error as NodeJS.ErrnoException).code === 'EACCES' && (await statusOf(path))?.uid === process.getuid?.();
}

async function countSharedMemory(uid: number, count: Count): Promise<void> {
  for (const path of await entriesOf(sharedMemoryFolder)) {
    const status = await statusOf(path);
    if (status?.uid !== uid) continue;
    count.add(status);
    if (status.isDirectory()) await countFolder(path, count);
  }
}

/** Files without a name that a process has open or mapped take space until it closes them. */
async function countDeleted(pid: number, count: Count): Promise<void> {
  for (const thread of await entriesOf(`/proc/${pid}/task`)) {
    const descriptors = await entriesOf(`${thread}/fd`);
    for (let from = 0; from < descriptors.length && !count.isOver; from += batch) {
      if (count.openFiles > openFilesMax) return;
      count.openFiles += batch;
      for (const status of await Promise.all(descriptors.slice(from, from + batch).map(targetOf))) addDeleted(status, count);
    }
  }
  for (const range of await deletedMappings(pid)) addDeleted(await targetOf(`/proc/${pid}/map_files/${range}`), count);
}

function addDeleted(status: Stats | null, count: Count): void {
  // The memory that the worker shares with the server has no name either, but is on no disk.
  if (status?.nlink === 0 && status.isFile() && count.devices.has(status.dev)) count.add(status);
}

/** Address ranges of deleted files. */
async function deletedMappings(pid: number): Promise<readonly string[]> {
  try {
    const maps = await readFile(`/proc/${pid}/maps`, 'latin1');
    return maps.split('\n').flatMap((line) => (line.endsWith(' (deleted)') ? [line.slice(0, line.indexOf(' '))] : []));
  } catch {
    return [];
  }
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

async function statusOf(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch {
    return null;
  }
}

/** What a link of /proc leads to; nothing is opened. */
async function targetOf(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch {
    return null;
  }
}

/**
 * Reads the files that a task wrote. They are untrusted: links lead elsewhere, names are hostile, and a running task may swap a file for a
 * link at any time. So a file is opened without following a link, without waiting for a FIFO, and used only if what was opened lies in the
 * folder.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, opendir, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenedTaskFile, TaskFile, TaskFileList } from './task.ts';

/** Files of one folder. A task with more fails instead of filling the server's memory. */
export const taskFilesMax = 100_000;
const notesMax = 20;
const depthMax = 64;

/** A folder that a task can write to: `base` is its `ml` folder, which it cannot replace; `path` is below it. */
export interface TaskSubfolder {
  readonly base: string;
  readonly path: string;
}

/** Null if it is missing, or if the task has replaced it by a link. */
async function rootOf({ base, path }: TaskSubfolder): Promise<string | null> {
  const root = await realpath(join(base, path)).catch(() => null);
  return root !== null && root === join(await realpath(base), path) ? root : null;
}

/** Folders, links and others are read, too, at most this many times the number of files: a task can make millions of them. */
const entriesPerFile = 2;

/**
 * All regular files below a folder, at most `most`; reading ends with the first entry beyond. A link to a file inside the folder counts as
 * that file.
 */
export async function listTaskFiles(folder: TaskSubfolder, most = taskFilesMax): Promise<TaskFileList> {
  const files: TaskFile[] = [];
  const notes: string[] = [];
  const note = (text: string): void => {
    if (notes.length < notesMax) notes.push(text);
  };
  const root = await rootOf(folder);
  if (root === null) return { files, notes, isTooMany: false };
  const folders = [''];
  let entries = 0;
  const isFull = (): boolean => files.length > most || entries > entriesPerFile * most;
  for (let next = folders.pop(); next !== undefined && !isFull(); next = folders.pop()) {
    for await (const name of namesIn(join(root, next))) {
      entries++;
      if (isFull()) break;
      const path = next === '' ? name : `${next}/${name}`;
      const found = await lstat(join(root, path)).catch(() => null);
      if (found === null) continue;
      if (found.isDirectory()) {
        if (path.split('/').length < depthMax) folders.push(path);
        else note(`${quoted(path)} is nested deeper than ${depthMax} folders and was left out`);
      } else if (found.isFile()) files.push(fileOf(path, found));
      else if (found.isSymbolicLink()) await addLink(root, path, files, note);
      else note(`${quoted(path)} is not a file (a FIFO, socket or device) and was left out`);
    }
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files: files.slice(0, most), notes, isTooMany: isFull() };
}

/** The names in a folder, a few at a time. None if it is missing or unreadable. */
async function* namesIn(folder: string): AsyncGenerator<string> {
  try {
    for await (const { name } of await opendir(folder)) yield name;
  } catch {
    // A running task removes its folders.
  }
}

async function addLink(root: string, path: string, files: TaskFile[], note: (text: string) => void): Promise<void> {
  const target = await realpath(join(root, path)).catch(() => null);
  const found = target === null ? null : await lstat(target).catch(() => null);
  if (target === null || found === null) note(`${quoted(path)} is a link to nothing and was left out`);
  else if (!target.startsWith(`${root}/`)) note(`${quoted(path)} is a link out of the folder and was left out`);
  else if (found.isFile()) files.push(fileOf(path, found));
  else note(`${quoted(path)} is a link to a folder and was left out`);
}

function fileOf(path: string, { size, mtimeMs, mode }: { size: number; mtimeMs: number; mode: number }): TaskFile {
  return { path, bytes: size, modifiedAtMs: mtimeMs, isExecutable: (mode & 0o100) !== 0 };
}

/** Opens a regular file in a folder. Null if it is missing, not a regular file, or outside of the folder. The caller closes it. */
export async function openTaskFile(folder: TaskSubfolder, path: string): Promise<OpenedTaskFile | null> {
  const root = await rootOf(folder);
  const target = root === null ? null : await realpath(join(root, path)).catch(() => null);
  if (root === null || target === null) return null;
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(target, flags).catch(() => null);
  if (file === null) return null;
  const isInside = (await readlink(`/proc/self/fd/${file.fd}`).catch(() => '')).startsWith(`${root}/`);
  const status = isInside ? await file.stat() : null;
  if (status?.isFile() === true) return openedFile(file, status);
  await file.close();
  return null;
}

function openedFile(file: FileHandle, { size, mtimeMs, ino }: Stats): OpenedTaskFile {
  return {
    bytes: size,
    identity: `${ino} ${size} ${mtimeMs}`,
    read: async (start, bytesMax) => {
      const buffer = Buffer.allocUnsafe(bytesMax);
      const { bytesRead } = await file.read(buffer, 0, bytesMax, start);
      return buffer.subarray(0, bytesRead);
    },
    close: () => file.close(),
  };
}

function quoted(path: string): string {
  return JSON.stringify(path.length <= 100 ? path : `${path.slice(0, 99)}…`);
}

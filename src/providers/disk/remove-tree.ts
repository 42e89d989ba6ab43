/**
 * Removes the files of a worker. Its model may have written millions of files, nested them deeper than a path can name, or removed
 * permissions from folders: this must neither block the event loop nor leave anything behind.
 */
import { execFile } from 'node:child_process';
import { lstat, opendir, readdir, readFile, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { sharedMemoryFolder } from './file-use.ts';

/** Larger folders are removed by a separate process. */
const smallMax = 256;
const bytesMax = 1024 * 1024;

/** Only for folders that no process writes to. Ignores a path that does not exist; rejects if something remains. */
export async function removeTree(path: string): Promise<void> {
  if (await removeSmall(path)) return;
  if ((await run('rm', ['-rf', '--', path])) === null) return;
  await run('chmod', ['-R', 'u+rwx', '--', path]); // does not follow links
  const failure = await run('rm', ['-rf', '--', path]);
  if (failure !== null) throw new Error(`failed to remove ${path}: ${failure}`);
}

/** The paths of a user's files and folders in the machine's shared memory. */
export async function sharedMemoryOf(uid: number): Promise<readonly string[]> {
  const paths = (await readdir(sharedMemoryFolder).catch(() => [])).map((name) => join(sharedMemoryFolder, name));
  const owners = await Promise.all(paths.map(async (path) => (await lstat(path).catch(() => null))?.uid));
  return paths.filter((_, index) => owners[index] === uid);
}

/** Removes shared memory, semaphores and message queues (System V), which outlive the processes of the user that created them. */
export async function removeSystemV(uid: number): Promise<void> {
  for (const [kind, option, column] of [
    ['shm', '-m', 7],
    ['sem', '-s', 4],
    ['msg', '-q', 7],
  ] as const) {
    const lines = (await readFile(`/proc/sysvipc/${kind}`, 'utf8').catch(() => '')).split('\n').slice(1);
    const ids = lines.map((line) => line.trim().split(/\s+/)).filter((fields) => Number(fields[column]) === uid);
    if (ids.length > 0)
      await run(
        'ipcrm',
        ids.flatMap((fields) => [option, fields[1] ?? '']),
      );
  }
}

/** False if it is too large, or something cannot be removed this way. */
async function removeSmall(path: string): Promise<boolean> {
  const folders = [path];
  let seen = 0;
  try {
    for (let at = 0; at < folders.length; at++) {
      const folder = folders[at] as string;
      for await (const entry of await opendir(folder)) {
        if (++seen > smallMax) return false;
        const inner = join(folder, entry.name);
        if (entry.isDirectory()) folders.push(inner);
        else await unlink(inner);
      }
    }
    for (const folder of folders.toReversed()) await rmdir(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && seen === 0;
  }
}

/** Null if it succeeded. */
function run(program: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(program, args, { maxBuffer: bytesMax }, (error) => resolve(error === null ? null : messageOf(error).slice(0, 500)));
  });
}

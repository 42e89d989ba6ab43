/** Folders of environments: their size, their permissions, their removal. */
import { chmod, lstat, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Of all files below a folder. */
export interface FolderSize {
  readonly bytes: number;
  readonly files: number;
}

/** Counts what a folder occupies on disk, up to about `bytesMax`. Files that disappear meanwhile are skipped. */
export async function sizeOfFolder(path: string, bytesMax = Number.POSITIVE_INFINITY): Promise<FolderSize> {
  let bytes = 0;
  let files = 0;
  const pending = [path];
  for (let folder = pending.pop(); folder !== undefined && bytes <= bytesMax; folder = pending.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const at = join(folder, entry.name);
      if (entry.isDirectory()) {
        pending.push(at);
        continue;
      }
      const found = await lstat(at).catch(() => null);
      if (found === null) continue;
      bytes += Math.max(found.size, 512 * found.blocks);
      files++;
    }
  }
  return { bytes, files };
}

/** Makes everything below a folder readable for all users and writable for none. The folder itself stays writable until it is moved. */
export async function makeReadOnly(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const at = join(path, entry.name);
    if (entry.isDirectory()) {
      await makeReadOnly(at);
      await chmod(at, 0o555);
    } else if (entry.isFile()) {
      const { mode } = await lstat(at);
      await chmod(at, (mode & 0o111) === 0 ? 0o444 : 0o555);
    }
  }
}

/** Removes a folder, also if it is read-only. Does nothing if it does not exist. */
export async function removeFolder(path: string): Promise<void> {
  await makeWritable(path);
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

async function makeWritable(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found === null || !found.isDirectory()) return;
  if ((found.mode & 0o700) !== 0o700) await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) if (entry.isDirectory()) await makeWritable(join(path, entry.name));
}

/**
 * What decides which interpreter a virtual environment starts, and which folders of the host its workers may read: `pyvenv.cfg` and the
 * links to the interpreter. A wheel can contain files for any path of the environment, also for these.
 */
export async function interpreterFilesOf(environment: string): Promise<string> {
  const bin = join(environment, 'bin');
  const names = (await readdir(bin)).filter((name) => /^python[\d.]*$/.test(name)).toSorted();
  const links = await Promise.all(names.map(async (name) => [name, await readlink(join(bin, name)).catch(() => null)]));
  return JSON.stringify([await readFile(join(environment, 'pyvenv.cfg'), 'utf8'), links]);
}

const scriptBytesMax = 1024 * 1024;

/** Replaces a path in the scripts of a virtual environment, which contain the path of its interpreter, before it is moved. */
export async function movePaths(environment: string, from: string, to: string): Promise<void> {
  const bin = join(environment, 'bin');
  const scripts = (await readdir(bin, { withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => join(bin, name));
  for (const path of [...scripts, join(environment, 'pyvenv.cfg')]) {
    const { size } = await lstat(path);
    if (size > scriptBytesMax) continue;
    const text = await readFile(path, 'latin1');
    if (text.includes(from)) await writeFile(path, text.replaceAll(from, to), 'latin1');
  }
}

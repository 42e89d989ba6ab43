/** Creates a directory with its parents. Node's recursive mkdir never returns if the file system fails with ENOENT, as in /proc. */
import { chmod, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** `mode`: of each directory created, whatever the umask; absent: the umask decides. An existing directory stays as it is. */
export async function makeDirectory(path: string, mode?: number): Promise<void> {
  if (await isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeDirectory(parent, mode);
  try {
    await mkdir(path);
    if (mode !== undefined) await chmod(path, mode);
  } catch (error) {
    if (!(await isDirectory(path))) throw error; // otherwise created concurrently
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() === true;
}

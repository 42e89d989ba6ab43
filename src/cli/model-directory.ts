/** A folder as the archive that a process is registered with: the same files give the same bytes, whenever they are packed. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TarFile, tarOf } from '../tar/index.ts';
import { Failure } from './failure.ts';

const filesMax = 100_000;

export interface ModelDirectory {
  readonly files: readonly { readonly path: string; readonly at: string; readonly bytes: number; readonly isExecutable: boolean }[];
  readonly bytes: number;
}

/** Every file below it, links followed. Throws `Failure` where one cannot be read. */
export async function readDirectory(path: string): Promise<ModelDirectory> {
  const files: ModelDirectory['files'][number][] = [];
  const walk = async (below: string, depth: number): Promise<void> => {
    if (depth > 64) throw new Failure(`${join(path, below)} lies too deep: does a link lead back to one of its own folders?`);
    const names = (await readdir(join(path, below))).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const name of names) {
      const inside = below === '' ? name : `${below}/${name}`;
      const at = join(path, inside);
      const found = await stat(at);
      if (found.isDirectory()) await walk(inside, depth + 1);
      else if (found.isFile()) files.push({ path: inside, at, bytes: found.size, isExecutable: (found.mode & 0o100) !== 0 });
      if (files.length > filesMax) throw new Failure(`${path} holds more than ${filesMax} files: name the folder of the model alone`);
    }
  };
  try {
    await walk('', 0);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure(`${path} cannot be read: ${(cause as Error).message}`, 1, { cause });
  }
  if (files.length === 0) throw new Failure(`${path} holds no file`);
  return { files, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
}

export function packDirectory({ files }: ModelDirectory): AsyncGenerator<Uint8Array> {
  return tarOf(openEach(files));
}

async function* openEach(files: ModelDirectory['files']): AsyncGenerator<TarFile> {
  for (const { path, at, bytes, isExecutable } of files) {
    yield { path, bytes, isExecutable, content: createReadStream(at, { highWaterMark: 1024 * 1024 }) };
  }
}

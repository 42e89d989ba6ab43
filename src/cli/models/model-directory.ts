/** Packs a folder of a model, or of code that trains one, as a tar archive. Packing is deterministic: the same files give the same bytes. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TarFile, tarOf } from '../../tar/index.ts';
import { CliError } from '../cli-error.ts';

const filesMax = 100_000;

export interface ModelDirectory {
  readonly files: readonly { readonly path: string; readonly at: string; readonly bytes: number; readonly isExecutable: boolean }[];
  readonly bytes: number;
}

export interface DirectoryOptions {
  /** What the folder is of, for errors. */
  readonly of?: string;
  /** Names of files and folders to leave out. */
  readonly skips?: ReadonlySet<string>;
}

/** Lists all files below `path`, following links. Throws `CliError` if a file cannot be read. */
export async function readDirectory(path: string, { of = 'the model', skips }: DirectoryOptions = {}): Promise<ModelDirectory> {
  const files: ModelDirectory['files'][number][] = [];
  const walk = async (below: string, depth: number): Promise<void> => {
    if (depth > 64)
      throw new CliError(`${join(path, below)} is nested deeper than 64 folders: check for a link to one of its parent folders`);
    const names = (await readdir(join(path, below))).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const name of names) {
      if (skips?.has(name) === true) continue;
      const inside = below === '' ? name : `${below}/${name}`;
      const at = join(path, inside);
      const found = await stat(at);
      if (found.isDirectory()) await walk(inside, depth + 1);
      else if (found.isFile()) files.push({ path: inside, at, bytes: found.size, isExecutable: (found.mode & 0o100) !== 0 });
      if (files.length > filesMax) throw new CliError(`${path} has more than ${filesMax} files: name only the folder of ${of}`);
    }
  };
  try {
    await walk('', 0);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`cannot read ${path}: ${(cause as Error).message}`, 1, { cause });
  }
  if (files.length === 0) throw new CliError(`${path} contains no files: expected the files of ${of}`);
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

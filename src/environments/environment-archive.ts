/**
 * A built environment as a tar archive, from which another machine with the same Python makes it without a package index. It has all
 * files but those that each virtual environment has of its own: `pyvenv.cfg`, the links to the interpreter, scripts that activate it, and, since
 * Python 3.13, `.gitignore`.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, mkdir, open, readdir, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PlatformError } from '../errors.ts';
import { readTar, type TarEntry, type TarFile, tarOf } from '../tar/index.ts';

/** The facts of the environment, which the archive has at its root. */
export const factsFile = 'environment.json';
const own = /^(?:pyvenv\.cfg|\.gitignore|lib64|bin\/(?:python[\d.]*|activate(?:\..+)?|Activate\.ps1))$/;
const pathLengthMax = 4096;

/** Writes the archive of a finished environment. Throws `unsupported` if a package has links, and errors of the disk. */
export async function packEnvironment(folder: string, to: string): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of tarOf(filesOf(folder, ''))) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      yield chunk;
    }
  };
  await pipeline(Readable.from(counted()), createWriteStream(to, { flags: 'wx', mode: 0o600 }));
  return { sha256: hash.digest('hex'), bytes };
}

async function* filesOf(folder: string, under: string): AsyncGenerator<TarFile> {
  const entries = await readdir(join(folder, under), { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = under === '' ? entry.name : `${under}/${entry.name}`;
    if (own.test(path)) continue;
    if (entry.isDirectory()) {
      yield* filesOf(folder, path);
      continue;
    }
    if (!entry.isFile()) throw new PlatformError('unsupported', `the environment cannot be sent to other machines: ${path} is a link`);
    const at = join(folder, path);
    const { size, mode, mtimeMs } = await lstat(at);
    // Compiled modules are valid for sources of one time.
    yield { path, bytes: size, isExecutable: (mode & 0o100) !== 0, mtimeS: Math.floor(mtimeMs / 1000), content: createReadStream(at) };
  }
}

/** What an archive may contain, and when to stop. */
export interface UnpackLimits {
  readonly bytesMax: number;
  readonly signal: AbortSignal;
}

/** Adds the files of an archive to a new virtual environment. Throws `invalid_request` for an archive that `packEnvironment` does not write. */
export async function unpackEnvironment(archive: string, folder: string, { bytesMax, signal }: UnpackLimits): Promise<void> {
  let left = bytesMax;
  for await (const entry of readTar(createReadStream(archive))) {
    signal.throwIfAborted();
    const refusal = refusedBecause(entry, left);
    if (refusal !== null)
      throw new PlatformError(
        'invalid_request',
        `the archive of the environment has ${JSON.stringify(entry.path.slice(0, 200))}, ${refusal}`,
      );
    left -= entry.bytes;
    await writeEntry(entry, join(folder, entry.path));
  }
}

function refusedBecause({ path, kind, bytes }: TarEntry, left: number): string | null {
  if (kind !== 'file') return `a ${kind}: expected files only`;
  if (path.length > pathLengthMax || path.includes('\0')) return 'a name that no file has';
  if (path.split('/').some((part) => ['', '.', '..'].includes(part))) return 'which is outside of it';
  if (own.test(path) || path.startsWith('lib64/')) return 'which decides about the interpreter';
  return bytes > left ? 'which exceeds the limit of its size' : null;
}

/** Never through a link, and never over a file that is there. */
async function writeEntry({ content, isExecutable, mtimeS }: TarEntry, at: string): Promise<void> {
  await mkdir(dirname(at), { recursive: true });
  const file = await open(at, 'wx', isExecutable ? 0o755 : 0o644);
  try {
    for await (const chunk of content) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
  await utimes(at, mtimeS, mtimeS);
}

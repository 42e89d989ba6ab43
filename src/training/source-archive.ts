/**
 * Checks an uploaded archive of source code, in a thread: 100,000 entries take a second, again for each job that refers to it. The script
 * mode of the job unpacks it, inside the isolation of the job.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { messageOf, PlatformError } from '../errors.ts';
import { readTar } from '../tar/index.ts';
import { type ThreadTask, threadTask } from '../threads/index.ts';
import { isRelativePath } from './spec.ts';

const entriesMax = 100_000;
/** Unpacked. */
const unpackedBytesMax = 2 ** 30;
/** Size of an uploaded archive. */
export const sourceBytesMax = 512 * 2 ** 20;
const shownNames = 10;

interface SourceCheck {
  readonly path: string;
  /** Null: any files are accepted. */
  readonly entry: string | null;
}

/** Returns the number of files. Throws `invalid_request`, `unsupported`, `too_large`. */
export const checkSourceTask: ThreadTask<SourceCheck, Promise<number>> = threadTask(
  import.meta.url,
  'checkSourceTask',
  async ({ path, entry }: SourceCheck) => {
    const file = await open(path);
    const start = await file.read(Buffer.alloc(2), 0, 2, 0);
    await file.close();
    const isGzip = start.bytesRead === 2 && start.buffer.readUInt16BE() === 0x1f8b;
    const files = await sourceFiles(createReadStream(path, { highWaterMark: 1024 * 1024 }), isGzip);
    if (entry !== null) checkEntry(entry, files);
    return files.length;
  },
);

/** The files of a tar or tar.gz, sorted. Throws `invalid_request`, `unsupported`, `too_large`. */
export async function sourceFiles(archive: AsyncIterable<Uint8Array>, isGzip: boolean): Promise<string[]> {
  const names: string[] = [];
  let [entries, bytes] = [0, 0];
  for await (const entry of readTar(isGzip ? unpacked(archive) : archive)) {
    entries++;
    bytes += entry.bytes;
    if (entries > entriesMax) throw new PlatformError('too_large', `the source has more than ${entriesMax} entries: upload less`);
    if (bytes > unpackedBytesMax) throw new PlatformError('too_large', 'the source unpacks to more than 1 GiB: upload data as a channel');
    const path = entry.path.replace(/^\.\//, '').replace(/\/$/, '');
    if (entry.kind === 'directory' && (path === '' || path === '.')) continue;
    if (!isRelativePath(path)) throw unusable(`the source has the entry ${shown(entry.path)}: expected paths inside the source`);
    if (entry.kind === 'hardlink' || (entry.kind === 'symlink' && !staysInside(path, entry.link)))
      throw unusable(`the source has the link ${shown(entry.path)} to ${shown(entry.link)}: expected files`);
    if (entry.kind === 'file') names.push(path);
  }
  return names.sort();
}

/** Throws `invalid_request` unless the entry is one of the files. */
export function checkEntry(entry: string, files: readonly string[]): void {
  if (files.includes(entry)) return;
  const folder = files.find((name) => name.startsWith(`${entry}/`));
  if (folder !== undefined && !files.includes(`${entry}/__main__.py`))
    throw unusable(`entry '${entry}' is a folder: expected a file such as ${folder}`);
  const module = `${entry.replaceAll('.', '/')}.py`;
  if (folder !== undefined || files.includes(module)) return;
  const known = files.slice(0, shownNames).join(', ') || 'nothing';
  throw unusable(`entry '${entry.slice(0, 80)}' is not in the source, which has ${known}`);
}

function staysInside(path: string, link: string): boolean {
  if (link.startsWith('/')) return false;
  let depth = path.split('/').length - 1;
  for (const part of link.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return false;
  }
  return true;
}

async function* unpacked(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  pipeline(Readable.from(archive), gunzip, () => undefined); // The error arrives through the iteration.
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    throw unusable(`the source is a damaged gzip file: ${messageOf(error)}`);
  } finally {
    gunzip.destroy();
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function unusable(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

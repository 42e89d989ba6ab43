/** The archive of a process model: validated at registration, unpacked where a worker starts its command. */
import { createReadStream } from 'node:fs';
import { link, lstat, mkdir, open, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { messageOf, PlatformError } from '../../errors.ts';
import { readTar, type TarEntry } from '../../tar/index.ts';

/** What the archive would unpack to. Checked against limits before anything is unpacked. */
export interface Bundle {
  readonly files: number;
  /** Unpacked size. */
  readonly bytes: number;
}

const entriesMax = 100_000;
const pathBytesMax = 2048;

/**
 * Reads a .tar or .tar.gz completely; an empty file is an empty folder. Throws `invalid_request` if it is not an archive or if a path leads
 * out of its folder, `too_large` beyond `bytesMax` unpacked, `unsupported` for devices.
 */
export async function inspectBundle(path: string, bytesMax: number): Promise<Bundle> {
  return readBundle(path, bytesMax, async () => undefined);
}

/**
 * Unpacks into a new folder that only this user can enter. Throws like `inspectBundle`. Links are created last, each in a real folder, and
 * their targets go up only at the beginning. So nothing is written, and nothing later read, outside of the folder.
 */
export async function unpackBundle(path: string, folder: string, bytesMax: number): Promise<Bundle> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const symlinks: { readonly at: string; readonly to: string }[] = [];
  const unpacked = await readBundle(path, bytesMax, async (entry, name) => {
    const at = join(folder, name);
    await mkdir(entry.kind === 'directory' ? at : dirname(at), { recursive: true, mode: 0o700 });
    if (entry.kind === 'file') await write(at, entry);
    if (entry.kind === 'hardlink') await link(join(folder, checkPath(entry.link)), at);
    if (entry.kind === 'symlink') symlinks.push({ at, to: entry.link });
  }).catch((error: unknown) => {
    if (error instanceof PlatformError) throw error;
    throw new PlatformError('invalid_request', `failed to unpack the archive: ${messageOf(error)}`, { cause: error });
  });
  for (const { at, to } of symlinks) await linkTo(folder, at, to);
  return unpacked;
}

async function readBundle(path: string, bytesMax: number, take: (entry: TarEntry, name: string) => Promise<void>): Promise<Bundle> {
  let files = 0;
  let bytes = 0;
  let entries = 0;
  for await (const entry of readTar(await contentOf(path))) {
    const name = checkPath(entry.path);
    if (entry.kind === 'hardlink') checkPath(entry.link);
    if (entry.kind === 'symlink') checkLink(name, entry.link);
    if (++entries > entriesMax) throw new PlatformError('too_large', `the archive has more than ${entriesMax} entries`);
    if (entry.kind !== 'directory') files++;
    bytes += entry.bytes;
    if (bytes > bytesMax) {
      throw new PlatformError('too_large', `the unpacked archive exceeds the limit of ${bytesMax} bytes. Raise artifactLimit or shrink it`);
    }
    await take(entry, name);
  }
  return { files, bytes };
}

/** The uncompressed bytes of the archive. */
async function contentOf(path: string): Promise<AsyncIterable<Uint8Array>> {
  const file = await open(path);
  const start = await file.read(Buffer.alloc(2), 0, 2, 0);
  await file.close();
  const source = createReadStream(path, { highWaterMark: 1024 * 1024 });
  const isGzip = start.bytesRead === 2 && start.buffer.readUInt16BE() === 0x1f8b;
  return isGzip ? unzipped(source) : source;
}

async function* unzipped(source: Readable): AsyncGenerator<Uint8Array> {
  const content = pipeline(source, createGunzip(), () => undefined); // errors are thrown by the read below
  try {
    for await (const chunk of content) yield chunk as Buffer;
  } catch (cause) {
    throw new PlatformError('invalid_request', `the archive is damaged: ${messageOf(cause)}`, { cause });
  }
}

/** The path relative to the folder; empty for the folder itself. */
function checkPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || path.includes('\0') || parts.includes('..') || Buffer.byteLength(path) > pathBytesMax) {
    throw new PlatformError('invalid_request', `the archive leads out of its folder: '${path.slice(0, 200)}'. Pack it with relative names`);
  }
  return parts.join('/');
}

function checkLink(name: string, to: string): void {
  const ups =
    /^(?:\.\.?(?:\/|$))*/
      .exec(to)?.[0]
      .split('/')
      .filter((part) => part === '..').length ?? 0;
  const rest = to.replace(/^(?:\.\.?(?:\/|$))*/, '');
  const depth = name.split('/').length - 1;
  const isInside = to !== '' && !to.startsWith('/') && !to.includes('\0') && ups <= depth && !rest.split('/').includes('..');
  if (name === '' || !isInside) {
    throw new PlatformError('invalid_request', `the archive leads out of its folder: '${name}' is a link to '${to.slice(0, 200)}'`);
  }
}

/** Creates a link only if each folder on its path is a real one: behind another link, `..` would go up from elsewhere. */
async function linkTo(folder: string, at: string, to: string): Promise<void> {
  for (let above = dirname(at); above !== folder; above = dirname(above)) {
    if (!(await lstat(above)).isDirectory()) throw new PlatformError('invalid_request', `the archive has a link behind a link: '${at}'`);
  }
  await rm(at, { force: true, recursive: true });
  await symlink(to, at);
}

async function write(at: string, entry: TarEntry): Promise<void> {
  await rm(at, { force: true }); // if a path is packed twice, the later entry counts
  const file = await open(at, 'wx', entry.isExecutable ? 0o700 : 0o600);
  try {
    for await (const chunk of entry.content) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}

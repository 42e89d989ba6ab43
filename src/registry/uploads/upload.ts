/**
 * Stores an uploaded model: an ONNX file as it is, or the files of a .tar, .tar.gz or .zip with one ONNX file and its data files.
 *
 * Archives are untrusted: names and sizes are checked before anything is written, and what is written is content-addressed, so no name of
 * an archive becomes a path on this machine. Every file is streamed.
 */
import { open, rm } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { PlatformError } from '../../errors.ts';
import type { StagedObject } from '../../storage/index.ts';
import { readTar } from '../../tar/index.ts';
import { readZip } from '../../zip/index.ts';
import type { HeldFiles, StoredArtifactFile } from './artifacts.ts';
import type { ArtifactFile } from './manifest.ts';

/** An archive without an ONNX file. */
export interface StoredFiles {
  readonly files: readonly ArtifactFile[];
  /** Why it is not an ONNX model. */
  readonly problem: UnusableArchive;
}

/** The files of an ONNX model, by their place relative to it. */
export interface StoredUpload {
  readonly model: StoredArtifactFile;
  /** Other files of an archive that are in the folder of the model, named relative to it. */
  readonly others: readonly ArtifactFile[];
  /** Files of an archive that are elsewhere. */
  readonly outside: readonly string[];
}

/** An archive from which no model can be read, through a fault of its own. */
export class UnusableArchive extends PlatformError {
  constructor(
    message: string,
    { code = 'invalid_request', cause }: { code?: 'invalid_request' | 'too_large' | 'unsupported'; cause?: unknown } = {},
  ) {
    super(code, message, cause === undefined ? {} : { cause });
  }
}

interface Entry {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink';
  readonly bytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

const entriesMax = 10_000;
const pathLengthMax = 1024;
/** The kinds of archives are recognised by their first bytes. */
const startBytes = 512;
/** Smaller files stay in memory until the whole archive is known to be usable: writing and deleting thousands of them takes seconds. */
const smallBytes = 64 * 1024;
/** Per archive. */
const smallBytesMax = 16 * 2 ** 20;
/**
 * An archive may always unpack to this size; beyond it, only to a multiple of its packed size. Weights pack to about nine tenths, and
 * repeated ones, as of a sparse model, to a tenth.
 */
const unpackedBytesAlways = 64 * 2 ** 20;
const unpackedTimesMax = 100;
const unpackedBytesMax = (packedBytes: number): number => Math.max(unpackedBytesAlways, unpackedTimesMax * packedBytes);
/** Headers and padding of a tar, in addition to its files. */
const headersBytesMax = entriesMax * 2048;

/** Throws `too_large`, and `UnusableArchive`. */
export async function storeUpload(
  held: HeldFiles,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  limitBytes: number,
): Promise<StoredUpload> {
  const stored = await storeModelOrFiles(held, source, limitBytes);
  if ('files' in stored) throw stored.problem;
  return stored;
}

/** Like `storeUpload`, but returns the files of an archive without an ONNX file. */
export async function storeModelOrFiles(
  held: HeldFiles,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  limitBytes: number,
): Promise<StoredUpload | StoredFiles> {
  const { start, whole } = await peek(source instanceof Uint8Array ? oneChunk(source) : source);
  try {
    if (start.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]))) return await storeTar(held, unpacked(whole), limitBytes);
    if (start.toString('latin1', 257, 262) === 'ustar') return await storeTar(held, whole, limitBytes);
    if (start.toString('latin1', 0, 4) === 'PK\x03\x04') return await storeZip(held, whole, limitBytes);
    return { model: await held.store(whole, limitBytes), others: [], outside: [] };
  } finally {
    await whole.return(undefined);
  }
}

async function storeTar(held: HeldFiles, content: AsyncIterable<Uint8Array>, limitBytes: number): Promise<StoredUpload | StoredFiles> {
  const bytes = bounded(content, limitBytes);
  try {
    const upload = await storeEntries(held, readTar(withoutReturn(bytes)), limitBytes);
    while ((await bytes.next()).done !== true); // padding and the gzip checksum follow the end of the tar
    return upload;
  } finally {
    await bytes.return(undefined);
  }
}

/** The list of files of a zip is at its end, so the archive is on disk while it is unpacked. */
async function storeZip(held: HeldFiles, bytes: AsyncIterable<Uint8Array>, limitBytes: number): Promise<StoredUpload | StoredFiles> {
  const path = await held.temporaryPath();
  try {
    const packedBytes = await spool(path, bytes, limitBytes);
    await checkList(path, limitBytes, packedBytes);
    return await storeEntries(held, readZip(path), limitBytes);
  } finally {
    await rm(path, { force: true });
  }
}

/** What the list of files alone shows is rejected before anything is unpacked. */
async function checkList(path: string, limitBytes: number, packedBytes: number): Promise<void> {
  const list = new EntryList(limitBytes);
  try {
    for await (const entry of readZip(path)) list.add(entry);
  } catch (error) {
    throw asArchiveError(error);
  }
  if (list.bytes > unpackedBytesMax(packedBytes)) throw tooManyTimes(packedBytes);
  if (list.paths.some(isModelPath)) sorted(list.paths);
  else checkFolders(list.paths, '');
}

/** Returns the number of bytes. */
async function spool(path: string, bytes: AsyncIterable<Uint8Array>, limitBytes: number): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  try {
    let left = limitBytes;
    for await (const chunk of bytes) {
      left -= chunk.byteLength;
      if (left < 0) throw tooLarge('the archive', limitBytes);
      await file.writeFile(chunk);
    }
    return limitBytes - left;
  } finally {
    await file.close();
  }
}

/** Stores the model and its data files once the whole archive is known to be usable, because syncing thousands of files takes seconds. */
async function storeEntries(held: HeldFiles, entries: AsyncIterable<Entry>, limitBytes: number): Promise<StoredUpload | StoredFiles> {
  const staged = new Map<string, StagedObject | Buffer>();
  try {
    await stageEntries(held, entries, limitBytes, staged);
    const keep = async (path: string): Promise<StoredArtifactFile> => {
      const file = staged.get(path) as StagedObject | Buffer;
      staged.delete(path);
      return Buffer.isBuffer(file) ? held.store(file, limitBytes) : held.keep(file);
    };
    const stored: ArtifactFile[] = [];
    if (![...staged.keys()].some(isModelPath)) {
      const paths = [...staged.keys()];
      checkFolders(paths, '');
      for (const path of paths) stored.push({ path, ...(await keep(path)) });
      return { files: stored, problem: noModel() };
    }
    const { model, others, outside } = sorted([...staged.keys()]);
    const folder = folderOf(model);
    for (const path of others) stored.push({ path: path.slice(folder.length), ...(await keep(path)) });
    return { model: await keep(model), others: stored, outside };
  } finally {
    for (const file of staged.values()) if (!Buffer.isBuffer(file)) await held.drop(file);
  }
}

/** Reads the archive to its end to detect forbidden entries and damage after the model. */
async function stageEntries(
  held: HeldFiles,
  entries: AsyncIterable<Entry>,
  limitBytes: number,
  staged: Map<string, StagedObject | Buffer>,
): Promise<void> {
  const list = new EntryList(limitBytes);
  let inMemory = 0;
  try {
    for await (const entry of entries) {
      const path = list.add(entry);
      if (path === null) continue;
      const isSmall = entry.bytes <= smallBytes && inMemory + entry.bytes <= smallBytesMax;
      if (isSmall) inMemory += entry.bytes;
      staged.set(path, isSmall ? await contentOf(entry) : await held.stage(entry.content, entry.bytes));
    }
  } catch (error) {
    throw asArchiveError(error);
  }
}

/** The files of an archive by their names and sizes, within its limits. */
class EntryList {
  readonly #limitBytes: number;
  readonly #paths = new Set<string>();
  #count = 0;
  #leftBytes: number;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#leftBytes = limitBytes;
  }

  get paths(): readonly string[] {
    return [...this.#paths];
  }

  get bytes(): number {
    return this.#limitBytes - this.#leftBytes;
  }

  /** The path of a file to store; null for a folder and for metadata. Throws `UnusableArchive`. */
  add(entry: Pick<Entry, 'path' | 'kind' | 'bytes'>): string | null {
    if (++this.#count > entriesMax) throw new UnusableArchive(`the archive has too many entries: expected at most ${entriesMax}`);
    const path = checkEntry(entry);
    if (entry.kind !== 'file' || isMetadata(path)) return null;
    if (this.#paths.has(path)) throw new UnusableArchive(`'${path}' is in the archive twice`);
    if (entry.bytes > this.#leftBytes) throw tooLarge('the unpacked archive', this.#limitBytes);
    this.#leftBytes -= entry.bytes;
    this.#paths.add(path);
    return path;
  }
}

/** Throws if the content is longer than the archive says. */
async function contentOf({ content, bytes, path }: Entry): Promise<Buffer> {
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for await (const piece of content) {
    if (at + piece.length > bytes) throw new UnusableArchive(`'${path.slice(0, 200)}' in the archive is longer than it says`);
    whole.set(piece, at);
    at += piece.length;
  }
  return whole.subarray(0, at);
}

interface SortedPaths {
  readonly model: string;
  readonly others: readonly string[];
  readonly outside: readonly string[];
}

/** Finds the model, and the files that its tensors may name. */
function sorted(paths: readonly string[]): SortedPaths {
  const model = oneOf(paths.filter(isModelPath));
  const folder = folderOf(model);
  const isInFolder = (path: string): boolean => path !== model && path.startsWith(folder);
  const others = paths.filter(isInFolder);
  checkFolders(others, folder);
  return { model, others, outside: paths.filter((path) => path !== model && !isInFolder(path)) };
}

function checkFolders(paths: readonly string[], folder: string): void {
  const files = new Set(paths);
  for (const path of paths) {
    for (let at = path.indexOf('/', folder.length); at !== -1; at = path.indexOf('/', at + 1)) {
      const above = path.slice(0, at);
      if (files.has(above)) throw new UnusableArchive(`'${above.slice(folder.length)}' in the archive is both a file and a folder`);
    }
  }
}

/** With the slash at its end, or empty. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function oneOf(models: readonly string[]): string {
  const [model, ...more] = models;
  if (model === undefined) throw noModel();
  if (more.length === 0) return model;
  const listed = models.slice(0, 10).map((path) => path.slice(0, 200));
  throw new UnusableArchive(`expected exactly one .onnx file, got ${models.length}: ${listed.join(', ')}`);
}

function noModel(): UnusableArchive {
  return new UnusableArchive(
    'expected exactly one .onnx file at any depth, or a Python model, got neither: see docs/guides/python-models.md for what a folder must hold',
  );
}

/** Whether a file in an archive or a folder is an ONNX model, by its name. */
export function isModelPath(path: string): boolean {
  return /.\.onnx$/i.test(path.split('/').at(-1) ?? '') && !isMetadata(path);
}

/** macOS adds a metadata file next to each file: `._model.onnx`. */
function isMetadata(path: string): boolean {
  return path.startsWith('__MACOSX/') || (path.split('/').at(-1) ?? '').startsWith('._');
}

/** Returns the path without empty and `.` parts. */
function checkEntry({ path, kind }: Pick<Entry, 'path' | 'kind'>): string {
  if (kind === 'symlink' || kind === 'hardlink') {
    throw new UnusableArchive(
      `'${path.slice(0, 200)}' in the archive is a link: expected files and folders. Pack the linked files themselves (tar --dereference)`,
    );
  }
  return checkPath(path);
}

/** Throws `UnusableArchive` if a path leads out of its archive; otherwise returns it without empty and `.` parts. */
export function checkPath(path: string): string {
  const short = path.slice(0, 200);
  if (path.length > pathLengthMax)
    throw new UnusableArchive(`a path in the archive is too long: expected at most ${pathLengthMax} characters, got ${path.length}`);
  if (path.startsWith('/') || /^[a-z]:/i.test(path))
    throw new UnusableArchive(`'${short}' in the archive is an absolute path: expected a relative one`);
  if (path.split(/[\\/]/).includes('..')) throw new UnusableArchive(`'${short}' in the archive points outside of the archive`);
  if (path.includes('\0')) throw new UnusableArchive('a path in the archive contains a NUL character');
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

async function* bounded(bytes: AsyncIterable<Uint8Array>, limitBytes: number): AsyncGenerator<Uint8Array> {
  let left = limitBytes + headersBytesMax;
  for await (const chunk of bytes) {
    left -= chunk.byteLength;
    if (left < 0) throw tooLarge('the unpacked archive', limitBytes);
    yield chunk;
  }
}

async function* unpacked(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  let [packedBytes, bytes] = [0, 0];
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of packed) {
      packedBytes += chunk.byteLength;
      yield chunk;
    }
  };
  pipeline(Readable.from(counted(), { objectMode: false }), gunzip, () => undefined); // the loop below throws the same error
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > unpackedBytesMax(packedBytes)) throw tooManyTimes(packedBytes);
      yield chunk;
    }
  } catch (error) {
    if (!(error instanceof Error) || !String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error;
    const what = /unexpected end/.test(error.message) ? 'the .tar.gz file is truncated' : 'the .tar.gz file is damaged';
    throw new UnusableArchive(`${what} (${error.message})`, { cause: error });
  }
}

/** The first bytes of a stream, and the whole of it. */
async function peek(source: AsyncIterable<Uint8Array>): Promise<{ readonly start: Buffer; readonly whole: AsyncGenerator<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  for (let bytes = 0; bytes < startBytes; ) {
    const next = await iterator.next();
    if (next.done === true) break;
    first.push(next.value);
    bytes += next.value.byteLength;
  }
  return { start: Buffer.concat(first), whole: continued(first, iterator) };
}

async function* continued(first: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Keeps the source open if its reader stops early, so the rest can still be read. */
function withoutReturn<Item>(source: AsyncGenerator<Item>): AsyncIterable<Item> {
  return { [Symbol.asyncIterator]: () => ({ next: () => source.next() }) };
}

function tooLarge(what: string, limitBytes: number): UnusableArchive {
  return new UnusableArchive(`${what} is too large: expected at most ${limitBytes} bytes. Raise artifactLimit or leave files out`, {
    code: 'too_large',
  });
}

function tooManyTimes(packedBytes: number): UnusableArchive {
  return new UnusableArchive(
    `the archive unpacks to more than ${unpackedTimesMax} times its ${packedBytes} bytes: expected at most that, or ${unpackedBytesAlways} bytes. ` +
      'Send it without compression',
    { code: 'too_large' },
  );
}

/** Errors of the readers of tar and zip; those of the disk and of the connection pass unchanged. */
function asArchiveError(error: unknown): unknown {
  if (error instanceof UnusableArchive || !(error instanceof PlatformError)) return error;
  const { code, message } = error;
  if (code !== 'invalid_request' && code !== 'unsupported' && code !== 'too_large') return error;
  return new UnusableArchive(message, { code, cause: error });
}

/**
 * The bytes of a model out of S3, as the registry wants them. For the built-in ONNX worker that is one .onnx file: the
 * object itself, the one within a .tar.gz, or the one in a folder. For a process it is everything: an archive as it is,
 * a folder as an archive.
 *
 * An archive comes from anybody: it is read as it comes, bounded in all it holds, and nothing of it is written but the
 * one file. Every refusal is a `ValidationException` that names the model data.
 */
import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { PlatformError } from '../../errors.ts';
import { type ModelVersion, parseReference, type Registry } from '../../registry/index.ts';
import { readTar, type TarEntry, type TarFile, tarOf } from '../../tar/index.ts';
import type { OpenObject, S3Store } from '../s3/store.ts';
import { AwsError } from '../service.ts';
import type { ModelLocation } from './model-data.ts';

export interface ArtifactOptions {
  readonly objects: Pick<S3Store, 'open' | 'list'>;
  readonly registry: Registry;
  /** Of all that is in an archive. */
  readonly unpackedBytesMax: number;
}

/** Read `source` or close it. */
export interface Artifact {
  readonly source: AsyncIterable<Uint8Array>;
  readonly sourceName: string;
  close(): void;
}

/** Where the files of natively registered models are said to lie; nobody may have a bucket of that name and put into it. */
const nativeBucket = 'penstock-models';
const entriesMax = 10_000;
const pathLengthMax = 1024;

/** `s3://penstock-models/digits/3/model.onnx` */
export function nativeUri({ group, version, runtime }: Pick<ModelVersion, 'group' | 'version' | 'runtime'>): string {
  return `s3://${nativeBucket}/${group}/${version}/model.${runtime.kind === 'onnx' ? 'onnx' : 'tar.gz'}`;
}

/** What a process gets: everything. Throws `ValidationException` where nothing is there. */
export async function openBundle(options: ArtifactOptions, location: ModelLocation): Promise<Artifact> {
  if (!location.isFolder) return openOne(options, location);
  const keys = await keysIn(options, location);
  return { source: tarOf(filesOf(options, location, keys)), sourceName: 'model.tar', close: () => undefined };
}

/** What the built-in worker gets: one .onnx file. Throws `ValidationException`, also while `source` is read. */
export async function openModelFile(options: ArtifactOptions, location: ModelLocation): Promise<Artifact> {
  if (location.isFolder) {
    const key = oneOf(
      (await keysIn(options, location)).filter((candidate) => isModelFile(candidate)),
      location.uri,
    );
    return openOne(options, { ...location, key });
  }
  const opened = await openOne(options, location);
  return { ...opened, source: modelFileIn(opened.source, location.uri, options.unpackedBytesMax) };
}

async function openOne({ objects, registry }: ArtifactOptions, { bucket, key, uri }: ModelLocation): Promise<Artifact> {
  const object = await objects.open(bucket, key);
  const sourceName = key.split('/').at(-1) ?? key;
  if (object !== null) return { source: { [Symbol.asyncIterator]: () => reading(object) }, sourceName, close: () => object.close() };
  const path = bucket === nativeBucket ? await nativePath(registry, key) : null;
  if (path === null) throw missing(uri);
  return { source: { [Symbol.asyncIterator]: () => createReadStream(path).iterator() }, sourceName, close: () => undefined };
}

async function* reading(object: OpenObject): AsyncGenerator<Buffer> {
  yield* object.stream() as AsyncIterable<Buffer>;
}

async function nativePath(registry: Registry, key: string): Promise<string | null> {
  const [, reference] = /^([^/]+\/\d+)\/model\.(?:onnx|tar\.gz)$/.exec(key) ?? [];
  if (reference === undefined) return null;
  try {
    const { group, version } = parseReference(reference);
    return registry.artifactPath(await registry.version(group, version as number));
  } catch (error) {
    if (error instanceof PlatformError && (error.code === 'not_found' || error.code === 'invalid_request')) return null;
    throw error;
  }
}

async function keysIn({ objects }: ArtifactOptions, { bucket, key, uri }: ModelLocation): Promise<string[]> {
  const listing = await objects.list(bucket, { prefix: key, itemsMax: entriesMax + 1 }).catch((cause: unknown) => {
    if (cause instanceof AwsError && cause.code === 'NoSuchBucket') throw missing(uri);
    throw cause;
  });
  const keys = listing.objects.map((object) => object.key).filter((name) => !name.endsWith('/'));
  if (keys.length > entriesMax) throw refusal(uri, `it has more than ${entriesMax} files`);
  if (keys.length === 0) throw missing(uri);
  return keys;
}

async function* filesOf({ objects }: ArtifactOptions, location: ModelLocation, keys: readonly string[]): AsyncGenerator<TarFile> {
  const folder = location.key.slice(0, location.key.lastIndexOf('/') + 1);
  for (const key of keys) {
    const path = checkPath(key.slice(folder.length), location.uri);
    const object = await objects.open(location.bucket, key);
    if (object === null) throw refusal(location.uri, `${key} was deleted while it was read`);
    yield { path, bytes: object.bytes, isExecutable: false, content: object.stream() as AsyncIterable<Buffer> };
  }
}

/** The bytes of the .onnx file, wherever it is. */
async function* modelFileIn(bytes: AsyncIterable<Uint8Array>, uri: string, unpackedBytesMax: number): AsyncGenerator<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  try {
    let length = 0;
    while (length < 2) {
      const next = await iterator.next();
      if (next.done === true) break;
      first.push(next.value);
      length += next.value.byteLength;
    }
    const start = Buffer.concat(first);
    const whole = continued(start, iterator);
    if (start[0] !== 0x1f || start[1] !== 0x8b) yield* whole;
    else yield* modelFileInArchive(whole, uri, unpackedBytesMax);
  } finally {
    await iterator.return?.();
  }
}

async function* continued(start: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start;
  for (;;) {
    const next = await rest.next();
    if (next.done === true) return;
    yield next.value;
  }
}

/** Of the archive everything is read, so that a second model, or anything that has no place in it, is seen. */
async function* modelFileInArchive(packed: AsyncIterable<Uint8Array>, uri: string, unpackedBytesMax: number): AsyncGenerator<Uint8Array> {
  const found: string[] = [];
  let entries = 0;
  const bytes = unpacked(packed, uri, unpackedBytesMax);
  try {
    for await (const entry of readTar(keptOpen(bytes))) {
      if (++entries > entriesMax) throw refusal(uri, `the archive has more than ${entriesMax} entries`);
      const path = checkEntry(entry, uri);
      if (entry.kind !== 'file' || !isModelFile(path)) continue;
      found.push(path);
      if (found.length === 1) yield* entry.content;
    }
    while ((await bytes.next()).done !== true); // behind the tar's end comes what tells whether the gzip file is whole
  } catch (error) {
    throw error instanceof PlatformError ? refusal(uri, error.message, error) : error;
  } finally {
    await bytes.return(undefined);
  }
  oneOf(found, uri);
}

/** The same, of which who stops reading leaves the rest. */
function keptOpen<Item>(source: AsyncGenerator<Item>): AsyncIterable<Item> {
  return { [Symbol.asyncIterator]: () => ({ next: () => source.next() }) };
}

async function* unpacked(packed: AsyncIterable<Uint8Array>, uri: string, bytesMax: number): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  pipeline(Readable.from(packed, { objectMode: false }), gunzip, () => undefined); // an error comes out of the loop as well
  let bytes = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw refusal(uri, `the archive holds more than ${bytesMax} bytes once unpacked`);
      yield chunk;
    }
  } catch (error) {
    if (!(error instanceof Error) || !String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error;
    const what = /unexpected end/.test(error.message) ? 'the .tar.gz file is cut off before its end' : 'the .tar.gz file is damaged';
    throw refusal(uri, `${what} (${error.message})`, error);
  }
}

/** Its path without `./` before it. */
function checkEntry({ path, kind }: TarEntry, uri: string): string {
  if (kind === 'symlink' || kind === 'hardlink') {
    throw refusal(uri, `'${path.slice(0, 200)}' in the archive is a link: pack the files that are meant (tar --dereference)`);
  }
  return checkPath(path, uri);
}

function checkPath(path: string, uri: string): string {
  if (path.length > pathLengthMax)
    throw refusal(uri, `the archive has a path of ${path.length} characters, at most ${pathLengthMax} are allowed`);
  if (path.startsWith('/') || /^[a-z]:/i.test(path))
    throw refusal(uri, `'${path}' in the archive is an absolute path: pack it by a relative one`);
  if (path.split(/[\\/]/).includes('..')) throw refusal(uri, `'${path}' in the archive leads out of its folder`);
  if (path.includes('\0')) throw refusal(uri, 'the archive has a path with a NUL character');
  return path.replace(/^(?:\.\/)+/, '');
}

/** What macOS puts beside each file (`._model.onnx`) is none. */
function isModelFile(path: string): boolean {
  const name = path.split('/').at(-1) ?? '';
  return /.\.onnx$/i.test(name) && !name.startsWith('._') && !path.startsWith('__MACOSX/');
}

function oneOf(paths: readonly string[], uri: string): string {
  const [path, ...others] = paths;
  if (path === undefined) throw refusal(uri, 'it holds no .onnx file: exactly one is expected, at any depth');
  if (others.length === 0) return path;
  const shown = paths.slice(0, 10).map((each) => each.slice(0, 200));
  throw refusal(uri, `it holds ${paths.length} .onnx files, exactly one is expected: ${shown.join(', ')}`);
}

function missing(uri: string): AwsError {
  return new AwsError('ValidationException', `Could not find model data at ${uri}.`);
}

function refusal(uri: string, why: string, cause?: unknown): AwsError {
  return new AwsError('ValidationException', `Model data at ${uri} cannot be used: ${why.replace(/\.$/, '')}.`, { cause });
}

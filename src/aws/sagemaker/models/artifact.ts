/**
 * Reads model data from S3 for the registry. The built-in worker needs one .onnx file, with its data files if it has any: an object or an
 * archive as it is, or the folder in which the .onnx file is, packed. A process gets everything: an archive as it is, or a folder packed.
 * Every error is a `ValidationException` that names the model data.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { messageOf, PlatformError } from '../../../errors.ts';
import { checkPath, isModelPath, type ModelVersion, parseReference, type Registry } from '../../../registry/index.ts';
import { type DataFile, modelFileName } from '../../../runtime/index.ts';
import { type TarFile, tarOf } from '../../../tar/index.ts';
import type { OpenObject, S3Store } from '../../s3/objects/store.ts';
import { AwsError } from '../../service.ts';
import type { ModelLocation } from './model-data.ts';

export interface ArtifactOptions {
  readonly objects: Pick<S3Store, 'open' | 'list'>;
  readonly registry: Registry;
}

/** Either read `source` or call `close`. */
export interface Artifact {
  readonly source: AsyncIterable<Uint8Array>;
  readonly sourceName: string;
  close(): void;
}

/** A virtual bucket with the files of registered models. S3 rejects a real bucket of this name. */
const nativeBucket = 'penstock-models';
const entriesMax = 10_000;

/** `s3://penstock-models/digits/3/model.onnx` */
export function nativeUri({ group, version, runtime }: Pick<ModelVersion, 'group' | 'version' | 'runtime'>): string {
  return `s3://${nativeBucket}/${group}/${version}/model.${runtime.kind === 'onnx' ? 'onnx' : 'tar.gz'}`;
}

/** The whole model data, for a process. Throws `ValidationException` if there is none. */
export async function openBundle(options: ArtifactOptions, location: ModelLocation): Promise<Artifact> {
  if (!location.isFolder) return openOne(options, location);
  const keys = await keysIn(options, location);
  return { source: tarOf(filesOf(options, location, keys)), sourceName: 'model.tar', close: () => undefined };
}

/** The .onnx file or the Python model, alone or in an archive, for the built-in workers. Throws `ValidationException`, also while `source` is read. */
export async function openModel(options: ArtifactOptions, location: ModelLocation): Promise<Artifact> {
  if (!location.isFolder) return openOne(options, location);
  const keys = await keysIn(options, location);
  const models = keys.filter((candidate) => isModelPath(candidate));
  // Without an ONNX file the folder may hold a Python model, which the registry recognises.
  if (models.length === 0) return { source: tarOf(filesOf(options, location, keys)), sourceName: 'model.tar', close: () => undefined };
  const key = oneOf(models, location.uri);
  const folder = key.slice(0, key.lastIndexOf('/') + 1);
  const inFolder = keys.filter((candidate) => candidate.startsWith(folder));
  if (inFolder.length === 1) return openOne(options, { ...location, key });
  const files = filesOf(options, { ...location, key: folder }, inFolder);
  return { source: tarOf(files), sourceName: key.slice(folder.length), close: () => undefined };
}

async function openOne({ objects, registry }: ArtifactOptions, { bucket, key, uri }: ModelLocation): Promise<Artifact> {
  const object = ownObject(await objects.open(bucket, key), uri);
  const sourceName = key.split('/').at(-1) ?? key;
  if (object !== null) return { source: { [Symbol.asyncIterator]: () => reading(object) }, sourceName, close: () => object.close() };
  const version = bucket === nativeBucket ? await nativeVersion(registry, key) : null;
  if (version === null) throw missing(uri);
  return { source: await nativeSource(registry, version), sourceName, close: () => undefined };
}

/** Who may register a model may not read what clients sent: the model would be a copy of it. Throws `ValidationException`. */
function ownObject(object: OpenObject | null, uri: string): OpenObject | null {
  if (object?.headers.origin !== 'input') return object;
  object.close();
  throw unusableModelData(uri, `${object.key} holds requests of clients`);
}

async function* reading(object: OpenObject): AsyncGenerator<Buffer> {
  yield* object.stream() as AsyncIterable<Buffer>;
}

async function nativeVersion(registry: Registry, key: string): Promise<ModelVersion | null> {
  const [, reference] = /^([^/]+\/\d+)\/model\.(?:onnx|tar\.gz)$/.exec(key) ?? [];
  if (reference === undefined) return null;
  try {
    const { group, version } = parseReference(reference);
    return await registry.version(group, version as number);
  } catch (error) {
    if (error instanceof PlatformError && (error.code === 'not_found' || error.code === 'invalid_request')) return null;
    throw error;
  }
}

/** The bytes of a registered model; with its data files as an archive. */
async function nativeSource(registry: Registry, version: ModelVersion): Promise<AsyncIterable<Uint8Array>> {
  const { path, data } = await registry.verifiedModelFiles(version);
  if (data === undefined) return { [Symbol.asyncIterator]: () => createReadStream(path).iterator() };
  return tarOf(nativeFiles([{ name: modelFileName, path, bytes: (await stat(path)).size }, ...data]));
}

async function* nativeFiles(files: readonly DataFile[]): AsyncGenerator<TarFile> {
  for (const { name, path, bytes } of files) yield { path: name, bytes, isExecutable: false, content: createReadStream(path) };
}

async function keysIn({ objects }: ArtifactOptions, { bucket, key, uri }: ModelLocation): Promise<string[]> {
  const listing = await objects.list(bucket, { prefix: key, itemsMax: entriesMax + 1 }).catch((cause: unknown) => {
    if (cause instanceof AwsError && cause.code === 'NoSuchBucket') throw missing(uri);
    throw cause;
  });
  const keys = listing.objects.map((object) => object.key).filter((name) => !name.endsWith('/'));
  if (keys.length > entriesMax) throw unusableModelData(uri, `the folder has too many files: expected at most ${entriesMax}`);
  if (keys.length === 0) throw missing(uri);
  return keys;
}

async function* filesOf({ objects }: ArtifactOptions, location: ModelLocation, keys: readonly string[]): AsyncGenerator<TarFile> {
  const folder = location.key.slice(0, location.key.lastIndexOf('/') + 1);
  for (const key of keys) {
    const path = pathIn(key.slice(folder.length), location.uri);
    const object = ownObject(await objects.open(location.bucket, key), location.uri);
    if (object === null) throw unusableModelData(location.uri, `${key} was deleted during the read`);
    yield { path, bytes: object.bytes, isExecutable: false, content: object.stream() as AsyncIterable<Buffer> };
  }
}

function pathIn(path: string, uri: string): string {
  try {
    return checkPath(path);
  } catch (error) {
    throw unusableModelData(uri, messageOf(error), error);
  }
}

function oneOf(paths: readonly string[], uri: string): string {
  const [path, ...others] = paths;
  if (path === undefined) throw unusableModelData(uri, 'expected exactly one .onnx file at any depth, got none');
  if (others.length === 0) return path;
  const listed = paths.slice(0, 10).map((each) => each.slice(0, 200));
  throw unusableModelData(uri, `expected exactly one .onnx file, got ${paths.length}: ${listed.join(', ')}`);
}

function missing(uri: string): AwsError {
  return new AwsError('ValidationException', `Could not find model data at ${uri}.`);
}

/** The error for model data that exists but is no model; `why` follows the URI in its message. */
export function unusableModelData(uri: string, why: string, cause?: unknown): AwsError {
  return new AwsError('ValidationException', `Model data at ${uri} cannot be used: ${why.replace(/\.$/, '')}.`, { cause });
}

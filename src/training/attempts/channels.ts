/** Input channels: objects of the object store become files that the script reads. Keys are untrusted: they become paths. */
import { createHash } from 'node:crypto';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { readS3Manifest } from '../../codecs/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Random, SeededRandom } from '../../random.ts';
import { Slices, type Threads } from '../../threads/index.ts';
import { isRelativePath, type TrainingChannel } from '../spec.ts';
import type { ChannelFacts } from '../training-job.ts';
import type { AttemptFiles } from './attempt-files.ts';
import { objectsUnder, parseS3Uri, s3Uri, type TrainingBuckets } from './buckets.ts';
import { DataHash } from './data-hash.ts';
import { downloadFailure } from './failure-reason.ts';

/** The input of a job is at fault; the message is its `FailureReason`. */
export class DownloadFailed extends Error {
  constructor(problem: string) {
    super(downloadFailure(problem));
    this.name = 'DownloadFailed';
  }
}

/** An object and the path of its file in the folder of the channel. */
export interface PlacedObject {
  readonly bucket: string;
  readonly key: string;
  readonly path: string;
}

/** What downloading a channel needs. */
export interface ChannelDeps {
  readonly buckets: TrainingBuckets;
  readonly threads: Threads;
}

const objectsMax = 200_000;
const manifestBytesMax = 16 * 2 ** 20;
const manifestNamesMax = 200_000;

/** Where a download goes, and its limits. */
export interface DownloadOptions {
  readonly files: Pick<AttemptFiles, 'put'>;
  /** Space that is left for the job. */
  readonly roomBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Writes a channel into `folder`, a path in the attempt, which exists and is empty. `roomBytes` is the space that is left for the job. Throws `DownloadFailed`, or
 * the reason of the signal.
 */
export async function downloadChannel(
  { buckets, threads }: ChannelDeps,
  channel: TrainingChannel,
  { folder, roomBytes, ...options }: DownloadOptions & { readonly folder: string },
): Promise<ChannelFacts> {
  const placed = await placedObjects(buckets, channel);
  const hash = new DataHash(placed.length);
  let bytes = 0;
  for (const object of placed) {
    options.signal.throwIfAborted();
    const target = `${folder}/${object.path}`;
    const stored = await downloadObject(buckets, object, { ...options, target, isGzip: channel.isGzip, roomBytes: roomBytes - bytes });
    bytes += stored.bytes;
    hash.add(object.key, stored.sha256);
  }
  return { uri: uriOf(channel), sha256: await hash.sha256(threads), objects: placed.length, bytes };
}

/** `s3://team/rows/` or `captured:digits`. */
export function uriOf({ source }: Pick<TrainingChannel, 'source'>): string {
  return source.kind === 's3' ? s3Uri(source.bucket, source.prefix) : `captured:${source.endpoint}`;
}

/** The objects of a channel and their paths, in order. Throws `DownloadFailed`. */
export async function placedObjects(
  buckets: TrainingBuckets,
  { name, source, isGzip, shuffleSeed }: TrainingChannel,
): Promise<PlacedObject[]> {
  if (source.kind === 'captured') throw new Error(`${uriOf({ source })} is written to an object first`);
  const { bucket, prefix } = source;
  if ((await buckets.bucket(bucket)) === null)
    throw new DownloadFailed(`There is no bucket "${bucket}" given in input data source "${name}".`);
  const found =
    source.isManifest === true ? await manifestObjects(buckets, bucket, prefix, name) : await prefixObjects(buckets, bucket, prefix);
  if (found.length === 0)
    throw new DownloadFailed(`No S3 objects found under S3 URL "${s3Uri(bucket, prefix)}" given in input data source "${name}".`);
  if (found.length >= objectsMax) throw new DownloadFailed(`There are more than ${objectsMax} objects in input data source "${name}".`);
  const placed = isGzip ? found.map((object) => ({ ...object, path: object.path.replace(/\.gz$/, '') })) : found;
  await checkPaths(name, placed);
  return shuffleSeed === null ? placed : shuffled(placed, new SeededRandom(shuffleSeed));
}

async function prefixObjects(buckets: TrainingBuckets, bucket: string, prefix: string): Promise<PlacedObject[]> {
  const placed: PlacedObject[] = [];
  for await (const { key } of objectsUnder(buckets, bucket, prefix, objectsMax)) placed.push({ bucket, key, path: pathUnder(prefix, key) });
  return placed;
}

/**
 * The path of an object in its channel. `s3://b/data` means the folder `data` if there are objects in it, and the object itself; other keys
 * that only share the beginning are named from the last slash on.
 */
export function pathUnder(prefix: string, key: string): string {
  if (prefix.endsWith('/') || prefix === '') return key.slice(prefix.length);
  if (key.startsWith(`${prefix}/`)) return key.slice(prefix.length + 1);
  return key.slice(prefix.lastIndexOf('/') + 1);
}

/** `[{"prefix": "s3://bucket/folder/"}, "a.csv", "b.csv"]` */
async function manifestObjects(buckets: TrainingBuckets, bucket: string, key: string, channel: string): Promise<PlacedObject[]> {
  const where = `manifest "${s3Uri(bucket, key)}" given in input data source "${channel}"`;
  const object = await buckets.open(bucket, key);
  if (object === null) throw new DownloadFailed(`There is no ${where}.`);
  if (object.bytes > manifestBytesMax) {
    object.close();
    throw new DownloadFailed(`The ${where} has ${object.bytes} bytes: expected at most ${manifestBytesMax}.`);
  }
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of object.stream()) chunks.push(chunk as Buffer);
  } finally {
    object.close();
  }
  const { prefix, names } = await readS3Manifest(Buffer.concat(chunks).toString('utf8'), manifestNamesMax).catch((error: unknown) => {
    throw new DownloadFailed(`The ${where} ${messageOf(error)}.`);
  });
  const at = parseS3Uri(prefix);
  if (at === null) throw new DownloadFailed(`The ${where} begins with the prefix "${prefix.slice(0, 80)}": expected s3://BUCKET/FOLDER/.`);
  return names.map((name) => ({ bucket: at.bucket, key: at.key + name, path: name.replace(/^\/+/, '') }));
}

const foldersMax = 64;
const charactersPerSlice = 16 * 1024;

/** Throws `DownloadFailed` if a key is not a path below the channel, or if two objects exclude each other. */
async function checkPaths(channel: string, placed: readonly PlacedObject[]): Promise<void> {
  const files = new Map<string, string>();
  const slices = new Slices(charactersPerSlice);
  for (const { path, key } of placed) {
    await slices.done(path.length);
    const shown = JSON.stringify(key.slice(0, 200));
    if (!isRelativePath(path))
      throw new DownloadFailed(`The object ${shown} in input data source "${channel}" is not a path below its channel.`);
    if (path.split('/', foldersMax + 2).length > foldersMax + 1)
      throw new DownloadFailed(`The object ${shown} in input data source "${channel}" is in more than ${foldersMax} folders.`);
    const other = files.get(path);
    if (other !== undefined) {
      const both = `${JSON.stringify(other.slice(0, 200))} and ${shown}`;
      throw new DownloadFailed(`The objects ${both} in input data source "${channel}" become the same file.`);
    }
    files.set(path, key);
  }
  for (const path of files.keys()) {
    await slices.done(path.length);
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const above = path.slice(0, at);
      if (files.has(above)) {
        const which = `${JSON.stringify(above.slice(0, 200))} is an object and a folder of others`;
        throw new DownloadFailed(`In input data source "${channel}" ${which}.`);
      }
    }
  }
}

interface ObjectDownload extends DownloadOptions {
  readonly target: string;
  readonly isGzip: boolean;
}

/** Returns the hash and the size of what is stored, which is unpacked if it is gzip. */
async function downloadObject(
  buckets: TrainingBuckets,
  { bucket, key }: PlacedObject,
  options: ObjectDownload,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const { files, target, isGzip, roomBytes, signal } = options;
  const object = await buckets.open(bucket, key);
  if (object === null) throw new DownloadFailed(`The object "${s3Uri(bucket, key)}" was deleted while it was downloaded.`);
  try {
    if (object.bytes > roomBytes) throw new DownloadFailed('The data is larger than VolumeSizeInGB.');
    const [piece] = object.pieces;
    const [file] = isGzip || object.pieces.length !== 1 || object.files === undefined ? [] : await object.files();
    if (file === undefined || piece === undefined) return await putStream(object.stream(), options);
    const { sha256 } = piece;
    await files.put(target, { kind: 'object', sha256, file: async () => file });
    return { sha256, bytes: object.bytes };
  } catch (error) {
    if (isGzip && !signal.aborted && isZlibError(error))
      throw new DownloadFailed(`The object "${s3Uri(bucket, key)}" is not a gzip file: ${messageOf(error)}.`);
    if (error instanceof PlatformError && error.code === 'too_large') throw new DownloadFailed(error.message); // the disk is full
    throw error;
  } finally {
    object.close();
  }
}

async function putStream(
  source: Readable,
  { files, target, isGzip, roomBytes, signal }: ObjectDownload,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      hash.update(chunk);
      if (bytes > roomBytes) done(new DownloadFailed('The data is larger than VolumeSizeInGB.'));
      else done(null, chunk);
    },
  });
  const put = (content: AsyncIterable<Uint8Array>): Promise<void> => files.put(target, { kind: 'stream', content });
  if (isGzip) await pipeline(source, createGunzip(), count, put, { signal });
  else await pipeline(source, count, put, { signal });
  return { sha256: hash.digest('hex'), bytes };
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}

/** Fisher-Yates. */
function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at--) {
    const other = Math.floor(random.next() * (at + 1));
    [mixed[at], mixed[other]] = [mixed[other] as Item, mixed[at] as Item];
  }
  return mixed;
}

/** Fetches an object into a file. Throws `DownloadFailed`. */
export async function downloadFile(
  buckets: TrainingBuckets,
  uri: string,
  target: string,
  options: DownloadOptions,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const at = parseS3Uri(uri);
  if (at === null || at.key === '') throw new DownloadFailed(`"${uri.slice(0, 200)}" is not an object: expected s3://BUCKET/KEY.`);
  const object = await buckets.open(at.bucket, at.key);
  if (object === null) throw new DownloadFailed(`There is no object "${s3Uri(at.bucket, at.key)}".`);
  object.close();
  return downloadObject(buckets, { ...at, path: '' }, { target, isGzip: false, ...options });
}

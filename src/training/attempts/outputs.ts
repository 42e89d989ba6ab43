/**
 * Uploads the results of a job: the model and other output. The same files always give the same bytes, so an interrupted upload can be
 * repeated, and a retrained model can be compared.
 */
import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import { PlatformError } from '../../errors.ts';
import { type OpenedTaskFile, type TaskFile, taskFilesMax } from '../../providers/index.ts';
import { type TarFile, tarOf } from '../../tar/index.ts';
import { jobKindOf } from '../job-kind.ts';
import { mlFolder, type TrainingSpec } from '../spec.ts';
import type { AttemptFiles } from './attempt-files.ts';
import { joinKey, s3Uri, type TrainingBuckets } from './buckets.ts';

/** The object store, and the limit of a model. */
export interface OutputUploadDeps {
  readonly buckets: TrainingBuckets;
  /** The largest model.tar.gz. */
  readonly artifactBytesMax: number;
}

/** What was uploaded, and notes on what was not. */
export interface UploadedOutput {
  readonly notes: readonly string[];
  /** Files of the model. */
  readonly files: readonly TaskFile[];
}

/** The output of a job is at fault; the message is its `FailureReason`. */
export class UploadFailed extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UploadFailed';
  }
}

const gzipType = 'application/gzip';
const chunkBytes = 256 * 1024;

/** The URI of the model, also before it is uploaded. */
export function artifactUriOf({ name, output }: Pick<TrainingSpec, 'name' | 'output'>): string {
  const { bucket, prefix, isPacked } = output;
  return s3Uri(bucket, joinKey(prefix, name, 'output', isPacked ? 'model.tar.gz' : 'model/'));
}

/** Throws `UploadFailed`; `unavailable` if the disk is full: then try again. */
export async function uploadOutputs(
  { buckets, artifactBytesMax }: OutputUploadDeps,
  spec: TrainingSpec,
  attempt: AttemptFiles,
): Promise<UploadedOutput> {
  if (jobKindOf(spec.name) === 'processing') return uploadFolders(buckets, spec, attempt);
  const { bucket, prefix, isPacked } = spec.output;
  const key = (...names: readonly string[]): string => joinKey(prefix, spec.name, 'output', ...names);
  const model: AttemptFolder = { files: attempt, folder: 'model' };
  const { files, notes, isTooMany } = await attempt.list(model.folder);
  if (isTooMany)
    throw new UploadFailed(`AlgorithmError: there are more than ${taskFilesMax} files in /opt/ml/model: pack them into an archive`);
  // Sparse files and links take no space, but reading them can take days.
  const bytesMax = spec.volumeGb * 1e9;
  if (totalBytesOf(files) > bytesMax)
    throw new UploadFailed(
      `AlgorithmError: the files in /opt/ml/model have ${totalBytesOf(files)} bytes, holes and links included: expected at most VolumeSizeInGB = ${spec.volumeGb}`,
    );
  if (isPacked) await putArchive(buckets, { bucket, key: key('model.tar.gz') }, { of: model, files, bytesMax: artifactBytesMax });
  else for (const file of files) await putFile(buckets, { bucket, key: key('model', file.path) }, model, file);
  const data: AttemptFolder = { files: attempt, folder: 'output/data' };
  const other = await attempt.list(data.folder);
  const otherNotes = other.notes.map((note) => `output/data: ${note}`);
  if (other.isTooMany) otherNotes.push(`output/data has more than ${taskFilesMax} files: the rest was left out`);
  const isTooLarge = totalBytesOf(other.files) > bytesMax;
  if (isTooLarge) otherNotes.push(`output/data has more bytes than VolumeSizeInGB = ${spec.volumeGb}, holes included, and was left out`);
  if (other.files.length > 0 && !isTooLarge)
    await putArchive(buckets, { bucket, key: key('output.tar.gz') }, { of: data, files: other.files, bytesMax: artifactBytesMax });
  return { notes: [...notes.map((note) => `model: ${note}`), ...otherNotes], files };
}

/** The files of each output of a processing job, one by one. */
async function uploadFolders(
  buckets: TrainingBuckets,
  { outputs, volumeGb }: TrainingSpec,
  attempt: AttemptFiles,
): Promise<UploadedOutput> {
  const all: TaskFile[] = [];
  const allNotes: string[] = [];
  for (const { name, path, bucket, prefix } of outputs) {
    const of: AttemptFolder = { files: attempt, folder: path.slice(mlFolder.length + 1) };
    const { files, notes, isTooMany } = await attempt.list(of.folder);
    if (isTooMany)
      throw new UploadFailed(`AlgorithmError: there are more than ${taskFilesMax} files in ${path}: pack them into an archive`);
    if (totalBytesOf([...all, ...files]) > volumeGb * 1e9)
      throw new UploadFailed(
        `AlgorithmError: the files of the outputs have more bytes than VolumeSizeInGB = ${volumeGb}, holes and links included`,
      );
    for (const file of files) await putFile(buckets, { bucket, key: joinKey(prefix, file.path) }, of, file);
    allNotes.push(...notes.map((note) => `output ${name}: ${note}`));
    all.push(...files);
  }
  return { notes: allNotes, files: all };
}

/** The sum of the sizes, holes included. A file counts once for each link to it. */
export function totalBytesOf(files: readonly TaskFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** A folder that a script wrote to, by its path in the attempt. */
interface AttemptFolder {
  readonly files: Pick<AttemptFiles, 'open'>;
  readonly folder: string;
}

interface ArchiveOptions {
  readonly of: AttemptFolder;
  readonly files: readonly TaskFile[];
  readonly bytesMax: number;
}

async function putArchive(
  buckets: TrainingBuckets,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  options: ArchiveOptions,
): Promise<void> {
  await buckets.put(bucket, key, archiveOf(options), { headers: { contentType: gzipType } }).catch((error: unknown) => {
    if (error instanceof PlatformError && error.code === 'too_large') throw new UploadFailed(`AlgorithmError: ${error.message}`);
    throw error;
  });
}

/** A tar.gz without owners and times. Throws `too_large` beyond `bytesMax`. */
export async function* archiveOf({ of, files, bytesMax }: ArchiveOptions): AsyncGenerator<Uint8Array> {
  const gzip = createGzip({ level: 6 });
  let failure: unknown = null;
  pipeline(tarOf(tarFiles(of, files)), gzip, (error) => (failure = error ?? null));
  let bytes = 0;
  try {
    for await (const chunk of gzip) {
      bytes += (chunk as Buffer).length;
      if (bytes > bytesMax) {
        throw new PlatformError(
          'too_large',
          `${of.folder} packs to more than the limit of ${bytesMax} bytes: write less, or raise --artifact-limit`,
        );
      }
      yield chunk as Buffer;
    }
  } catch (error) {
    throw failure ?? error;
  } finally {
    gzip.destroy();
  }
}

async function* tarFiles({ files: attempt, folder }: AttemptFolder, files: readonly TaskFile[]): AsyncGenerator<TarFile> {
  for (const { path, bytes, isExecutable } of files) {
    const file = await attempt.open(folder, path);
    if (file === null) throw new UploadFailed(`AlgorithmError: ${folder}/${path.slice(0, 200)} vanished while it was uploaded`);
    try {
      yield { path, bytes, isExecutable, content: contentOf(file, bytes) };
    } finally {
      await file.close();
    }
  }
}

async function* contentOf(file: OpenedTaskFile, bytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes; ) {
    const chunk = await file.read(at, Math.min(chunkBytes, bytes - at));
    if (chunk.length === 0) return;
    at += chunk.length;
    yield chunk;
  }
}

/** Uploads one file as it is now; skips one that has vanished. */
export async function putFile(
  buckets: TrainingBuckets,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  { files, folder }: AttemptFolder,
  { path }: Pick<TaskFile, 'path'>,
): Promise<boolean> {
  const file = await files.open(folder, path);
  if (file === null) return false;
  try {
    await buckets.put(bucket, key, contentOf(file, file.bytes), { headers: { contentType: 'application/octet-stream' } });
    return true;
  } finally {
    await file.close();
  }
}

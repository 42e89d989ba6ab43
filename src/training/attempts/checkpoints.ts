/** Stores the checkpoints of a job in the object store: downloaded before an attempt, uploaded while it runs and at its end. */
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { isRelativePath, mlFolder, type TrainingSpec } from '../spec.ts';
import type { AttemptFiles } from './attempt-files.ts';
import { joinKey, objectsUnder, s3Uri, type TrainingBuckets } from './buckets.ts';
import { type DownloadOptions, downloadFile, pathUnder } from './channels.ts';
import { putFile, totalBytesOf } from './outputs.ts';

/** The object store, and the clock of the machine. */
export interface CheckpointDeps {
  readonly buckets: TrainingBuckets;
  readonly clock: Pick<Clock, 'wallMs'>;
}

/** A lost attempt loses at most about this much of its work, if it writes checkpoints as often. */
export const checkpointEveryMs = 30_000;
/** A file that changed later is probably still being written. */
const quietMs = 2000;
const checkpointFilesMax = 10_000;

type CheckpointConfig = NonNullable<TrainingSpec['checkpoints']>;

/** The folder of the checkpoints below the job's `ml` folder. */
function checkpointFolder({ path }: CheckpointConfig): string {
  return path.slice(mlFolder.length + 1);
}

/** Where the checkpoints of a job are. */
export function checkpointUri({ bucket, prefix }: CheckpointConfig): string {
  return s3Uri(bucket, prefix);
}

/** Throws `DownloadFailed`. Returns the number of files. */
export async function fetchCheckpoints(
  { buckets }: CheckpointDeps,
  config: CheckpointConfig,
  options: DownloadOptions & { readonly files: Pick<AttemptFiles, 'makeFolders'> },
): Promise<number> {
  const target = checkpointFolder(config);
  await options.files.makeFolders([target]);
  const prefix = joinKey(config.prefix, '');
  let [files, roomBytes] = [0, options.roomBytes];
  for await (const { key } of objectsUnder(buckets, config.bucket, prefix === '' ? '' : `${prefix}/`, checkpointFilesMax)) {
    options.signal.throwIfAborted();
    const path = pathUnder(prefix === '' ? '' : `${prefix}/`, key);
    if (!isRelativePath(path)) continue;
    const { bytes } = await downloadFile(buckets, s3Uri(config.bucket, key), `${target}/${path}`, { ...options, roomBytes });
    roomBytes -= bytes;
    files++;
  }
  return files;
}

/** Uploads what has changed. One per attempt; runs must not overlap. */
export class CheckpointSync {
  readonly #deps: CheckpointDeps;
  readonly #config: CheckpointConfig;
  readonly #files: AttemptFiles;
  readonly #bytesMax: number;
  /** Size and time of uploaded files, by path. */
  readonly #uploaded = new Map<string, string>();

  /** `bytesMax`: of all files together. */
  constructor(
    deps: CheckpointDeps,
    config: CheckpointConfig,
    { files, bytesMax }: { readonly files: AttemptFiles; readonly bytesMax: number },
  ) {
    this.#deps = deps;
    this.#config = config;
    this.#files = files;
    this.#bytesMax = bytesMax;
  }

  /** `isEnd`: the job has ended, so nothing is being written. Returns the number of files. Throws the first failure, after all others. */
  async run({ isEnd }: { readonly isEnd: boolean }): Promise<number> {
    const { buckets, clock } = this.#deps;
    const folder = checkpointFolder(this.#config);
    const { files } = await this.#files.list(folder, checkpointFilesMax);
    if (totalBytesOf(files) > this.#bytesMax) {
      throw new PlatformError(
        'too_large',
        `the checkpoints have more than ${this.#bytesMax} bytes, holes included: write less, or raise VolumeSizeInGB`,
      );
    }
    let uploaded = 0;
    let failure: Error | null = null;
    for (const file of files) {
      const state = `${file.bytes} ${file.modifiedAtMs}`;
      const isQuiet = isEnd || clock.wallMs() - file.modifiedAtMs >= quietMs;
      if (!isQuiet || this.#uploaded.get(file.path) === state) continue;
      const key = joinKey(this.#config.prefix, file.path);
      try {
        if (!(await putFile(buckets, { bucket: this.#config.bucket, key }, { files: this.#files, folder }, file))) continue;
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(messageOf(error)); // one file whose name cannot be a key must not prevent the others from being stored
        continue;
      }
      this.#uploaded.set(file.path, state);
      uploaded++;
    }
    if (failure !== null) throw failure;
    return uploaded;
  }
}

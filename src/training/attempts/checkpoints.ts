/** Stores the checkpoints of a job in the object store: downloaded before an attempt, uploaded while it runs and at its end. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { isRelativePath, mlFolder, type TrainingSpec } from '../spec.ts';
import { joinKey, objectsUnder, s3Uri, type TrainingBuckets } from './buckets.ts';
import { downloadFile, pathUnder } from './channels.ts';
import { type JobFolder, listJobFiles } from './job-files.ts';
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
export function checkpointFolder({ path }: CheckpointConfig, ml: string): JobFolder {
  return { base: ml, path: path.slice(mlFolder.length + 1) };
}

/** Where the checkpoints of a job are. */
export function checkpointUri({ bucket, prefix }: CheckpointConfig): string {
  return s3Uri(bucket, prefix);
}

/** Throws `DownloadFailed`. Returns the number of files. */
export async function fetchCheckpoints(
  { buckets }: CheckpointDeps,
  config: CheckpointConfig,
  ml: string,
  options: { readonly roomBytes: number; readonly freeBytes: () => number; readonly signal: AbortSignal },
): Promise<number> {
  const { base, path: folder } = checkpointFolder(config, ml);
  const target = join(base, folder);
  await mkdir(target, { recursive: true });
  const prefix = joinKey(config.prefix, '');
  let [files, roomBytes] = [0, options.roomBytes];
  for await (const { key } of objectsUnder(buckets, config.bucket, prefix === '' ? '' : `${prefix}/`, checkpointFilesMax)) {
    options.signal.throwIfAborted();
    const path = pathUnder(prefix === '' ? '' : `${prefix}/`, key);
    if (!isRelativePath(path)) continue;
    const file = join(target, path);
    await mkdir(dirname(file), { recursive: true });
    const { bytes } = await downloadFile(buckets, s3Uri(config.bucket, key), file, { ...options, roomBytes });
    roomBytes -= bytes;
    files++;
  }
  return files;
}

/** Uploads what has changed. One per attempt; runs must not overlap. */
export class CheckpointSync {
  readonly #deps: CheckpointDeps;
  readonly #config: CheckpointConfig;
  readonly #ml: string;
  readonly #bytesMax: number;
  /** Size and time of uploaded files, by path. */
  readonly #uploaded = new Map<string, string>();

  /** `bytesMax`: of all files together. */
  constructor(deps: CheckpointDeps, config: CheckpointConfig, { ml, bytesMax }: { readonly ml: string; readonly bytesMax: number }) {
    this.#deps = deps;
    this.#config = config;
    this.#ml = ml;
    this.#bytesMax = bytesMax;
  }

  /** `isEnd`: the job has ended, so nothing is being written. Returns the number of files. Throws the first failure, after all others. */
  async run({ isEnd }: { readonly isEnd: boolean }): Promise<number> {
    const { buckets, clock } = this.#deps;
    const folder = checkpointFolder(this.#config, this.#ml);
    const { files } = await listJobFiles(folder, checkpointFilesMax);
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
        if (!(await putFile(buckets, { bucket: this.#config.bucket, key }, folder, file))) continue;
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

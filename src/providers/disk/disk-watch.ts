/**
 * Bounds what workers write to the disk of the data directory. A worker whose files exceed the limit is ended, which removes them. If the
 * disk runs short, the worker with the most files is ended, so that no number of workers fills it. The system limits the size of a single
 * file (`isolation.ts`); no file system limits a folder without privileges and preparation.
 */
import { statfsSync } from 'node:fs';
import type { Clock } from '../../clock.ts';
import { type FileUse, fileUseOf, type WrittenFiles } from './file-use.ts';

/** A worker as the watch sees it. */
export interface WatchedWorker {
  readonly id: string;
  readonly written: WrittenFiles;
  /** What its archive takes, which it may have beyond the limit. */
  readonly archive: FileUse;
  /** Ends it, with the reason. */
  end(reason: string): void;
}

/** Of a worker without an archive. */
export const noArchive: FileUse = { bytes: 0, files: 0 };

/** Limits of what workers write. */
export interface DiskLimits {
  /** What the files of one worker may take beyond its archive. */
  readonly worker: FileUse;
  /** Below it, the worker with the most files is ended. */
  readonly freeBytesMin: number;
  /** What sets the limit of bytes, for the message. */
  readonly setting: string;
}

/** A worker with less does not fill the disk: others of the server or the machine do. */
const blamedBytesMin = 64 * 1024 ** 2;
/** Workers leave this much of the disk to the server. */
export const freeBytesMin = 1024 ** 3;
/** Names cost space and time, too: reading this many takes about a second. */
export const filesMax = 100_000;
/** After this many new bytes or files on the disk, the folders of workers are read. */
const stepBytes = 256 * 1024 ** 2;
const stepFiles = 10_000;
/** They are read this often in any case: something else may free as much as a worker fills. */
const everyMs = 30_000;
/** Reading takes at most this share of the time, unless the disk is short. */
const shareMax = 0.02;

/** Space on the disk; file systems without a fixed number of files report 0. */
export interface FreeSpace {
  readonly bytes: number;
  readonly files: number;
}

/** The space that the disk of a folder has for the server. */
export function freeSpaceOf(folder: string): FreeSpace {
  const { bavail, bsize, ffree } = statfsSync(folder);
  return { bytes: bavail * bsize, files: ffree };
}

/** Limits, and how the disk is read. */
export interface DiskWatchOptions {
  readonly clock: Clock;
  readonly limits: DiskLimits;
  readonly free: () => FreeSpace;
  /** Default: reads the folders. */
  readonly measure?: (written: WrittenFiles, max: FileUse) => Promise<FileUse>;
}

/** Reading folders takes long if they are large: the next reading waits a multiple of the time of the last, unless the disk runs short. */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #last: { readonly free: FreeSpace; readonly atMs: number } | null = null;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #isReading = false;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  get limits(): DiskLimits {
    return this.#options.limits;
  }

  /** Called often: costs one system call unless the disk has changed. */
  async check(workers: readonly WatchedWorker[]): Promise<void> {
    const { clock, free, limits, measure = fileUseOf } = this.#options;
    const now = free();
    const startMs = clock.nowMs();
    if (this.#isReading || workers.length === 0 || !this.#isDue(now, startMs)) return;
    this.#isReading = true;
    try {
      const uses: WorkerUse[] = [];
      for (const worker of workers) {
        const max = sum(limits.worker, worker.archive);
        uses.push({ worker, max, use: await measure(worker.written, max) });
      }
      for (const { worker, reason } of endedWorkers(uses, limits, free().bytes)) worker.end(reason);
    } finally {
      const endMs = clock.nowMs();
      this.#last = { free: now, atMs: endMs };
      this.#notBeforeMs = endMs + (endMs - startMs) / shareMax;
      this.#isReading = false;
    }
  }

  #isDue(free: FreeSpace, nowMs: number): boolean {
    const { worker, freeBytesMin } = this.#options.limits;
    if (this.#last === null) return true;
    const grownBytes = this.#last.free.bytes - free.bytes;
    const isShort = free.bytes < freeBytesMin && grownBytes > 0;
    if (isShort) return true;
    if (nowMs < this.#notBeforeMs) return false;
    const hasGrown = grownBytes > Math.min(stepBytes, worker.bytes / 4) || this.#last.free.files - free.files > stepFiles;
    return hasGrown || nowMs - this.#last.atMs >= everyMs;
  }
}

/** What one worker was found to use. */
export interface WorkerUse {
  readonly worker: WatchedWorker;
  readonly use: FileUse;
  readonly max: FileUse;
}

/** The workers to end, each with the reason: those beyond their limit, and the largest one if the disk is short. */
export function endedWorkers(
  uses: readonly WorkerUse[],
  limits: DiskLimits,
  freeBytes: number,
): readonly { readonly worker: WatchedWorker; readonly reason: string }[] {
  const over = uses.flatMap(({ worker, use, max }) => {
    const reason = reasonOf(use, max, limits.setting);
    return reason === null ? [] : [{ worker, reason }];
  });
  if (over.length > 0 || freeBytes >= limits.freeBytesMin) return over;
  const ownBytes = ({ use, worker }: WorkerUse): number => use.bytes - worker.archive.bytes;
  const [largest] = uses.filter((each) => ownBytes(each) >= blamedBytesMin).toSorted((a, b) => ownBytes(b) - ownBytes(a));
  if (largest === undefined) return [];
  const reason =
    `the disk of the data directory has ${mebibytes(freeBytes)} MiB left, less than ${mebibytes(limits.freeBytesMin)} MiB, ` +
    `and this worker's files take the most: ${mebibytes(ownBytes(largest))} MiB. Free disk space, or write less`;
  return [{ worker: largest.worker, reason }];
}

function reasonOf(use: FileUse, max: FileUse, setting: string): string | null {
  if (use.bytes > max.bytes) {
    return (
      `its files took more than ${mebibytes(max.bytes)} MiB of the disk: ${setting}. ` +
      'Delete files that are no longer needed, or raise the limit'
    );
  }
  if (use.files <= max.files) return null;
  return `it wrote more than ${max.files} files, or folders that cannot be read. Delete files that are no longer needed`;
}

function sum(one: FileUse, other: FileUse): FileUse {
  return { bytes: one.bytes + other.bytes, files: one.files + other.files };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}

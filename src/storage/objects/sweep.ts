/** Finds objects that no row references, which a killed server may leave behind, and moves them to the trash. */
import type { ObjectStore } from './object-store.ts';

/** When and on whose account a sweep runs. */
export interface SweepOptions {
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  /** Called with the objects that were moved, at most a few hundred at a time. */
  readonly onTrashed: (sha256s: readonly string[]) => void;
  /** Called with objects moved back because rows reference them again. */
  readonly onRestored: (sha256s: readonly string[]) => void;
  /** Called if an object or folder could not be read or moved; it is unchanged. */
  readonly onFailure: (error: unknown) => void;
  /** Whether objects are being stored: their temporary files remain. */
  readonly isRunning?: boolean;
}

/** The two questions of a sweep: what is needed, and whether it still is not when its object is moved. */
export interface SweptObjects {
  /** Returns the addresses that rows reference. Called with at most a few hundred at a time. */
  readonly neededOf: (sha256s: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Looks again, so that no reference can appear in between, and moves the object to the trash. False if it is needed now. */
  readonly trash: (sha256: string, atMs: number) => Promise<boolean>;
}

const batchSize = 500;

/**
 * Call at startup, before the first store; for a store elsewhere, each hour too. An object is moved only if the database was read and has no
 * row for it. Never throws: leftovers only waste space.
 */
export async function sweepObjects(objects: ObjectStore, { neededOf, trash }: SweptObjects, options: SweepOptions): Promise<void> {
  const { nowMs, onTrashed, onRestored, onFailure, isRunning = false } = options;
  try {
    if (!isRunning) await objects.sweepTemporary();
    for await (const batch of batches(objects.listForSweep(nowMs()))) {
      const needed = await neededOf(batch);
      const moved: string[] = [];
      for (const sha256 of batch) if (!needed.has(sha256) && (await trash(sha256, nowMs()))) moved.push(sha256);
      if (moved.length > 0) onTrashed(moved);
    }
    for await (const batch of batches((await objects.trash.list()).map(({ sha256 }) => sha256))) {
      const restored: string[] = [];
      for (const sha256 of await neededOf(batch)) {
        if (!(await objects.has(sha256)) && (await objects.restore(sha256))) restored.push(sha256);
      }
      if (restored.length > 0) onRestored(restored);
    }
  } catch (error) {
    onFailure(error);
  }
}

async function* batches(items: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

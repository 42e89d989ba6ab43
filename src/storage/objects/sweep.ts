/** Finds objects that no row references, which a killed server may leave behind, and moves them to the trash. */
import type { FileObjectStore } from './file-object-store.ts';

export interface SweepOptions {
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  /** Called with the objects that were moved, at most a few hundred at a time. */
  readonly onTrashed: (sha256s: readonly string[]) => void;
  /** Called with objects moved back because rows reference them again. */
  readonly onRestored: (sha256s: readonly string[]) => void;
  /** Called if an object or folder could not be read or moved; it is unchanged. */
  readonly onFailure: (error: unknown) => void;
}

/** Returns the addresses that rows reference. Called with at most a few hundred at a time. */
type NeededOf = (sha256s: readonly string[]) => Promise<ReadonlySet<string>>;

const batchSize = 500;

/**
 * Call at startup, before the first store. An object is moved only if the database was read and has no row for it. Never throws: leftovers
 * only waste space.
 */
export async function sweepObjects(objects: FileObjectStore, neededOf: NeededOf, options: SweepOptions): Promise<void> {
  const { nowMs, onTrashed, onRestored, onFailure } = options;
  try {
    await objects.sweepTemporary();
    for await (const batch of batches(objects.list())) {
      const needed = await neededOf(batch);
      const moved = batch.filter((sha256) => !needed.has(sha256));
      for (const sha256 of moved) await objects.moveToTrash(sha256, nowMs());
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

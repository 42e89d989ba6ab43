/** The object stores of the data directory, with their verified files and their trash. */

import type { Clock } from '../clock.ts';
import type { Closers } from '../closers.ts';
import type { DataDirectory } from '../data-directory/index.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import { FileHasher, FileObjectStore, type SweepOptions, TrashEmptier, type TrashSize, VerifiedFiles } from '../storage/index.ts';

export interface ObjectStores {
  /** Artifacts of model versions. */
  readonly objects: FileObjectStore;
  /** Contents of buckets. */
  readonly buckets: FileObjectStore;
  /** Files whose content was verified since the start. */
  readonly files: VerifiedFiles;
  readonly trash: ServerTrash;
}

export function openStores(directory: DataDirectory, clock: Clock, log: Log, closers: Closers): ObjectStores {
  const objects = new FileObjectStore(directory.objects);
  const buckets = new FileObjectStore(directory.buckets);
  const hasher = new FileHasher();
  closers.add(hasher);
  const trash = new ServerTrash({ clock, log, stores: { objects, buckets } });
  closers.add(trash);
  return { objects, buckets, files: new VerifiedFiles(hasher), trash };
}

type StoreName = 'objects' | 'buckets';

interface ServerTrashDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly stores: Readonly<Record<StoreName, FileObjectStore>>;
}

/** Manages the trash of unreferenced objects that a sweep found: they are logged, counted, and deleted after a week. */
class ServerTrash {
  readonly #deps: ServerTrashDeps;
  readonly #emptier: TrashEmptier;
  readonly #moved: Record<StoreName, number> = { objects: 0, buckets: 0 };

  constructor(deps: ServerTrashDeps) {
    const { clock, log, stores } = deps;
    this.#deps = deps;
    this.#emptier = new TrashEmptier({
      clock,
      trashes: [stores.objects.trash, stores.buckets.trash],
      onDeleted: ({ sha256, bytes }, reason) => log.warn({ sha256, bytes, reason }, 'an object in the trash was deleted for good'),
      onFailure: (error) => log.error({ error: messageOf(error) }, 'failed to empty the trash'),
    });
  }

  /** Number of objects moved to the trash since the start, by store. */
  get moved(): Readonly<Record<StoreName, number>> {
    return this.#moved;
  }

  get size(): TrashSize {
    return this.#emptier.size;
  }

  /** Options for sweeping one store, with logging and counting. */
  sweepOptions(store: StoreName): SweepOptions {
    const { clock, log } = this.#deps;
    return {
      nowMs: () => clock.wallMs(),
      onTrashed: (sha256s) => {
        this.#moved[store] += sha256s.length;
        log.warn({ store, objects: sha256s.length, sha256s }, 'objects without a row in the database were moved to the trash for 7 days');
      },
      onRestored: (sha256s) =>
        log.warn({ store, objects: sha256s.length, sha256s }, 'objects were restored from the trash: rows reference them'),
      onFailure: (error) => log.error({ store, error: messageOf(error) }, 'failed to sweep objects: nothing was removed'),
    };
  }

  close(): Promise<void> {
    return this.#emptier.close();
  }
}

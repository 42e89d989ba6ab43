/** The object stores, in the data directory or elsewhere, with their verified files and their trash. */

import { type Clock, repeat } from '../clock.ts';
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import type { DataDirectory } from '../data-directory/index.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import {
  bindObjects,
  type Database,
  databaseName,
  FileHasher,
  type ObjectStore,
  type OpenObjectStores,
  objectPlaceOf,
  openObjectStores,
  parseObjectLocation,
  type SweepOptions,
  TrashEmptier,
  type TrashSize,
  VerifiedFiles,
} from '../storage/index.ts';

/** Opened by `config.objects`: folders by default, else S3 or PostgreSQL with a local cache. */
export interface ObjectStores {
  /** Artifacts of model versions. */
  readonly objects: ObjectStore;
  /** Contents of buckets. */
  readonly buckets: ObjectStore;
  /** Files whose content was verified since the start. */
  readonly files: VerifiedFiles;
  readonly trash: ServerTrash;
  /** The stores if they are folders of this machine, else null. */
  readonly folders: OpenObjectStores['folders'];
  /** Why objects elsewhere cannot be reached; null if they can. */
  readonly objectsProblem: () => string | null;
}

interface OpenStoresDeps {
  readonly directory: DataDirectory;
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
}

/** Throws `wrong_state` if the objects of the installation are elsewhere, and `unavailable` if its first start cannot reach them. */
export async function openStores(config: Config, { directory, db, clock, log }: OpenStoresDeps, closers: Closers): Promise<ObjectStores> {
  const hasher = new FileHasher();
  closers.add(hasher);
  const files = new VerifiedFiles(hasher);
  const location = parseObjectLocation(config.objects);
  const stores = await openObjectStores({
    location,
    dataDir: directory.path,
    db,
    databaseName: databaseName(config.databaseUrl),
    clock,
    verified: files,
    cacheBytesMax: config.objectCacheBytes,
    onAvailability: (problem) => {
      if (problem === null) log.warn({}, 'the object store is available again');
      else log.error({ problem }, 'the object store is unavailable: what it must store or read fails, inference continues');
    },
  });
  closers.push(stores.close);
  const { objects, buckets, folders, remote } = stores;
  await bindObjects({ db, place: objectPlaceOf(location), blobs: remote?.blobs ?? null });
  const trash = new ServerTrash({ clock, log, stores: { objects, buckets }, isRemote: remote !== null });
  closers.add(trash);
  const objectsProblem = (): string | null => remote?.blobs.problem ?? null;
  return { objects, buckets, files, trash, folders, objectsProblem };
}

type StoreName = 'objects' | 'buckets';

interface ServerTrashDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly stores: Readonly<Record<StoreName, ObjectStore>>;
  readonly isRemote: boolean;
}

const sweepEveryMs = 3_600_000;

/** Manages the trash of unreferenced objects that a sweep found: they are logged, counted, and deleted after a week. */
class ServerTrash {
  readonly #deps: ServerTrashDeps;
  readonly #emptier: TrashEmptier;
  readonly #sweeps: (() => Promise<void>)[] = [];
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

  /** Sweeps a store elsewhere each hour: what a killed server left there is too recent for the sweep of the next start. */
  sweepHourly(store: StoreName, sweep: (options: SweepOptions) => Promise<void>): void {
    const { clock, log, isRemote } = this.#deps;
    if (!isRemote) return;
    const onFailure = (error: unknown): void => log.error({ store, error: messageOf(error) }, 'failed to sweep objects');
    this.#sweeps.push(repeat(clock, sweepEveryMs, () => sweep({ ...this.sweepOptions(store), isRunning: true }), onFailure));
  }

  async close(): Promise<void> {
    await Promise.all(this.#sweeps.map((end) => end()));
    await this.#emptier.close();
  }
}

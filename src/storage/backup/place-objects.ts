/**
 * Moves the restored objects to where the restored server will look for them. If that is elsewhere and the restore fails or is killed, what
 * was uploaded stays there under a mark, and the next restore of the same installation continues.
 */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { claimPlace, requireUnused, restoringKey, storePlace } from '../bind-objects.ts';
import type { Blobs } from '../objects/blobs.ts';
import { FileHasher } from '../objects/file-hasher.ts';
import { FileObjectStore } from '../objects/file-object-store.ts';
import { type ObjectLocation, objectPlaceOf } from '../objects/object-location.ts';
import { openObjectStores } from '../objects/open-object-stores.ts';
import { VerifiedFiles } from '../objects/verified-files.ts';
import type { Database } from '../tables.ts';

/** Where the objects are now, and where the restored server will look for them. */
export interface RestoredPlaceOptions {
  readonly location: ObjectLocation;
  /** The data directory until the restore is complete: it holds all objects, verified. */
  readonly staging: string;
  /** Of the installation. */
  readonly id: string;
  /** Has the tables, but no rows yet if it is PostgreSQL. */
  readonly db: Database;
  readonly databaseName: string;
  readonly clock: Clock;
}

/** The place is claimed last: until then no server would use what was uploaded. */
export interface RestoredPlace {
  /** After the rows are there: makes the place that of the installation. */
  readonly claim: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Throws `wrong_state` unless the place is unused, or holds what an aborted restore of this installation has uploaded. */
export async function uploadRestored({ location, staging, id, db, databaseName, clock }: RestoredPlaceOptions): Promise<RestoredPlace> {
  const hasher = new FileHasher();
  const verified = new VerifiedFiles(hasher);
  const stores = await openObjectStores({ location, dataDir: staging, db, databaseName, clock, verified, cacheBytesMax: 0 });
  const blobs = stores.remote?.blobs ?? null;
  const close = async (): Promise<void> => {
    await stores.close();
    await hasher.close();
  };
  try {
    if (blobs !== null) {
      await requireUnused(blobs, id);
      await upload(blobs, staging);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const claim = async (): Promise<void> => {
    if (blobs !== null) {
      await claimPlace(blobs, id, 'restored');
      await blobs.delete(restoringKey);
    }
    await storePlace(db, objectPlaceOf(location));
  };
  return { claim, close };
}

async function upload(blobs: Blobs, staging: string): Promise<void> {
  for (const name of ['objects', 'buckets'] as const) {
    const folder = new FileObjectStore(join(staging, name));
    for await (const sha256 of folder.list()) {
      const file = folder.localPath(sha256);
      const { size: bytes } = await stat(file);
      const key = `${name}/sha256/${sha256}`;
      if ((await blobs.sizeOf(key)) !== bytes) await blobs.write(key, { bytes, content: { file } });
    }
    await rm(join(staging, name), { recursive: true, force: true });
  }
}

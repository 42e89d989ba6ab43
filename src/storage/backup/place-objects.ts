/** Moves the restored objects to where the restored server will look for them. */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { claimPlace, requireUnused, storePlace } from '../bind-objects.ts';
import type { Blobs } from '../objects/blobs.ts';
import { FileHasher } from '../objects/file-hasher.ts';
import { FileObjectStore } from '../objects/file-object-store.ts';
import { type ObjectLocation, objectPlaceOf } from '../objects/object-location.ts';
import { openObjectStores } from '../objects/open-object-stores.ts';
import { VerifiedFiles } from '../objects/verified-files.ts';
import type { Database } from '../tables.ts';

export interface PlaceObjectsOptions {
  readonly location: ObjectLocation;
  /** The data directory until the restore is complete: it holds all objects, verified. */
  readonly staging: string;
  readonly id: string;
  readonly db: Database;
  readonly databaseName: string;
  readonly clock: Clock;
}

/** Throws `wrong_state` unless the place is unused. If it fails, the place is unused again. */
export async function placeObjects({ location, staging, id, db, databaseName, clock }: PlaceObjectsOptions): Promise<void> {
  const hasher = new FileHasher();
  const verified = new VerifiedFiles(hasher);
  const { remote, close } = await openObjectStores({ location, dataDir: staging, db, databaseName, clock, verified, cacheBytesMax: 0 });
  try {
    if (remote !== null) {
      await requireUnused(remote.blobs);
      await upload(remote.blobs, staging);
      await claimPlace(remote.blobs, id, 'restored');
    }
    await storePlace(db, objectPlaceOf(location));
  } finally {
    await close();
    await hasher.close();
  }
}

async function upload(blobs: Blobs, staging: string): Promise<void> {
  const written: string[] = [];
  try {
    for (const name of ['objects', 'buckets'] as const) {
      const folder = new FileObjectStore(join(staging, name));
      for await (const sha256 of folder.list()) {
        const file = folder.localPath(sha256);
        const key = `${name}/sha256/${sha256}`;
        written.push(key);
        await blobs.write(key, { bytes: (await stat(file)).size, content: { file } });
      }
      await rm(join(staging, name), { recursive: true, force: true });
    }
  } catch (error) {
    for (const key of written) await blobs.delete(key).catch(() => undefined); // Report the original error.
    throw error;
  }
}

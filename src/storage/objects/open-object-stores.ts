/** Opens the two object stores of an installation: folders of the data directory, or a bucket or database with caches in it. */
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Database } from '../tables.ts';
import { BackupMarks } from './backup-marks.ts';
import type { Blobs } from './blobs.ts';
import { FileObjectStore } from './file-object-store.ts';
import type { ObjectLocation } from './object-location.ts';
import type { ObjectStore } from './object-store.ts';
import { PostgresBlobs } from './postgres-blobs.ts';
import type { StoreName } from './referenced-objects.ts';
import { RemoteObjectStore } from './remote-object-store.ts';
import { S3Blobs } from './s3-blobs.ts';
import type { VerifiedFiles } from './verified-files.ts';
import { WatchedBlobs } from './watched-blobs.ts';

/** Where the objects are, and how much of this machine's disk copies may use. */
export interface ObjectStoresOptions {
  readonly location: ObjectLocation;
  readonly dataDir: string;
  /** The database that holds the objects if the location is `postgres`, and its name without a password. */
  readonly db: Database;
  readonly databaseName: string;
  readonly clock: Clock;
  readonly verified: VerifiedFiles;
  /** For both stores together. 0 for commands: they read the objects themselves, and leave the copies of a server alone. */
  readonly cacheBytesMax: number;
  /** Called when a store elsewhere becomes unavailable (with the reason) or available again (null). */
  readonly onAvailability?: (problem: string | null) => void;
}

/** Both stores of an installation: artifacts of models, and contents of buckets. */
export interface OpenObjectStores extends Readonly<Record<StoreName, ObjectStore>> {
  /** The stores if they are folders of this machine, else null. */
  readonly folders: Readonly<Record<StoreName, FileObjectStore>> | null;
  /** Null for folders. */
  readonly remote: { readonly blobs: Pick<WatchedBlobs, keyof Blobs | 'problem'>; readonly marks: BackupMarks } | null;
  readonly close: () => Promise<void>;
}

const cacheFolder = 'object-cache';

/** Opens no connection yet, so it succeeds while the store is away. */
export async function openObjectStores(options: ObjectStoresOptions): Promise<OpenObjectStores> {
  const { dataDir, clock, verified, cacheBytesMax } = options;
  const found = await blobsOf(options);
  if (found === null) {
    const folders = { objects: new FileObjectStore(join(dataDir, 'objects')), buckets: new FileObjectStore(join(dataDir, 'buckets')) };
    return { ...folders, folders, remote: null, close: async () => undefined };
  }
  const blobs = new WatchedBlobs(found, options.onAvailability ?? (() => undefined));
  const marks = new BackupMarks(blobs, clock);
  const open = (name: StoreName): RemoteObjectStore => {
    const folder = join(dataDir, cacheFolder, name);
    // Models are few and precious. Bucket objects come and go, and the room of deleted ones is wanted back.
    const isRemovalUndone = name === 'objects';
    return new RemoteObjectStore({
      blobs,
      name,
      marks,
      isRemovalUndone,
      clock,
      verified,
      cacheFolder: folder,
      cacheBytesMax: cacheBytesMax / 2,
    });
  };
  return { objects: open('objects'), buckets: open('buckets'), folders: null, remote: { blobs, marks }, close: () => blobs.close() };
}

async function blobsOf({ location, db, databaseName, clock }: ObjectStoresOptions): Promise<Blobs | null> {
  if (location.kind === 'folder') return null;
  if (location.kind === 's3') return S3Blobs.open(location, clock);
  if (!databaseName.startsWith('postgres')) {
    throw new PlatformError('invalid_request', '--objects postgres stores objects in the database: pass --database-url of PostgreSQL too');
  }
  return new PostgresBlobs(db, databaseName, clock);
}

/** Opens the database and the object stores of an installation for commands, beside a server or without one. The database names their place. */
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { databaseName } from '../installation.ts';
import { FileHasher } from '../objects/file-hasher.ts';
import { parseObjectLocation } from '../objects/object-location.ts';
import { type OpenObjectStores, openObjectStores } from '../objects/open-object-stores.ts';
import { VerifiedFiles } from '../objects/verified-files.ts';
import type { Database, Transaction } from '../tables.ts';
import { readDatabase } from './read-database.ts';

/** Which installation: its directory, and its database if that is PostgreSQL. */
export interface InstalledStoresOptions {
  readonly dataDir: string;
  readonly databaseUrl: string | null;
  readonly clock: Clock;
}

/** Opened for one command; `close` must be called even if the command fails. */
export interface InstalledStores {
  /** Without migrations and guards: only for reading. */
  readonly db: Database;
  readonly stores: OpenObjectStores;
  /** As the database names it; null for the folders of the data directory. */
  readonly place: string | null;
  readonly close: () => Promise<void>;
}

/** Throws `not_found` or `unavailable`. */
export async function openInstalledStores({ dataDir, databaseUrl, clock }: InstalledStoresOptions): Promise<InstalledStores> {
  const { db, close: closeDatabase } = await readDatabase(databaseUrl, join(dataDir, 'state.db'), clock);
  const hasher = new FileHasher();
  const closeAll = async (): Promise<void> => {
    await closeDatabase();
    await hasher.close();
  };
  try {
    const place = await objectsPlaceOf(db);
    const stores = await openObjectStores({
      location: parseObjectLocation(place),
      dataDir,
      db,
      databaseName: databaseName(databaseUrl),
      clock,
      verified: new VerifiedFiles(hasher),
      cacheBytesMax: 0,
    });
    const close = async (): Promise<void> => {
      await stores.close();
      await closeAll();
    };
    return { db, stores, place, close };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Null for the folders of the data directory, and for a database that no server of this version has migrated yet. */
async function objectsPlaceOf(db: Database | Transaction): Promise<string | null> {
  const row = await db.selectFrom('installation').selectAll().executeTakeFirst();
  return row?.objects ?? null;
}

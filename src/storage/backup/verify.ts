/** Checks a data directory against its database: reads every referenced object and compares it with its SHA-256. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { checkInstallation } from '../installation.ts';
import type { ObjectStore, StoredObject } from '../objects/object-store.ts';
import { type ReferencedObject, referencedObjects, type StoreName } from '../objects/referenced-objects.ts';
import type { Database } from '../tables.ts';
import { openInstalledStores } from './installed-stores.ts';
import { quickCheck } from './read-database.ts';

/** The installation to check. */
export interface VerifyOptions {
  readonly dataDir: string;
  readonly databaseUrl: string | null;
  readonly clock: Clock;
}

/** What was found. Nothing is repaired. */
export interface VerifyResult {
  /** The problems that SQLite's quick_check found; empty if there are none. */
  readonly database: readonly string[];
  /** Number of referenced objects with correct content. */
  readonly objects: number;
  readonly bytes: number;
  /** `objects/SHA256` of objects whose content does not match. */
  readonly damaged: readonly string[];
  /** Objects that rows reference but that do not exist. */
  readonly missing: readonly string[];
  /** Existing objects that no row references: the next start moves them to the trash. */
  readonly unreferenced: readonly string[];
}

/** Works while a server runs. Throws `wrong_state` if directory and database do not belong together, `not_found` or `unavailable`. */
export async function verifyDataDirectory({ dataDir, databaseUrl, clock }: VerifyOptions): Promise<VerifyResult> {
  const { db, stores, close } = await openInstalledStores({ dataDir, databaseUrl, clock });
  try {
    await checkInstallation(dataDir, db, databaseUrl);
    const before = await namesIn(stores, clock.wallMs());
    const [damaged, missing]: [string[], string[]] = [[], []];
    let [objects, bytes] = [0, 0];
    for await (const object of referencedObjects(db)) {
      const name = nameOf(object);
      before.delete(name);
      const found = await contentOf(stores[object.store], object.sha256);
      if (found === 'missing') missing.push(name);
      else if (found === 'damaged') damaged.push(name);
      else {
        bytes += found.bytes;
        objects++;
      }
    }
    // A running server may have deleted rows and objects in the meantime.
    const stillReferenced = missing.length === 0 ? new Set<string>() : await referencedNames(db);
    const unreferenced = [];
    const now = before.size === 0 ? new Set<string>() : await referencedNames(db);
    for (const name of before) if (!now.has(name)) unreferenced.push(name);
    const database = databaseUrl === null ? checkFiles(dataDir) : [];
    return { database, objects, bytes, damaged, missing: missing.filter((name) => stillReferenced.has(name)), unreferenced };
  } finally {
    await close();
  }
}

/** Reads the whole object. Throws `unavailable` if a store elsewhere cannot be reached: its objects are not missing. */
async function contentOf(store: ObjectStore, sha256: string): Promise<StoredObject | 'damaged' | 'missing'> {
  const stored = await store.stat(sha256).catch((error: unknown) => {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  });
  if (stored === null) return 'missing';
  const hash = createHash('sha256');
  try {
    for await (const chunk of store.stream(sha256, 0, stored.bytes)) hash.update(chunk);
  } catch (error) {
    // Unreadable files of this machine are damaged; a store elsewhere that is away is not.
    if (error instanceof PlatformError && error.retryAfterMs !== undefined) throw error;
    return (await store.has(sha256)) ? 'damaged' : 'missing';
  }
  return hash.digest('hex') === sha256 ? stored : 'damaged';
}

function checkFiles(dataDir: string): string[] {
  return ['state.db', 'metrics.db'].flatMap((name) => {
    const path = join(dataDir, name);
    return existsSync(path) ? quickCheck(path).map((found) => `${name}: ${found}`) : [];
  });
}

async function namesIn(stores: Readonly<Record<StoreName, ObjectStore>>, nowMs: number): Promise<Set<string>> {
  const names = new Set<string>();
  for (const store of ['objects', 'buckets'] as const) {
    for await (const sha256 of stores[store].listForSweep(nowMs)) names.add(nameOf({ store, sha256 }));
  }
  return names;
}

async function referencedNames(db: Database): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const object of referencedObjects(db)) names.add(nameOf(object));
  return names;
}

function nameOf({ store, sha256 }: Pick<ReferencedObject, 'store' | 'sha256'>): string {
  return `${store}/${sha256}`;
}

/** Checks a data directory against its database: reads every referenced object and compares it with its SHA-256. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { checkInstallation } from '../installation.ts';
import { FileHasher } from '../objects/file-hasher.ts';
import { FileObjectStore } from '../objects/file-object-store.ts';
import { type ReferencedObject, referencedObjects, type StoreName } from '../objects/referenced-objects.ts';
import type { Database } from '../tables.ts';
import { quickCheck, readDatabase } from './read-database.ts';

export interface VerifyOptions {
  readonly dataDir: string;
  readonly databaseUrl: string | null;
  readonly clock: Clock;
}

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
  const stores = { objects: new FileObjectStore(join(dataDir, 'objects')), buckets: new FileObjectStore(join(dataDir, 'buckets')) };
  const hasher = new FileHasher();
  const { db, close } = await readDatabase(databaseUrl, join(dataDir, 'state.db'), clock);
  try {
    await checkInstallation(dataDir, db, databaseUrl);
    const before = await namesIn(stores);
    const [damaged, missing]: [string[], string[]] = [[], []];
    let [objects, bytes] = [0, 0];
    for await (const object of referencedObjects(db)) {
      const name = nameOf(object);
      before.delete(name);
      const path = stores[object.store].localPath(object.sha256);
      const sha256 = await hasher.sha256Of(path).catch(() => null);
      if (sha256 === object.sha256) {
        bytes += (await stat(path).catch(() => null))?.size ?? 0;
        objects++;
      } else if (sha256 !== null || (await stores[object.store].has(object.sha256))) damaged.push(name);
      else missing.push(name);
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
    await hasher.close();
  }
}

function checkFiles(dataDir: string): string[] {
  return ['state.db', 'metrics.db'].flatMap((name) => {
    const path = join(dataDir, name);
    return existsSync(path) ? quickCheck(path).map((found) => `${name}: ${found}`) : [];
  });
}

async function namesIn(stores: Readonly<Record<StoreName, FileObjectStore>>): Promise<Set<string>> {
  const names = new Set<string>();
  for (const store of ['objects', 'buckets'] as const) {
    for await (const sha256 of stores[store].list()) names.add(nameOf({ store, sha256 }));
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

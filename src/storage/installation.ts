/**
 * Binds a data directory to its database: both carry the same id. Otherwise a start with another database would find no row for the
 * objects in the directory and sweep all of them.
 *
 * The rule: a directory without objects adopts the id of its database, and a database without an id gets a new one. A directory
 * with objects must match its database. If neither has an id yet, but they fit together, they get one at their next start.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { DataDirectory } from '../data-directory/index.ts';
import { systemCode, writeFileAtomically } from '../data-directory/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { inTransaction } from './database.ts';
import { FileObjectStore } from './objects/file-object-store.ts';
import { referencedObjects } from './objects/referenced-objects.ts';
import type { Database } from './tables.ts';

/** The directory and the database whose ids are compared. */
export interface InstallationDeps {
  readonly directory: Pick<DataDirectory, 'path' | 'objects' | 'buckets'>;
  readonly db: Database;
  /** The database URL as configured; null for SQLite in the data directory. */
  readonly databaseUrl: string | null;
  readonly clock: Clock;
}

/** The contents of `installation.json` in the data directory. */
interface InstallationFile {
  readonly id: string;
  /** The database of the last start, for error messages. */
  readonly database: string;
}

const fileName = 'installation.json';
const objectsCountedMax = 1000;
/** For a directory and a database without an id, the minimum share of referenced objects that must exist. */
const presentShareMin = 0.5;

/**
 * Checks that the directory and the database belong together, before any sweep, and returns their id. Throws `wrong_state` naming both if
 * they do not.
 */
export async function bindInstallation(deps: InstallationDeps): Promise<string> {
  const { directory, db } = deps;
  const file = readInstallationFile(directory.path);
  const objects = await countObjects(directory);
  const idInDatabase = await readId(db);
  if (objects > 0) await checkMatch(deps, file, idInDatabase, objects);
  // The database first: if the server dies in between, the next start finds the id there and checks again.
  const id = idInDatabase ?? (await insertId(deps, randomUUID()));
  const database = databaseName(deps.databaseUrl);
  if (file?.id !== id || file.database !== database) {
    writeInstallationFile(directory.path, { id, database });
  }
  return id;
}

/**
 * Call before SQLite creates its file. Throws `wrong_state` if the directory holds objects and its database is missing. A rejected start
 * then leaves no empty database behind that could be mistaken for the restored one.
 */
export async function rejectMissingDatabase(directory: Pick<DataDirectory, 'path' | 'objects' | 'buckets' | 'stateDb'>): Promise<void> {
  if (existsSync(directory.stateDb)) return;
  const objects = await countObjects(directory);
  const file = readInstallationFile(directory.path);
  if (objects > 0) throw mismatch({ directory, databaseUrl: null }, { file, objects }, 'the database is new');
}

/**
 * For commands that read both while a server runs. Throws `wrong_state` if directory and database belong to different installations. A
 * directory without `installation.json` always passes.
 */
export async function checkInstallation(dataDir: string, db: Database, databaseUrl: string | null): Promise<void> {
  const file = readInstallationFile(dataDir);
  if (file === null) return;
  const id = await readId(db);
  if (file.id === id) return;
  const used = databaseName(databaseUrl);
  if (file.database === used) {
    throw new PlatformError(
      'wrong_state',
      `${dataDir} belongs to installation ${file.id}, but ${used} to ${id ?? 'none'}: restore one of them from a backup`,
    );
  }
  const remedy = file.database.startsWith('SQLite') ? 'leave out --database-url' : 'give --database-url';
  throw new PlatformError('wrong_state', `${dataDir} belongs to ${file.database}, not to ${used}: ${remedy}`);
}

/** Null if the file does not exist. Throws `wrong_state` if it is unreadable. */
export function readInstallationFile(directory: string): InstallationFile | null {
  const path = join(directory, fileName);
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof content !== 'object' || content === null || !('id' in content) || typeof content.id !== 'string') throw new Error('no id');
    return { id: content.id, database: 'database' in content ? String(content.database) : 'unknown' };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw new PlatformError(
      'wrong_state',
      `${path} cannot be read (${messageOf(error)}): restore it from a backup, or remove it if the data directory and its database belong together`,
      { cause: error },
    );
  }
}

/** Replaces `installation.json`. Throws `unavailable`. */
export function writeInstallationFile(directory: string, { id, database }: InstallationFile): void {
  writeFileAtomically(join(directory, fileName), `${JSON.stringify({ id, database })}\n`, { mode: 0o600 });
}

/** For messages: never contains a password. */
export function databaseName(url: string | null): string {
  if (url === null) return 'SQLite (state.db)';
  try {
    const { protocol, username, host, pathname } = new URL(url);
    return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`;
  } catch {
    return 'PostgreSQL';
  }
}

async function checkMatch(
  deps: InstallationDeps,
  file: InstallationFile | null,
  idInDatabase: string | null,
  objects: number,
): Promise<void> {
  if (file !== null && file.id === idInDatabase) return;
  const found = { file, objects };
  if (file !== null && idInDatabase !== null) throw mismatch(deps, found, `the database belongs to installation ${idInDatabase}`);
  const { referenced, present } = await countPresent(deps);
  if (referenced === 0) throw mismatch(deps, found, idInDatabase === null ? 'the database is new' : 'the database references no object');
  if (file !== null) throw mismatch(deps, found, 'the database has no installation id');
  if (present < referenced * presentShareMin) {
    throw mismatch(deps, found, `of the ${referenced} objects that the database references, ${present} are in the directory`);
  }
}

interface Found {
  readonly file: InstallationFile | null;
  readonly objects: number;
}

function mismatch(
  { directory, databaseUrl }: Pick<InstallationDeps, 'directory' | 'databaseUrl'>,
  { file, objects }: Found,
  why: string,
): PlatformError {
  const count = objects >= objectsCountedMax ? `at least ${objectsCountedMax}` : objects;
  const owner = file === null ? '' : ` of installation ${file.id}, last used with ${file.database}`;
  const used = databaseName(databaseUrl);
  const another = file !== null && file.database !== used ? file.database : null;
  const remedy =
    another === null
      ? 'restore that database from a backup'
      : another.startsWith('SQLite')
        ? 'start without --database-url'
        : `start with --database-url ${another}`;
  return new PlatformError(
    'wrong_state',
    `the data directory ${directory.path} and the database ${used} do not belong together: ${why}, but the directory holds ${count} ` +
      `objects${owner}. Nothing was changed. To use these objects, ${remedy}; to start from scratch, choose another --data-dir`,
  );
}

async function countObjects(directory: InstallationDeps['directory']): Promise<number> {
  let objects = 0;
  for (const root of [directory.objects, directory.buckets]) {
    for await (const _ of new FileObjectStore(root).list()) if (++objects >= objectsCountedMax) return objects;
  }
  return objects;
}

/** Counts how many objects that the database references exist in the directory. Samples at most a thousand. */
async function countPresent({ db, directory }: InstallationDeps): Promise<{ referenced: number; present: number }> {
  const stores = { objects: new FileObjectStore(directory.objects), buckets: new FileObjectStore(directory.buckets) };
  let [referenced, present] = [0, 0];
  for await (const { store, sha256 } of referencedObjects(db)) {
    referenced++;
    if (await stores[store].has(sha256)) present++;
    if (referenced >= objectsCountedMax) break;
  }
  return { referenced, present };
}

async function readId(db: Database): Promise<string | null> {
  const row = await db.selectFrom('installation').select('id').where('slot', '=', 1).executeTakeFirst();
  return row?.id ?? null;
}

/** Returns the stored id, which another server may have inserted first. */
async function insertId({ db, clock }: InstallationDeps, id: string): Promise<string> {
  return inTransaction(db, async (tx) => {
    const row = { slot: 1, id, created_at: clock.wallMs() };
    await tx
      .insertInto('installation')
      .values(row)
      .onConflict((conflict) => conflict.column('slot').doNothing())
      .execute();
    return (await tx.selectFrom('installation').select('id').where('slot', '=', 1).executeTakeFirstOrThrow()).id;
  });
}

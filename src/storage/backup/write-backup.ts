/**
 * Writes a backup, even while a server uses the data directory. The database is read as of one point in time. Meanwhile the server moves
 * objects to the trash instead of deleting them, so every referenced object remains readable (`retain.ts`).
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, open, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { sql } from 'kysely';
import type { Clock } from '../../clock.ts';
import { asDiskError, systemCode } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';
import { type TarFile, tarOf } from '../../tar/index.ts';
import { checkInstallation } from '../installation.ts';
import { migrationsFor } from '../migrations.ts';
import type { BackupMarks } from '../objects/backup-marks.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { referencedObjects, type StoreName } from '../objects/referenced-objects.ts';
import type { Database, Transaction } from '../tables.ts';
import { type BackupHeader, type BackupManifest, plainFiles, tableNames } from './format.ts';
import { openInstalledStores } from './installed-stores.ts';
import { readDatabase, snapshotFile } from './read-database.ts';
import { type Retention, retainObjects } from './retain.ts';
import { createStagingFolder, removeStagingLeftovers, type StagingFolder } from './staging-folder.ts';

/** The installation, and the file that the backup is written to. */
export interface BackupOptions {
  readonly dataDir: string;
  readonly databaseUrl: string | null;
  /** Must not exist. */
  readonly file: string;
  readonly clock: Clock;
}

/** What was written. Objects that could not be read are listed, and do not fail the backup. */
export interface BackupResult extends Pick<BackupManifest, 'objects' | 'missing' | 'damaged'> {
  readonly file: string;
  /** The size of the archive. */
  readonly bytes: number;
}

/** Rows fetched from PostgreSQL at a time, which bounds the memory. */
const rowsAtOnce = 200;
const chunkBytes = 1024 * 1024;

/**
 * Throws `already_exists`, `wrong_state` if directory and database do not belong together, `not_found` or `unavailable`. No file remains
 * after an error. If the process is killed, what it has written is removed by the next backup or the next server.
 */
export async function writeBackup(options: BackupOptions): Promise<BackupResult> {
  const { dataDir, databaseUrl, file, clock } = options;
  const staging = await beginStaging(file);
  const { stores, close } = await openInstalledStores({ dataDir, databaseUrl, clock }).catch(async (error: unknown) => {
    await staging.remove();
    throw error;
  });
  try {
    const roots = [join(dataDir, 'objects'), join(dataDir, 'buckets')];
    const retention = stores.remote === null ? await retainObjects(roots, staging.path, clock) : await retainRemote(stores.remote.marks);
    try {
      const backup = new Backup({ ...options, staging: staging.path }, stores, retention);
      const entries = databaseUrl === null ? backup.ofSqlite() : backup.ofPostgres(databaseUrl);
      const bytes = await writeWholeFile(file, tarOf(entries), staging.path);
      const { objects, missing, damaged } = backup.manifest();
      return { file, bytes, objects, missing, damaged };
    } finally {
      await retention.end();
    }
  } finally {
    await close();
    await staging.remove();
  }
}

async function retainRemote(marks: BackupMarks): Promise<Retention> {
  return { beginSnapshot: () => undefined, end: await marks.begin() };
}

/** The backup is written beside its file, because that disk needs the space anyway. */
async function beginStaging(file: string): Promise<StagingFolder> {
  const parent = dirname(resolve(file));
  try {
    await removeStagingLeftovers(parent);
    return await createStagingFolder(parent);
  } catch (error) {
    throw asDiskError(error, `write ${file}`);
  }
}

interface StagedBackupOptions extends BackupOptions {
  /** The folder for unfinished files. */
  readonly staging: string;
}

/** Produces the entries of the archive in the order of `format.ts`. */
class Backup {
  readonly #options: StagedBackupOptions;
  readonly #stores: Readonly<Record<StoreName, ObjectStore>>;
  readonly #retention: Retention;
  readonly #sha256s: Record<string, string> = {};
  readonly #missing: string[] = [];
  readonly #damaged: string[] = [];
  #objects = 0;
  #bytes = 0;

  constructor(options: StagedBackupOptions, stores: Readonly<Record<StoreName, ObjectStore>>, retention: Retention) {
    this.#options = options;
    this.#stores = stores;
    this.#retention = retention;
  }

  manifest(): BackupManifest {
    return { sha256s: this.#sha256s, objects: this.#objects, bytes: this.#bytes, missing: this.#missing, damaged: this.#damaged };
  }

  async *ofSqlite(): AsyncGenerator<TarFile> {
    const { dataDir, staging, clock } = this.#options;
    const [state, metrics] = [join(staging, 'state.db'), join(staging, 'metrics.db')] as const;
    this.#retention.beginSnapshot();
    snapshotFile(join(dataDir, 'state.db'), state);
    const { db, close } = await readDatabase(null, state, clock);
    try {
      yield* this.#head(db, 'sqlite');
      yield* this.#file('state.db', state);
      if (await isThere(join(dataDir, 'metrics.db'))) {
        this.#retention.beginSnapshot();
        snapshotFile(join(dataDir, 'metrics.db'), metrics);
        yield* this.#file('metrics.db', metrics);
      }
      yield* this.#rest(db);
    } finally {
      await close();
    }
  }

  async *ofPostgres(url: string): AsyncGenerator<TarFile> {
    const { db, close } = await readDatabase(url, '', this.#options.clock);
    const tx = await db.startTransaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute();
    try {
      yield* this.#head(tx, 'postgres');
      for (const table of tableNames) yield* this.#table(tx, table);
      yield* this.#rest(tx);
    } finally {
      await tx.rollback().execute();
      await close();
    }
  }

  async *#head(db: Database | Transaction, database: BackupHeader['database']): AsyncGenerator<TarFile> {
    await checkInstallation(this.#options.dataDir, db, this.#options.databaseUrl);
    const installation = await db.selectFrom('installation').select('id').executeTakeFirst();
    if (installation === undefined) {
      throw new PlatformError(
        'wrong_state',
        'the database has no installation id: start this version of Penstock on it once, then back it up',
      );
    }
    const migrations = currentMigrations(database);
    const header: BackupHeader = {
      format: 1,
      createdAtMs: this.#options.clock.wallMs(),
      installation: installation.id,
      database,
      migrations,
    };
    yield this.#bufferOf('backup.json', Buffer.from(JSON.stringify(header)));
    for (const name of plainFiles) {
      const content = await readFile(join(this.#options.dataDir, name)).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return null;
        throw error;
      });
      if (content !== null) yield this.#bufferOf(name, content);
    }
  }

  /** The objects, followed by the manifest. */
  async *#rest(db: Database | Transaction): AsyncGenerator<TarFile> {
    for await (const object of referencedObjects(db)) {
      // A running server may move it to the trash and back meanwhile.
      const found = await this.#stores[object.store].readable(object.sha256);
      const name = `${object.store}/${object.sha256}`;
      if (found === null) {
        this.#missing.push(name);
        continue;
      }
      const { bytes, content } = found;
      this.#objects++;
      this.#bytes += bytes;
      const onRead = (sha256: string): void => {
        if (sha256 !== object.sha256) this.#damaged.push(name);
      };
      yield { path: name, bytes, isExecutable: false, content: hashed(content, onRead) };
    }
    yield this.#bufferOf('manifest.json', Buffer.from(JSON.stringify(this.manifest())));
  }

  async *#file(name: string, path: string): AsyncGenerator<TarFile> {
    const bytes = (await stat(path)).size;
    const onRead = (sha256: string): void => {
      this.#sha256s[name] = sha256;
    };
    yield { path: name, bytes, isExecutable: false, content: hashed(createReadStream(path, { highWaterMark: chunkBytes }), onRead) };
  }

  async *#table(tx: Transaction, table: string): AsyncGenerator<TarFile> {
    const rows = sql.raw(`fetch ${rowsAtOnce} from backup_rows`);
    await sql.raw(`declare backup_rows cursor for select * from ${table}`).execute(tx);
    for (let part = 1; ; part++) {
      const page = await sql`${rows}`.execute(tx);
      if (page.rows.length === 0) break;
      const lines = page.rows.map((row) => `${JSON.stringify(row, bytesAsBase64)}\n`).join('');
      yield this.#bufferOf(`tables/${table}/${String(part).padStart(6, '0')}.jsonl`, Buffer.from(lines));
    }
    await sql.raw('close backup_rows').execute(tx);
  }

  #bufferOf(path: string, content: Buffer): TarFile {
    this.#sha256s[path] = createHash('sha256').update(content).digest('hex');
    return { path, bytes: content.length, isExecutable: false, content: once(content) };
  }
}

/** The last migration of each purpose. */
export function currentMigrations(database: BackupHeader['database']): string[] {
  return (['state', 'metrics'] as const).map((purpose) => Object.keys(migrationsFor(purpose, database)).at(-1) ?? '');
}

/** Encodes a Buffer in a row so that `bytesOf` can decode it. JSON.stringify has already called its `toJSON`. */
function bytesAsBase64(_key: string, value: unknown): unknown {
  const isBytes = typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value;
  return isBytes ? { base64: Buffer.from(value.data as number[]).toString('base64') } : value;
}

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}

async function* hashed(content: AsyncIterable<Buffer>, onRead: (sha256: string) => void): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
  onRead(hash.digest('hex'));
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a large file atomically, by way of a folder on the same disk, readable by its owner only. Returns its size. Throws
 * `already_exists` or `unavailable`.
 */
async function writeWholeFile(path: string, source: AsyncIterable<Uint8Array>, folder: string): Promise<number> {
  const temporary = join(folder, 'backup.tar');
  try {
    const file = await open(temporary, 'wx', 0o600);
    let bytes = 0;
    try {
      for await (const chunk of source) {
        await writeAll(file, chunk);
        bytes += chunk.byteLength;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path); // Unlike a rename, a link never replaces an existing file.
    return bytes;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw new PlatformError('already_exists', `${path} exists: choose another file`, { cause: error });
    throw asDiskError(error, `write ${path}`);
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) offset += (await file.write(chunk, offset)).bytesWritten;
}

/**
 * Restores a backup into a new data directory. Everything is written to a staging directory and checked against the manifest first. Only
 * then does it replace the target, so an aborted restore leaves nothing that a server could start on.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '../../clock.ts';
import { asDiskError, type FileLock, makeDirectory, systemCode, writeFileAtomically } from '../../data-directory/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { readTar, type TarEntry } from '../../tar/index.ts';
import { type OpenDatabase, openDatabase } from '../database.ts';
import { databaseName, writeInstallationFile } from '../installation.ts';
import { FileObjectStore } from '../objects/file-object-store.ts';
import { parseObjectLocation } from '../objects/object-location.ts';
import type { StoreName } from '../objects/referenced-objects.ts';
import { type BackupHeader, type BackupManifest, plainFileBytesMax, plainFiles, tableNames } from './format.ts';
import { type RestoredPlace, uploadRestored } from './place-objects.ts';
import { quickCheck } from './read-database.ts';
import { loadTables, type RowsOf, requireEmpty, rowsInFiles } from './restore-tables.ts';
import { sqliteRows } from './sqlite-rows.ts';
import { lockFolder, removeAbandoned, restoringSuffix, unlockFolder } from './staging-folder.ts';
import { currentMigrations } from './write-backup.ts';

/** The archive, and the empty places that it is restored into. */
export interface RestoreOptions {
  readonly file: string;
  /** Must be empty or absent. */
  readonly dataDir: string;
  /** The URL of an empty database: for a backup of PostgreSQL, or to move one of SQLite there. */
  readonly databaseUrl: string | null;
  /** The empty place of the objects, as `--objects` names it; null for the folders of the data directory. */
  readonly objects: string | null;
  readonly clock: Clock;
}

/** What was restored. Missing and damaged objects do not fail a restore: they were so when the backup was made. */
export interface RestoreResult {
  readonly header: BackupHeader;
  readonly objects: number;
  /** Objects that were missing or damaged when the backup was made. */
  readonly missing: readonly string[];
  readonly damaged: readonly string[];
  /** The new PostgreSQL database, without a password; null for SQLite. */
  readonly database: string | null;
  /** Settings of config.json that named the backed-up database or objects, and were removed. */
  readonly settingsRemoved: readonly string[];
}

const headerBytesMax = 64 * 1024;
const tablePartBytesMax = 256 * 2 ** 20;

/** Throws `invalid_request` for an invalid or incomplete backup, `wrong_state` if the target is not empty, or `unavailable`. */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreResult> {
  const target = resolve(options.dataDir);
  const location = parseObjectLocation(options.objects);
  await checkEmpty(target);
  await checkReplaceable(target);
  const staging = `${target}${restoringSuffix}`;
  const lock = await beginStaging(staging);
  let database: OpenDatabase | null = null;
  let place: RestoredPlace | null = null;
  try {
    const restore = new Restore(staging);
    const { header, manifest } = await restore.read(options.file);
    const settingsRemoved = await removeSettings(join(staging, 'config.json'));
    const isPostgres = header.database === 'postgres' || options.databaseUrl !== null;
    database = isPostgres
      ? await openForTables(options, header)
      : await openDatabase({ file: join(staging, 'state.db'), synchronous: 'FULL' }, ['state']);
    if (isPostgres) await requireEmpty(database.db); // Before anything is uploaded.
    place = await uploadRestored({
      location,
      staging,
      id: header.installation,
      db: database.db,
      databaseName: databaseName(options.databaseUrl),
      clock: options.clock,
    });
    if (isPostgres) {
      writeInstallationFile(staging, { id: header.installation, database: databaseName(options.databaseUrl) });
      await loadTables(database, rowsOf(staging, header));
      for (const name of ['tables', ...sqliteFiles]) await rm(join(staging, name), { recursive: true, force: true });
    }
    await place.claim();
    await place.close();
    place = null;
    await database.close();
    database = null;
    await unlockFolder(staging, lock);
    await rename(staging, target);
    const { objects, missing, damaged } = manifest;
    const name = isPostgres ? databaseName(options.databaseUrl) : null;
    return { header, objects, missing, damaged, database: name, settingsRemoved };
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    lock?.release();
    throw asDiskError(error, `restore into ${target}`);
  } finally {
    await place?.close();
    await database?.close();
  }
}

/** Creates the folder in place of one that a killed restore has left. Returns its lock; null on a disk without locks. */
async function beginStaging(path: string): Promise<FileLock | null> {
  const busy = `${path} exists: another restore is running or was aborted. In the latter case, remove it`;
  try {
    await makeDirectory(dirname(path));
    await removeAbandoned(path);
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw new PlatformError('wrong_state', busy);
    throw asDiskError(error, `create ${path}`);
  }
  const lock = lockFolder(path);
  if (lock === 'taken') throw new PlatformError('wrong_state', busy);
  return lock === 'unsupported' ? null : lock;
}

const sqliteFiles = ['state.db', 'metrics.db'] as const;

/** A backup of SQLite can be restored into PostgreSQL: the tables are the same. */
function rowsOf(staging: string, { database }: BackupHeader): RowsOf {
  if (database === 'postgres') return (table) => rowsInFiles(join(staging, 'tables', table));
  const files = sqliteFiles.map((name) => join(staging, name));
  return (table) => sqliteRows(files, table);
}

async function openForTables({ databaseUrl, clock }: RestoreOptions, { migrations }: BackupHeader): Promise<OpenDatabase> {
  if (databaseUrl === null) {
    throw new PlatformError('invalid_request', 'the backup is of PostgreSQL: pass --database-url of an empty database');
  }
  const own = currentMigrations('postgres').join(', ');
  if (migrations.join(', ') !== own) {
    const text = `the backup has the tables of another version: expected ${own}, got ${migrations.join(', ')}`;
    throw new PlatformError('unsupported', `${text}: restore it with the version of Penstock that made it, then update`);
  }
  return openDatabase({ url: databaseUrl, clock });
}

const placeSettings: readonly string[] = ['databaseUrl', 'objects'];

/** The backed-up settings may name the original database and objects, which the restored server must not use. */
async function removeSettings(configFile: string): Promise<readonly string[]> {
  let config: unknown;
  try {
    config = JSON.parse(await readFile(configFile, 'utf8'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return []; // No setting to remove.
    throw error;
  }
  if (typeof config !== 'object' || config === null) return [];
  const removed = Object.keys(config).filter((name) => placeSettings.includes(name));
  if (removed.length === 0) return [];
  const others = Object.fromEntries(Object.entries(config).filter(([name]) => !removed.includes(name)));
  writeFileAtomically(configFile, `${JSON.stringify(others, null, 2)}\n`, { mode: 0o600 });
  return removed;
}

async function checkEmpty(target: string): Promise<void> {
  try {
    const names = await readdir(target);
    if (names.length > 0) {
      throw new PlatformError(
        'wrong_state',
        `${target} is not empty: expected an empty or missing directory. Choose another one. Nothing was overwritten`,
      );
    }
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw asDiskError(error, `read ${target}`);
  }
}

/** Throws if the target cannot be renamed, for example because it is a mount point. Call before any other work. */
async function checkReplaceable(target: string): Promise<void> {
  try {
    const aside = `${target}.${randomUUID()}`;
    await rename(target, aside);
    await rename(aside, target);
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (code === 'ENOENT') return;
    if (!['EBUSY', 'EACCES', 'EPERM', 'EXDEV', 'EROFS'].includes(code)) throw asDiskError(error, `replace ${target}`);
    throw new PlatformError(
      'wrong_state',
      `${target} cannot be replaced (${code}): if it is a mount point, restore into a folder below it`,
      {
        cause: error,
      },
    );
  }
}

/** Writes the entries of a backup to the staging directory, and collects mismatches with the manifest. */
class Restore {
  readonly #staging: string;
  readonly #stores: Readonly<Record<StoreName, FileObjectStore>>;
  readonly #sha256s = new Map<string, string>();
  readonly #wrong: string[] = [];
  readonly #names = new Set<string>();
  #objects = 0;

  constructor(staging: string) {
    this.#staging = staging;
    this.#stores = { objects: new FileObjectStore(join(staging, 'objects')), buckets: new FileObjectStore(join(staging, 'buckets')) };
  }

  async read(file: string): Promise<{ header: BackupHeader; manifest: BackupManifest }> {
    let header: BackupHeader | null = null;
    let manifest: BackupManifest | null = null;
    for await (const entry of readTar(createReadStream(file, { highWaterMark: 1024 * 1024 }))) {
      const name = this.#checkEntry(entry, header !== null, manifest !== null);
      if (name === 'backup.json') header = headerOf(await this.#textOf(entry, headerBytesMax));
      else if (name === 'manifest.json') manifest = JSON.parse(await this.#textOf(entry, plainFileBytesMax * 64)) as BackupManifest;
      else if (/^(?:objects|buckets)\//.test(name)) await this.#object(entry);
      else await this.#file(entry);
    }
    if (header === null) throw new PlatformError('invalid_request', `${file} is not a Penstock backup: it has no backup.json`);
    if (manifest === null) throw new PlatformError('invalid_request', `${file} is incomplete: it has no manifest.json at its end`);
    this.#checkManifest(manifest);
    for (const name of header.database === 'sqlite' ? sqliteFiles : []) this.#checkDatabase(name);
    return { header, manifest };
  }

  /** Accepts only the entry names of the format, each once, with the header first and the manifest last. */
  #checkEntry({ path, kind }: TarEntry, hasHeader: boolean, hasManifest: boolean): string {
    const table = /^tables\/([a-z0-9_]+)\/\d{6}\.jsonl$/.exec(path)?.[1];
    const isKnown =
      ['backup.json', 'manifest.json', 'state.db', 'metrics.db', ...plainFiles].includes(path) ||
      /^(?:objects|buckets)\/[0-9a-f]{64}$/.test(path) ||
      tableNames.some((name) => name === table);
    const name = path.slice(0, 100);
    if (kind !== 'file' || !isKnown) throw new PlatformError('invalid_request', `the backup has an unexpected entry: '${name}'`);
    if (this.#names.has(path)) throw new PlatformError('invalid_request', `the backup has a duplicate entry: '${name}'`);
    if (hasHeader === (path === 'backup.json') || hasManifest) {
      throw new PlatformError(
        'invalid_request',
        `the backup has '${name}' in the wrong place: expected backup.json first and manifest.json last`,
      );
    }
    this.#names.add(path);
    return path;
  }

  async #textOf({ path, content, bytes }: TarEntry, bytesMax: number): Promise<string> {
    if (bytes > bytesMax) throw new PlatformError('too_large', `${path} in the backup has ${bytes} bytes: expected at most ${bytesMax}`);
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    const all = Buffer.concat(chunks);
    this.#sha256s.set(path, createHash('sha256').update(all).digest('hex'));
    return all.toString('utf8');
  }

  async #object({ path, content }: TarEntry): Promise<void> {
    const [store, expected] = path.split('/') as [StoreName, string];
    const { sha256 } = await this.#stores[store].put(content);
    this.#objects++;
    if (sha256 === expected) return;
    this.#wrong.push(path);
    await this.#stores[store].remove(sha256);
  }

  async #file({ path, content, bytes }: TarEntry): Promise<void> {
    const bytesMax = plainFiles.includes(path)
      ? plainFileBytesMax
      : path.startsWith('tables/')
        ? tablePartBytesMax
        : Number.MAX_SAFE_INTEGER;
    if (bytes > bytesMax) throw new PlatformError('too_large', `${path} in the backup has ${bytes} bytes: expected at most ${bytesMax}`);
    const at = join(this.#staging, path);
    await mkdir(dirname(at), { recursive: true, mode: 0o700 });
    const hash = createHash('sha256');
    const file = await open(at, 'wx', 0o600);
    try {
      for await (const chunk of content) {
        hash.update(chunk);
        await file.writeFile(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    this.#sha256s.set(path, hash.digest('hex'));
  }

  #checkManifest({ sha256s, objects, damaged }: BackupManifest): void {
    const isSame = (name: string): boolean => this.#sha256s.get(name) === sha256s[name];
    const files = Object.keys(sha256s).filter((name) => !isSame(name));
    const unexpected = [...this.#sha256s.keys()].filter((name) => name !== 'manifest.json' && !(name in sha256s));
    const wrong = [...files, ...unexpected, ...this.#wrong.filter((name) => !damaged.includes(name))];
    if (wrong.length > 0) {
      throw new PlatformError(
        'invalid_request',
        `the backup is damaged: the manifest does not match ${wrong.slice(0, 5).join(', ')} (${wrong.length} files)`,
      );
    }
    if (objects !== this.#objects) {
      throw new PlatformError('invalid_request', `the backup is damaged: expected ${objects} objects, got ${this.#objects}`);
    }
  }

  #checkDatabase(name: string): void {
    if (!this.#names.has(name)) return;
    const found = quickCheck(join(this.#staging, name));
    if (found.length > 0) throw new PlatformError('invalid_request', `${name} in the backup is damaged: ${found[0]}`);
  }
}

function headerOf(text: string): BackupHeader {
  let header: Partial<BackupHeader>;
  try {
    header = JSON.parse(text) as Partial<BackupHeader>;
  } catch (cause) {
    throw new PlatformError('invalid_request', `cannot read backup.json: ${messageOf(cause)}`, { cause });
  }
  if (header.format !== 1) {
    throw new PlatformError(
      'unsupported',
      `unknown backup format: expected 1, got ${String(header.format)}. Restore it with a newer version of Penstock`,
    );
  }
  return header as BackupHeader;
}

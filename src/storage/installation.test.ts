import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { type OpenDatabase, openDatabase } from './database.ts';
import { bindInstallation } from './installation.ts';
import { FileObjectStore } from './objects/file-object-store.ts';

const url = 'postgres://penstock:secret@db.example/penstock';

let path = '';
let open: OpenDatabase[] = [];
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'penstock-installation-'));
});
afterEach(async () => {
  for (const { close } of open) await close();
  open = [];
  await rm(path, { recursive: true, force: true });
});

const objectsOf = () => new FileObjectStore(join(path, 'objects'));

async function sqlite(name = 'state.db'): Promise<OpenDatabase> {
  const opened = await openDatabase({ file: join(path, name), synchronous: 'NORMAL' });
  open.push(opened);
  return opened;
}

async function postgres(): Promise<OpenDatabase> {
  const opened = await openPglite();
  open.push(opened);
  return opened;
}

function bind({ db, dialect }: OpenDatabase): Promise<string> {
  const directory = { path, objects: join(path, 'objects'), buckets: join(path, 'buckets') };
  return bindInstallation({ directory, db, databaseUrl: dialect === 'sqlite' ? null : url, clock: new VirtualClock() });
}

/** A piece of an S3 object: only in a row, only in the directory, or in both. */
async function addPiece(db: OpenDatabase['db'], text: string, { isStored = true } = {}): Promise<void> {
  const files = new FileObjectStore(join(path, 'buckets'));
  const { sha256, bytes } = await files.put(Buffer.from(text));
  if (!isStored) await files.remove(sha256);
  const row = { owner: text, position: 1, sha256, bytes, md5: '', checksums: '{}', stored_at: 1 };
  await db.insertInto('s3_pieces').values(row).execute();
}

const isRefused = (pattern: RegExp) => (error: unknown) =>
  error instanceof PlatformError && error.code === 'wrong_state' && pattern.test(error.message);

test('directory and database get the same id at the first start and retain it', async () => {
  const state = await sqlite();
  const id = await bind(state);
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(JSON.parse(await readFile(join(path, 'installation.json'), 'utf8')), { id, database: 'SQLite (state.db)' });
  await objectsOf().put(Buffer.from('model'));
  assert.equal(await bind(state), id);
});

test('rejects objects with a new database, names both, and gives a remedy', async () => {
  const shared = await postgres();
  const id = await bind(shared);
  await objectsOf().put(Buffer.from('model'));
  const text = new RegExp(
    `data directory ${path} and the database SQLite \\(state\\.db\\) .*database is new.*1 objects of installation ${id}.*--database-url postgres://penstock@db\\.example/penstock`,
  );
  await assert.rejects(bind(await sqlite()), isRefused(text));
  assert.equal(await bind(shared), id); // Back on its own database it starts.
});

test('rejects objects without state.db', async () => {
  const id = await bind(await sqlite('state.db'));
  await objectsOf().put(Buffer.from('model'));
  await assert.rejects(bind(await sqlite('another.db')), isRefused(new RegExp(`installation ${id}.*restore that database from a backup`)));
});

test('rejects objects with the database of another installation', async () => {
  const shared = await postgres();
  await bind(await sqlite());
  await objectsOf().put(Buffer.from('model'));
  const other = '00000000-0000-4000-8000-000000000000';
  await shared.db.insertInto('installation').values({ slot: 1, id: other, created_at: 1 }).execute();
  await assert.rejects(bind(shared), isRefused(new RegExp(`belongs to installation ${other}.*start without --database-url`)));
});

test('a directory without objects can be used with any database, and two databases never get the same id', async () => {
  const shared = await postgres();
  const id = await bind(shared);
  const other = await bind(await sqlite());
  assert.notEqual(other, id);
  assert.equal(await bind(shared), id);
});

test('assigns an id to a directory and a database that have none, if they fit together', async () => {
  const state = await sqlite();
  await addPiece(state.db, 'one');
  await addPiece(state.db, 'two');
  await addPiece(state.db, 'lost', { isStored: false });
  const id = await bind(state);
  assert.equal(await bind(state), id);
});

test('rejects a database without an id that references other objects', async () => {
  const state = await sqlite();
  await addPiece(state.db, 'one', { isStored: false });
  await objectsOf().put(Buffer.from('model'));
  await assert.rejects(bind(state), isRefused(/of the 1 objects that the database references, 0 are in the directory/));
});

test('a server killed between the two writes of the id binds them at its next start', async () => {
  const state = await sqlite();
  await addPiece(state.db, 'one');
  const id = await bind(state);
  await rm(join(path, 'installation.json'));
  assert.equal(await bind(state), id);
});

test('an unreadable id does not count as missing', async () => {
  const state = await sqlite();
  await bind(state);
  await writeFile(join(path, 'installation.json'), '{');
  await assert.rejects(bind(state), isRefused(/installation\.json cannot be read/));
});

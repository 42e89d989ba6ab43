import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { whyNoMount } from '../../../test/mounting.ts';
import { startPostgres, whyNoPostgres } from '../../../test/postgres-server.ts';
import { SystemClock } from '../../clock.ts';
import { openDataDirectory } from '../../data-directory/index.ts';
import { openDatabase } from '../database.ts';
import { bindInstallation } from '../installation.ts';
import { restoreBackup } from './restore-backup.ts';
import { verifyDataDirectory } from './verify.ts';
import { writeBackup } from './write-backup.ts';

const clock = new SystemClock();
let path = '';
let dataDir = '';
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'penstock-backup-'));
  dataDir = join(path, 'data');
});
afterEach(async () => rm(path, { recursive: true, force: true }));

/** Prepares a data directory, and the external database if given, like the first start of a server. */
async function begin(databaseUrl: string | null): Promise<string> {
  const directory = await openDataDirectory(dataDir);
  const where = databaseUrl === null ? { file: directory.stateDb, synchronous: 'NORMAL' as const } : { url: databaseUrl };
  const { db, close } = await openDatabase(where);
  const id = await bindInstallation({ directory, db, databaseUrl, clock });
  await close();
  directory.release();
  return id;
}

test('backup and verify reject a directory and a database that do not belong together, and leave no file', async () => {
  await begin(null);
  const options = { dataDir, databaseUrl: null, clock };
  await writeBackup({ ...options, file: join(path, 'first.tar') });
  await verifyDataDirectory(options);
  const database = 'postgres://penstock@db.example/penstock';
  await writeFile(join(dataDir, 'installation.json'), JSON.stringify({ id: 'another', database }));
  const refused = { code: 'wrong_state', message: `${dataDir} belongs to ${database}, not to SQLite (state.db): give --database-url` };
  await assert.rejects(writeBackup({ ...options, file: join(path, 'second.tar') }), refused);
  await assert.rejects(verifyDataDirectory(options), refused);
  assert.deepEqual(await readdir(path), ['data', 'first.tar']);
});

test('a restored backup of PostgreSQL names its new database instead of the original one', { skip: whyNoPostgres() }, async () => {
  const postgres = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-postgres-')));
  try {
    const [original, fresh] = [await postgres.createDatabase('original'), await postgres.createDatabase('fresh')];
    const id = await begin(original);
    await writeFile(join(dataDir, 'config.json'), JSON.stringify({ databaseUrl: original, port: 8080 }));
    const file = join(path, 'backup.tar');
    await writeBackup({ dataDir, databaseUrl: original, file, clock });
    const restored = join(path, 'restored');
    const databaseUrl = fresh.replace('penstock@', 'penstock:secret@');
    const result = await restoreBackup({ file, dataDir: restored, databaseUrl, clock });
    assert.deepEqual([result.database, result.databaseUrlRemoved], [fresh, true]);
    const jsonOf = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(restored, name), 'utf8'));
    assert.deepEqual(await jsonOf('installation.json'), { id, database: fresh });
    assert.deepEqual(await jsonOf('config.json'), { port: 8080 });
    await verifyDataDirectory({ dataDir: restored, databaseUrl: fresh, clock });
  } finally {
    await postgres.stop();
  }
});

test('rejects a mount point as the target before reading the backup', { skip: whyNoMount() }, () => {
  const program = `
    const { restoreBackup } = await import(${JSON.stringify(join(import.meta.dirname, 'restore-backup.ts'))});
    await restoreBackup({ file: '/no-such-file', dataDir: process.argv[1], databaseUrl: null }).catch((error) => console.log(error.message));`;
  const script = `mkdir ${dataDir} && mount -t tmpfs tmpfs ${dataDir} && "$NODE" --input-type=module -e "$PROGRAM" ${dataDir}`;
  const env = { ...process.env, NODE: process.execPath, PROGRAM: program };
  const { stdout } = spawnSync('unshare', ['-m', 'bash', '-c', script], { encoding: 'utf8', env });
  assert.equal(stdout, `${dataDir} cannot be replaced (EBUSY): if it is a mount point, restore into a folder below it\n`);
});

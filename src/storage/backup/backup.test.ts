import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { whyNoMount } from '../../../test/mounting.ts';
import { startPostgres, whyNoPostgres } from '../../../test/postgres-server.ts';
import { SystemClock } from '../../clock.ts';
import { openDataDirectory } from '../../data-directory/index.ts';
import { openDatabase } from '../database.ts';
import { bindInstallation } from '../installation.ts';
import { FileObjectStore } from '../objects/file-object-store.ts';
import { restoreBackup } from './restore-backup.ts';
import { removeBackupLeftovers } from './retain.ts';
import { removeStagingLeftovers } from './staging-folder.ts';
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

/** Begins a backup in a process that is killed once its folder lies beside `file`; resolves with the name of that folder. */
async function killedBackup(file: string): Promise<string> {
  // It stops in the middle, as if it were large: the archive reads this pipe, into which nothing is written.
  spawnSync('sh', ['-c', 'mkfifo "$0"', join(dataDir, 'config.json')]);
  const program = `
    const { writeBackup } = await import(${JSON.stringify(join(import.meta.dirname, 'write-backup.ts'))});
    const { SystemClock } = await import(${JSON.stringify(join(import.meta.dirname, '../../clock.ts'))});
    await writeBackup({ dataDir: process.argv[1], databaseUrl: null, file: process.argv[2], clock: new SystemClock() });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, dataDir, file], { stdio: 'inherit' });
  const staged = async (): Promise<string | undefined> => {
    const [name] = (await readdir(dirname(file))).filter((found) => found.startsWith('.penstock-backup-'));
    return name !== undefined && (await readdir(join(dirname(file), name))).includes('state.db') ? name : undefined;
  };
  let name: string | undefined;
  while (name === undefined) {
    assert.equal(child.exitCode, null, 'the backup ended by itself');
    name = await staged();
  }
  // A backup that runs is not taken for a leftover, neither by its neighbours nor by a server.
  await removeStagingLeftovers(dirname(file));
  await removeBackupLeftovers(join(dataDir, 'objects'));
  assert.equal(await staged(), name);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await rm(join(dataDir, 'config.json'));
  return name;
}

test('what a killed backup leaves beside its file is removed by the next one there', async () => {
  await begin(null);
  const name = await killedBackup(join(path, 'killed.tar'));
  assert.deepEqual((await readdir(path)).toSorted(), [name, 'data']);
  await writeBackup({ dataDir, databaseUrl: null, file: join(path, 'next.tar'), clock });
  assert.deepEqual((await readdir(path)).toSorted(), ['data', 'next.tar']);
});

test('what a killed backup leaves elsewhere is removed by the next backup, or the next server, of its data directory', async () => {
  await begin(null);
  for (const next of ['backup', 'server']) {
    const elsewhere = join(path, `before-${next}`);
    await mkdir(elsewhere);
    const name = await killedBackup(join(elsewhere, 'killed.tar'));
    assert.deepEqual(await readdir(elsewhere), [name]);
    if (next === 'backup') await writeBackup({ dataDir, databaseUrl: null, file: join(path, 'next.tar'), clock });
    else await new FileObjectStore(join(dataDir, 'objects')).sweepTemporary();
    assert.deepEqual(await readdir(elsewhere), []);
  }
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
    const result = await restoreBackup({ file, dataDir: restored, databaseUrl, objects: null, clock });
    assert.deepEqual([result.database, result.settingsRemoved], [fresh, ['databaseUrl']]);
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
    await restoreBackup({ file: '/no-such-file', dataDir: process.argv[1], databaseUrl: null, objects: null }).catch((error) => console.log(error.message));`;
  const script = `mkdir ${dataDir} && mount -t tmpfs tmpfs ${dataDir} && "$NODE" --input-type=module -e "$PROGRAM" ${dataDir}`;
  const env = { ...process.env, NODE: process.execPath, PROGRAM: program };
  const { stdout } = spawnSync('unshare', ['-m', 'bash', '-c', script], { encoding: 'utf8', env });
  assert.equal(stdout, `${dataDir} cannot be replaced (EBUSY): if it is a mount point, restore into a folder below it\n`);
});

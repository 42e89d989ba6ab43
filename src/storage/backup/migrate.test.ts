import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { openDataDirectory } from '../../data-directory/index.ts';
import { openDatabase } from '../database.ts';
import { bindInstallation } from '../installation.ts';
import { migrate } from './migrate.ts';
import { restoreBackup } from './restore-backup.ts';
import { removeUnfinishedCopies } from './staging-folder.ts';
import { writeBackup } from './write-backup.ts';

const clock = new SystemClock();
let path = '';
let dataDir = '';
let target = '';
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'penstock-migrate-'));
  dataDir = join(path, 'from', 'data');
  target = join(path, 'to', 'data');
  await mkdir(join(path, 'from'));
  await mkdir(join(path, 'to'));
  const directory = await openDataDirectory(dataDir);
  const { db, close } = await openDatabase({ file: directory.stateDb, synchronous: 'NORMAL' });
  await bindInstallation({ directory, db, databaseUrl: null, clock });
  await close();
  directory.release();
  await writeFile(join(dataDir, 'keys.json'), '{}');
});
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(path, { recursive: true, force: true });
});

/** Begins a migration in a process that is killed once the target's folder holds these, and it waits. */
async function killedMigration(databaseUrl: string | null, folders: readonly RegExp[], waits = (): boolean => true): Promise<void> {
  const program = `
    const { migrate } = await import(${JSON.stringify(join(import.meta.dirname, 'migrate.ts'))});
    const { SystemClock } = await import(${JSON.stringify(join(import.meta.dirname, '../../clock.ts'))});
    const [dataDir, target, databaseUrl] = process.argv.slice(1);
    const to = { dataDir: target, databaseUrl: databaseUrl || null, objects: null };
    await migrate({ dataDir, databaseUrl: null, clock: new SystemClock(), to });`;
  const argv = ['--input-type=module', '-e', program, dataDir, target, databaseUrl ?? ''];
  const child = spawn(process.execPath, argv, { stdio: 'inherit' });
  children.push(child);
  const isThere = async (): Promise<boolean> => {
    const names = await readdir(join(path, 'to'), { recursive: true }).catch(() => []); // a folder was removed meanwhile
    return waits() && folders.every((pattern) => names.some((name) => pattern.test(name)));
  };
  while (!(await isThere())) assert.equal(child.exitCode, null, 'the migration ended by itself');
  const before = await namesAtTarget();
  await removeUnfinishedCopies(target);
  assert.deepEqual(await namesAtTarget(), before, 'what a migration that runs has written stays');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function namesAtTarget(): Promise<readonly string[]> {
  return (await readdir(join(path, 'to'))).toSorted();
}

/** Kills a migration while it writes its backup: the backup reads this pipe, into which nothing is written. */
async function killWhileItReads(): Promise<void> {
  const pipe = join(dataDir, 'config.json');
  spawnSync('sh', ['-c', 'mkfifo "$0"', pipe]);
  await killedMigration(null, [/^\.penstock-backup-[^/]*\/\.penstock-backup-[^/]*\/state\.db$/]);
  await rm(pipe);
}

/** Kills a migration while it restores, with all keys on the disk twice: it waits for a database that does not answer. */
async function killWhileItRestores(): Promise<void> {
  const silent = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  let isConnected = false;
  silent.once('connection', () => {
    isConnected = true;
  });
  const folders = [/moved\.tar$/, /^data\.restoring\/keys\.json$/];
  await killedMigration(`postgres://penstock@127.0.0.1:${port}/penstock`, folders, () => isConnected);
  silent.close();
}

for (const { when, kill } of [
  { when: 'reads the source', kill: killWhileItReads },
  { when: 'restores at the target', kill: killWhileItRestores },
]) {
  test(`what a migration leaves that is killed while it ${when} is removed by the next one, which moves everything`, async () => {
    await kill();
    assert.notDeepEqual(await namesAtTarget(), []);
    const { verified } = await migrate({ dataDir, databaseUrl: null, clock, to: { dataDir: target, databaseUrl: null, objects: null } });
    assert.deepEqual([verified.missing, verified.damaged], [[], []]);
    assert.deepEqual(await namesAtTarget(), ['data']);
    assert.deepEqual(
      (await readdir(target)).filter((name) => name === 'lock'),
      [],
    );
  });

  test(`... that is killed while it ${when} is removed by the next server there`, async () => {
    await kill();
    const directory = await openDataDirectory(target);
    await removeUnfinishedCopies(target); // as a server does when it starts
    directory.release();
    assert.deepEqual(await namesAtTarget(), ['data']);
  });
}

test('what a killed migration leaves elsewhere is removed by the next backup of its data directory', async () => {
  await killWhileItReads();
  await writeBackup({ dataDir, databaseUrl: null, file: join(path, 'next.tar'), clock });
  assert.deepEqual(await namesAtTarget(), []);
});

test('a data directory with a running server is not moved, and the error says what to do', async () => {
  const to = { dataDir: target, databaseUrl: null, objects: null };
  const directory = await openDataDirectory(dataDir);
  directory.announce('http://127.0.0.1:8080');
  await assert.rejects(migrate({ dataDir, databaseUrl: null, clock, to }), {
    code: 'wrong_state',
    message: `${dataDir} is in use by process ${process.pid} (http://127.0.0.1:8080): stop that server, then migrate: what it writes meanwhile would not be moved`,
  });
  assert.deepEqual(await namesAtTarget(), []);
  directory.release();
  await migrate({ dataDir, databaseUrl: null, clock, to });
  assert.deepEqual(await namesAtTarget(), ['data']);
});

test('a restore does not take the folder of another one that runs', async () => {
  const file = join(path, 'backup.tar');
  await writeBackup({ dataDir, databaseUrl: null, file, clock });
  const options = { file, dataDir: target, databaseUrl: null, objects: null, clock };
  const [first, second] = await Promise.allSettled([restoreBackup(options), restoreBackup(options)]);
  const failed = [first, second].filter(({ status }) => status === 'rejected');
  assert.equal(failed.length, 1);
  assert.deepEqual(await namesAtTarget(), ['data']);
});

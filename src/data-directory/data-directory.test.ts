import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { whyNoMount } from '../../test/mounting.ts';
import { openDataDirectory, readLock } from './data-directory.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

const modulePath = join(import.meta.dirname, 'data-directory.ts');
const holding = `const { openDataDirectory } = await import(${JSON.stringify(modulePath)});
  try { (await openDataDirectory(process.argv[1])).announce('http://127.0.0.1:8080'); console.log('held'); setInterval(() => {}, 1000); }
  catch (error) { console.log(error.code + ' ' + error.message); }`;

let directory = '';
let count = 0;
const freshPath = (): string => join(directory, `data-${count++}`);
const children = new Set<ChildProcess>();
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-directory-'));
});
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** Starts another process that tries to take the directory, and returns its first output. */
async function holder(path: string): Promise<{ child: ChildProcess; says: string; kill(): Promise<void> }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', holding, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const [says] = (await once(child.stdout, 'data')) as [Buffer];
  const kill = async (): Promise<void> => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return { child, says: says.toString().trim(), kill };
}

test('is created for its owner only, with absolute paths', async () => {
  const path = freshPath();
  const data = await openDataDirectory(path);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  assert.equal(data.path, path);
  assert.deepEqual(
    [data.stateDb, data.metricsDb, data.objects, data.logs, data.keysFile, data.configFile],
    ['state.db', 'metrics.db', 'objects', 'logs', 'keys.json', 'config.json'].map((name) => join(path, name)),
  );
  data.release();
});

test("names its holder and the holder's URL until it is released", async () => {
  const path = freshPath();
  assert.equal(await readLock(path), null);
  const data = await openDataDirectory(path);
  assert.deepEqual(await readLock(path), { pid: process.pid, url: null });
  data.announce('http://127.0.0.1:1234');
  assert.deepEqual(await readLock(path), { pid: process.pid, url: 'http://127.0.0.1:1234' });
  await assert.rejects(openDataDirectory(path), { code: 'wrong_state' });
  assert.deepEqual(await readLock(path), { pid: process.pid, url: 'http://127.0.0.1:1234' });
  data.release();
  data.release();
  assert.equal(await readLock(path), null);
  (await openDataDirectory(path)).release();
});

test('rejects a second process with one line that names the first, and is free after kill -9', async () => {
  const path = freshPath();
  const first = await holder(path);
  assert.equal(first.says, 'held');
  assert.deepEqual(await readLock(path), { pid: first.child.pid, url: 'http://127.0.0.1:8080' });
  const expected = `data-${count - 1} is in use by process ${first.child.pid} (http://127.0.0.1:8080): stop it first, or choose another --data-dir`;
  await assert.rejects(openDataDirectory(path), { code: 'wrong_state', message: expected });
  await first.kill();
  assert.equal(await readLock(path), null);
  assert.equal((await readdir(path)).includes('lock'), true, 'the killed process left its note, which no longer counts');
  const data = await openDataDirectory(path);
  assert.deepEqual(await readLock(path), { pid: process.pid, url: null });
  data.release();
});

test('exactly one of many competing processes gets it, even after kill -9', async () => {
  const path = freshPath();
  await (await holder(path)).kill();
  const racers = await Promise.all(Array.from({ length: 5 }, () => holder(path)));
  const said = racers.map(({ says }) => says);
  assert.equal(said.filter((says) => says === 'held').length, 1, said.join('\n'));
  assert.equal(said.filter((says) => /^wrong_state data-\d+ is in use by /.test(says)).length, 4, said.join('\n'));
  await Promise.all(racers.filter(({ says }) => says === 'held').map((racer) => racer.kill()));
});

test('detects that the previous holder ended abruptly, and when it last wrote', async () => {
  const path = freshPath();
  const first = await holder(path);
  const atMs = Date.UTC(2026, 10, 27, 7);
  await mkdir(join(path, 'logs'));
  await writeFile(join(path, 'logs', 'requests.log'), 'a line\n');
  for (const name of ['lock', 'lock.held']) await utimes(join(path, name), new Date(atMs - 5000), new Date(atMs - 5000));
  await utimes(join(path, 'logs', 'requests.log'), new Date(atMs), new Date(atMs));
  await writeFile(join(path, 'config.json'), '{}'); // Changed by an operator later.
  await first.kill();
  const second = await openDataDirectory(path);
  assert.equal(second.abandonedAtMs, atMs);
  second.markReported();
  second.release();
  const third = await openDataDirectory(path);
  assert.equal(third.abandonedAtMs, null);
  third.release();
});

test('remembers an abrupt end until it is reported, across starts that fail or are killed before that', async () => {
  const path = freshPath();
  const first = await holder(path);
  const atMs = Date.UTC(2026, 10, 27, 7);
  for (const name of ['lock', 'lock.held']) await utimes(join(path, name), new Date(atMs), new Date(atMs));
  await first.kill();
  const failed = await openDataDirectory(path);
  failed.release();
  assert.equal(await readLock(path), null);
  await (await holder(path)).kill();
  const last = await openDataDirectory(path);
  assert.equal(last.abandonedAtMs, atMs);
  last.announce('http://127.0.0.1:1234');
  last.markReported();
  assert.deepEqual(await readLock(path), { pid: process.pid, url: 'http://127.0.0.1:1234' });
  last.release();
  assert.equal((await readdir(path)).includes('lock'), false);
});

test('detects the abrupt end of a holder that had reported the previous one', async () => {
  const path = freshPath();
  await (await holder(path)).kill();
  const reporting = holding.replace(".announce('http://127.0.0.1:8080')", '.markReported()');
  const child = spawn(process.execPath, ['--input-type=module', '-e', reporting, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  await once(child.stdout, 'data');
  const atMs = Date.UTC(2026, 10, 27, 8);
  for (const name of ['lock', 'lock.held']) await utimes(join(path, name), new Date(atMs), new Date(atMs));
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  const next = await openDataDirectory(path);
  assert.equal(next.abandonedAtMs, atMs);
  next.markReported();
  next.release();
});

test('rejects a path that is not a directory', async () => {
  const path = freshPath();
  await writeFile(path, 'a file');
  await assert.rejects(openDataDirectory(path), { code: 'invalid_request', message: /is not a directory/ });
  await assert.rejects(openDataDirectory(join(path, 'below')), { code: 'invalid_request', message: /is not a directory/ });
  assert.equal(await readLock(path), null);
});

test('rejects a path below /proc, where no directory can be created', { skip: process.platform !== 'linux' }, () => {
  // In a process of its own: a mkdir that never returns would also block this one.
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', holding, '/proc/penstock/data'], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(signal, null, 'it never ended');
  assert.match(stdout, /^unavailable cannot create the data directory/);
});

test('reports that the directory cannot be created or written', { skip: whyNoMount() }, async () => {
  const path = freshPath();
  await mkdir(path);
  const readOnly = `mount --bind ${path} ${path} && mount -o remount,ro,bind ${path}`;
  const tryBoth = ['', '/below'].map((below) => `"$NODE" --input-type=module -e "$PROGRAM" ${path}${below}`).join('; ');
  const env = { ...process.env, NODE: process.execPath, PROGRAM: holding };
  const { stdout } = spawnSync('unshare', ['-m', 'bash', '-c', `${readOnly} && { ${tryBoth}; }`], { encoding: 'utf8', env });
  const [existing, below] = stdout.trim().split('\n');
  assert.match(existing ?? '', /^unavailable cannot lock the data directory .*: the file cannot be opened or created/);
  assert.match(below ?? '', /^unavailable cannot create the data directory .*\/below: it is not writable: check the mount/);
});

test('replaces a small file atomically, with its mode, and leaves no temporary file', async () => {
  const path = join(await mkdtemp(join(directory, 'small-')), 'keys.json');
  writeFileAtomically(path, 'one', { mode: 0o600 });
  writeFileAtomically(path, 'two', { mode: 0o600 });
  assert.equal(await readFile(path, 'utf8'), 'two');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(join(path, '..')), ['keys.json']);
  assert.throws(() => writeFileAtomically(join(path, 'impossible'), 'three', { mode: 0o600 }));
});

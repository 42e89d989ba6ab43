/** Environments that a host makes from archives of the home. Needs python3, and uv or its pip, to build one at the home. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { python } from '../../test/interpreter.ts';
import { installedUv } from '../../test/python-packages.ts';
import { writeWheel } from '../../test/wheel-fixture.ts';
import { SystemClock } from '../clock.ts';
import { openLogs } from '../logs/index.ts';
import { Audit, Events } from '../records/index.ts';
import type { OpenDatabase } from '../storage/index.ts';
import { tarOf } from '../tar/index.ts';
import { ArchivedEnvironments, type FetchedArchive } from './archived-environments.ts';
import { packEnvironment, unpackEnvironment } from './environment-archive.ts';
import { removeFolder } from './folders.ts';
import { environmentSettings, PythonEnvironments } from './index.ts';
import { lockKey } from './lock.ts';

const weekMs = 7 * 86_400_000;
const log = openLogs(null, 'silent').platform;
const limitMemory = () => ({ wasExceeded: () => false, end: () => undefined });
const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' }).trim();

class ShiftedClock extends SystemClock {
  shiftMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.shiftMs;
  }
}

describe('an environment of a host', { skip: python === null && 'no python3 of 3.9 or newer' }, () => {
  const root = mkdtempSync(join(tmpdir(), 'penstock-archived-'));
  const clock = new ShiftedClock();
  let opened: OpenDatabase;
  let home: PythonEnvironments;
  let key = '';
  let used = new Set<string>();
  const closers: (() => Promise<void>)[] = [];

  before(async () => {
    opened = await openMemoryDatabase();
    const wheels = join(root, 'wheels');
    writeWheel(wheels, { name: 'tiny', version: '1.0', requires: ['leaf>=1'], files: { 'tiny/data/rows.txt': 'kept' } });
    writeWheel(wheels, { name: 'leaf', version: '1.1' });
    const { db } = opened;
    home = new PythonEnvironments({
      db,
      clock,
      log,
      events: new Events(db, clock),
      audit: new Audit(db, clock),
      settings: environmentSettings({
        build: { tool: (await installedUv()) ?? 'pip', wheels, offline: true },
        default: { python: python?.path },
      }),
      directory: join(root, 'home'),
      writeLine: () => undefined,
      users: async () => new Map(),
      limitMemory,
    });
    await home.open();
    await home.create({ name: 'sk', python: null, requirements: null, packages: ['tiny'] }, 'tester');
    key = (await home.resolve({ name: 'sk', lock: null })).key ?? '';
  });
  after(async () => {
    for (const close of closers) await close();
    await home?.close();
    await opened?.close();
    await removeFolder(root);
  });

  let hosts = 0;
  async function host(
    fetch: (lock: string) => Promise<FetchedArchive>,
    directory = join(root, `host-${hosts++}`),
  ): Promise<{ made: ArchivedEnvironments; directory: string }> {
    const interpreters = python === null ? [] : [python];
    const made = new ArchivedEnvironments({ clock, log, directory, interpreters, fetch, inUse: () => used, limitMemory });
    await made.open();
    closers.push(() => made.close());
    return { made, directory };
  }

  const drop = async (): Promise<void> => undefined;
  const fetched = async (lock: string): Promise<FetchedArchive> => ({ ...(await home.archiveOf(lock)), drop });

  test('is that of the home, with its scripts and compiled modules, without a package index', async () => {
    let fetches = 0;
    const { made, directory } = await host((lock) => {
      fetches++;
      return fetched(lock);
    });
    const [one, two] = await Promise.all([made.find(key), made.find(key)]);
    assert.deepEqual([one, fetches], [two, 1], 'concurrent starts share it');
    assert.equal(run(one.interpreter, '-I', '-c', 'import tiny, leaf; print(tiny.VERSION, leaf.VERSION)'), '1.0 1.1');
    const folder = join(directory, key);
    assert.deepEqual([one.interpreter, one.paths[0]], [join(folder, 'bin/python'), folder]);
    assert.equal(run(join(folder, 'bin/tiny-run')), 'tiny 1.0');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    assert(files.some((name) => name.endsWith('tiny/data/rows.txt')));
    const [compiled = ''] = files.filter((name) => /tiny\/__pycache__\/__init__\..*\.pyc$/.test(name));
    const source = files.find((name) => name.endsWith('site-packages/tiny/__init__.py')) ?? '';
    const { mtimeMs } = statSync(join(folder, source));
    assert.equal(readFileSync(join(folder, compiled)).readUInt32LE(8), Math.floor(mtimeMs / 1000), 'the compiled module is valid');
    assert.deepEqual(
      files.filter((name) => !name.startsWith('bin/python') && (statSync(join(folder, name)).mode & 0o222) !== 0),
      [],
      'nothing is writable',
    );
    assert.deepEqual(await made.find(key), one);
    assert.equal(fetches, 1);
  });

  test('has one archive at the home, also for the next server, which writes a damaged one again', async () => {
    const { path, sha256 } = await home.archiveOf(key);
    assert.equal(createHash('sha256').update(readFileSync(path)).digest('hex'), sha256);
    const { ino } = statSync(path);
    const deps = { db: opened.db, clock, log, settings: environmentSettings(null), directory: join(root, 'home') };
    const next = (): PythonEnvironments =>
      new PythonEnvironments({
        ...deps,
        events: new Events(opened.db, clock),
        audit: new Audit(opened.db, clock),
        writeLine: () => undefined,
        users: async () => new Map(),
        limitMemory,
      });
    assert.deepEqual([(await next().archiveOf(key)).sha256, statSync(path).ino], [sha256, ino]);
    writeFileSync(path, 'damaged');
    const again = await next().archiveOf(key);
    assert.deepEqual([again.sha256, again.path], [sha256, path]);
    assert.equal(createHash('sha256').update(readFileSync(path)).digest('hex'), sha256);
  });

  test('is deleted when no worker has used it for a week', async () => {
    const { made, directory } = await host(fetched);
    await made.find(key);
    clock.shiftMs = weekMs + 60_000;
    used = new Set([key]);
    await made.sweep();
    assert(existsSync(join(directory, key)));
    used = new Set();
    await made.find(key); // used now
    await made.sweep();
    assert(existsSync(join(directory, key)));
    clock.shiftMs = 2 * (weekMs + 60_000);
    await made.sweep();
    assert.deepEqual(readdirSync(directory), []);
    clock.shiftMs = 0;
  });

  test('that its home cannot send, or that needs another Python, fails with the reason', async () => {
    const refused = await host(() => Promise.reject(new Error('the disk of the home is full')));
    await assert.rejects(refused.made.find(key), /the disk of the home is full/);
    const other = await host(async (lock) => ({ ...(await fetched(lock)), version: '3.1.4' }));
    await assert.rejects(other.made.find(key), { code: 'unavailable', message: /needs Python 3\.1\.4 on .*which this host does not have/ });
    assert.deepEqual(readdirSync(other.directory), []);
    await assert.rejects(other.made.find('../x'), { code: 'invalid_request' });
  });

  test('that does not fit on the disk fails with the reason, and leaves nothing', async (t) => {
    const directory = mkdtempSync(join(root, 'disk-'));
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20k', 'tmpfs', directory]).status !== 0)
      return t.skip('no file system can be mounted');
    const { made } = await host(fetched, directory);
    t.after(async () => {
      await made.close();
      spawnSync('umount', [directory]);
    });
    await assert.rejects(made.find(key), { code: 'wrong_state', message: /disk|No space/ });
    assert.deepEqual(readdirSync(directory), []);
  });

  async function archiveOf(path: string, content: string, bytes = Buffer.byteLength(content)): Promise<string> {
    const archive = join(root, `hostile-${hosts++}.tar`);
    const contents = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from(content);
    };
    const entries = async function* () {
      yield { path, bytes, isExecutable: false, content: contents() };
    };
    const chunks: Uint8Array[] = [];
    const writing = async (): Promise<void> => {
      for await (const chunk of tarOf(entries())) chunks.push(chunk);
    };
    await writing().catch(() => undefined); // a large one has less than it says
    writeFileSync(archive, Buffer.concat(chunks));
    return archive;
  }

  for (const [what, path, bytes, wrong] of [
    ['a file outside', '../outside', 1, /outside of it/],
    ['an absolute path', '/tmp/outside', 1, /outside of it/],
    ['a path through the folder', 'lib/../../outside', 1, /outside of it/],
    ['another pyvenv.cfg', 'pyvenv.cfg', 1, /decides about the interpreter/],
    ['another interpreter', 'bin/python3.11', 1, /decides about the interpreter/],
    ['a path through a link', 'lib64/x', 1, /decides about the interpreter/],
    ['more bytes than an environment may have', 'large', 2 ** 40, /exceeds the limit of its size/],
  ] as const) {
    test(`has nothing of an archive with ${what}`, async () => {
      const folder = mkdtempSync(join(root, 'unpacked-'));
      const limits = { bytesMax: 2 ** 30, signal: new AbortController().signal };
      await assert.rejects(unpackEnvironment(await archiveOf(path, 'x', bytes), folder, limits), wrong);
      assert.deepEqual([readdirSync(folder), existsSync(join(root, 'outside'))], [[], false]);
    });
  }

  test('is not made from the archive of another one', async () => {
    const path = await archiveOf('environment.json', JSON.stringify({ lock: 'other==1' }));
    const { version = '', platform = '' } = python ?? {};
    const { made, directory } = await host(async () => ({ path, root: '/x', version, platform, drop }));
    await assert.rejects(made.find(lockKey('', { version, platform })), /not that of environment/);
    assert.deepEqual(readdirSync(directory), []);
  });

  test('ends half-built with its agent, and the next one removes what is left', async () => {
    const { made, directory } = await host(fetched);
    mkdirSync(join(directory, 'half.tmp'));
    const finding = made.find(key);
    finding.catch(() => undefined);
    await made.close();
    const next = new ArchivedEnvironments({ clock, log, directory, interpreters: [], fetch: fetched, inUse: () => used, limitMemory });
    await next.open();
    assert.equal(existsSync(join(directory, 'half.tmp')), false);
    await next.close();
    await finding.catch(() => undefined);
  });
});

test('an archive leaves out the files that each virtual environment has of its own, also those of newer versions of Python', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-pack-'));
  try {
    const at = (name: string): string => join(folder, name);
    for (const name of ['home/bin', 'home/lib', 'host']) mkdirSync(at(name), { recursive: true });
    for (const name of ['pyvenv.cfg', '.gitignore', 'bin/activate', 'lib/tiny.py']) writeFileSync(at(`home/${name}`), 'of the home');
    for (const name of ['pyvenv.cfg', '.gitignore']) writeFileSync(at(`host/${name}`), 'of the host');
    await packEnvironment(at('home'), at('archive.tar'));
    await unpackEnvironment(at('archive.tar'), at('host'), { bytesMax: 10_000, signal: new AbortController().signal });
    assert.equal(readFileSync(at('host/.gitignore'), 'utf8'), 'of the host');
    assert.deepEqual(readdirSync(at('host'), { recursive: true, encoding: 'utf8' }).sort(), [
      '.gitignore',
      'lib',
      'lib/tiny.py',
      'pyvenv.cfg',
    ]);
  } finally {
    await removeFolder(folder);
  }
});

/** Builds real environments from wheels that the test writes. Needs python3, and uv or its pip. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { python } from '../../test/interpreter.ts';
import { installedUv } from '../../test/python-packages.ts';
import { writeWheel } from '../../test/wheel-fixture.ts';
import { SystemClock } from '../clock.ts';
import { openLogs } from '../logs/index.ts';
import { isolationSettings, LocalProvider } from '../providers/index.ts';
import { Audit, Events } from '../records/index.ts';
import type { OpenDatabase } from '../storage/index.ts';
import { startOf } from './build.ts';
import { removeFolder } from './folders.ts';
import { BuildFailed, environmentSettings, PythonEnvironments } from './index.ts';

const skip = python === null ? 'no python3 of 3.9 or newer' : false;
const silent = openLogs(null, 'silent').platform;
const weekMs = 7 * 86_400_000;

class ShiftedClock extends SystemClock {
  shiftMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.shiftMs;
  }
}

class Fixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'penstock-environments-'));
  readonly directory = join(this.folder, 'environments');
  readonly wheels = join(this.folder, 'wheels');
  readonly clock = new ShiftedClock();
  readonly lines: string[] = [];
  users: () => Promise<ReadonlyMap<string, readonly string[]>> = async () => new Map();
  readonly opened: OpenDatabase;
  environments: PythonEnvironments;
  readonly provider: LocalProvider;
  readonly #build: Record<string, unknown>;

  constructor(opened: OpenDatabase, build: Record<string, unknown>) {
    this.opened = opened;
    this.#build = build;
    const isolation = isolationSettings({ mode: 'none' });
    this.provider = new LocalProvider({ clock: this.clock, log: silent, stateDirectory: this.folder, warmWorkers: 0, isolation });
    writeWheel(this.wheels, { name: 'tiny', version: '1.0', requires: ['leaf>=1'] });
    writeWheel(this.wheels, { name: 'leaf', version: '1.1' });
    this.environments = this.make();
  }

  make(build: Record<string, unknown> = {}): PythonEnvironments {
    const { clock, directory, wheels, lines } = this;
    const { db } = this.opened;
    this.environments = new PythonEnvironments({
      db,
      clock,
      log: silent,
      events: new Events(db, clock),
      audit: new Audit(db, clock),
      settings: environmentSettings({
        build: { wheels, offline: true, ...this.#build, ...build },
        own: { python: python?.path ?? '/none' },
      }),
      directory,
      writeLine: (group, _stream, line) => void lines.push(`${group} ${line}`),
      users: () => this.users(),
      limitMemory: (pid, bytesMax) => this.provider.limitMemory(pid, bytesMax),
    });
    return this.environments;
  }

  async restart(build: Record<string, unknown> = {}): Promise<PythonEnvironments> {
    await this.environments.close();
    const next = this.make(build);
    await next.open();
    return next;
  }

  create(name: string, packages: readonly string[], requirements: string | null = null) {
    return this.environments.create({ name, python: null, requirements, packages }, 'tester');
  }
}

async function fixture(t: TestContext, build: Record<string, unknown> = {}): Promise<Fixture> {
  const uv = await installedUv();
  const made = new Fixture(await openMemoryDatabase(), { tool: uv ?? 'pip', ...build });
  t.after(async () => {
    await made.environments.close();
    await made.opened.close();
    await removeFolder(made.folder);
  });
  await made.environments.open();
  return made;
}

const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' }).trim();

test('builds a named environment in the background, from wheels, read-only, with its scripts in place', { skip }, async (t) => {
  const made = await fixture(t);
  const created = await made.create('sk', ['tiny']);
  assert.deepEqual([created.state, created.name, created.requirements, created.lock], ['building', 'sk', ['tiny'], null]);
  await assert.rejects(made.create('SK', ['leaf']), { code: 'already_exists', message: /environment sk exists \(building\)/ });
  const resolved = await made.environments.resolve({ name: 'sk', lock: null });
  assert.equal(run(resolved.python, '-I', '-c', 'import tiny, leaf; print(tiny.VERSION, leaf.VERSION)'), '1.0 1.1');
  assert.equal(resolved.folder, join(made.directory, resolved.key ?? ''));
  assert.equal(run(join(resolved.folder ?? '', 'bin/tiny-run')), 'tiny 1.0');
  assert.deepEqual(readdirSync(made.directory), [resolved.key]);
  const files = readdirSync(resolved.folder ?? '', { recursive: true, encoding: 'utf8' });
  assert(
    files.some((name) => /tiny\/__pycache__\/__init__\..*\.pyc$/.test(name)),
    'compiled',
  );
  const writable = files.filter((name) => {
    const at = join(resolved.folder ?? '', name);
    return !existsSync(at) || (statSync(at).mode & 0o222) !== 0;
  });
  assert.deepEqual(
    writable.filter((name) => !name.startsWith('bin/python')),
    [],
  );
  const view = await made.environments.describe('sk');
  assert.deepEqual([view.state, view.lock?.key, view.users], ['ready', resolved.key, []]);
  assert.match(view.lock?.lock ?? '', /^leaf==1\.1 --hash=sha256:[0-9a-f]{64}\ntiny==1\.0 --hash=sha256:[0-9a-f]{64}\n$/);
  assert((view.lock?.bytes ?? 0) > 1000 && (view.lock?.files ?? 0) > 5);
  assert(made.lines.some((line) => line === '/penstock/environments/sk penstock: install the packages'));
  const kinds = (await new Events(made.opened.db, made.clock).since(0, 10)).map(({ kind, subject }) => `${kind} ${subject}`);
  assert.deepEqual(kinds, ['environment.building sk', 'environment.ready sk']);

  // The same packages are the same folder, for another name and for a model's requirements.
  const inode = statSync(resolved.folder ?? '').ino;
  await made.create('other', [], 'tiny # the same\n');
  assert.equal((await made.environments.resolve({ name: 'other', lock: null })).key, resolved.key);
  assert.equal((await made.environments.resolve({ requirements: 'tiny' })).key, resolved.key);
  assert.equal(statSync(resolved.folder ?? '').ino, inode);
});

test('a name that is made again points to another lock; the old lock stays what it was, also without its folder', { skip }, async (t) => {
  const made = await fixture(t);
  await made.create('sk', ['leaf']);
  const old = await made.environments.resolve({ name: 'sk', lock: null });
  await made.environments.delete('sk', 'tester');
  await assert.rejects(made.environments.resolve({ name: 'sk', lock: null }), { code: 'not_found' });
  writeWheel(made.wheels, { name: 'leaf', version: '2.0' });
  await made.create('sk', ['leaf']);
  const next = await made.environments.resolve({ name: 'sk', lock: null });
  assert.notEqual(next.key, old.key);
  const listed = async () => (await made.environments.list()).map(({ name, lockKey, users }) => [name, lockKey, ...users]);
  assert.deepEqual(await listed(), [['sk', next.key]]);
  made.users = async () => new Map([[old.key ?? '', ['churn/1']]]);
  assert.deepEqual(
    await listed(),
    [
      ['sk', next.key],
      [null, old.key, 'churn/1'],
    ],
    'what a model runs in is listed',
  );
  const version = (path: string): string => run(path, '-I', '-c', 'import leaf; print(leaf.VERSION)');
  assert.deepEqual([version(old.python), version(next.python)], ['1.1', '2.0']);
  await removeFolder(old.folder ?? '');
  const again = await made.environments.resolve({ name: 'sk', lock: old.key });
  assert.deepEqual([again.key, again.python, version(again.python)], [old.key, old.python, '1.1']);
});

test('an interpreter of the operator is an environment without a folder', { skip }, async (t) => {
  const made = await fixture(t);
  const { key, folder, version, python: path } = await made.environments.resolve({ name: 'own', lock: null });
  assert.deepEqual([key, folder, version, path], [null, null, python?.version, python?.path]);
  assert.equal((await made.environments.resolve({ name: null, lock: null })).version, python?.version);
  await assert.rejects(made.create('own', ['leaf']), { code: 'already_exists', message: /interpreter in config\.json/ });
  await assert.rejects(made.environments.create({ name: 'x', python: 'torch', requirements: 'leaf', packages: [] }, 'w'), {
    code: 'not_found',
    message: /there is no interpreter 'torch': expected one of default, own/,
  });
  await assert.rejects(made.environments.create({ name: 'x', python: '/bin/true', requirements: 'leaf', packages: [] }, 'w'), {
    code: 'unavailable',
    message: /\/bin\/true does not run as a Python interpreter/,
  });
  await assert.rejects(made.create('x', [], '# nothing\n'), { message: /expected the name of a package/ });
  await assert.rejects(made.environments.create({ name: 'x', python: null, requirements: null, packages: [] }, 'w'), {
    message: /expected requirements, packages, or the name of a recipe \(sklearn, pytorch, xgboost, python\)/,
  });
});

test('a name that no environment has is answered with those that exist', { skip }, async (t) => {
  const made = await fixture(t);
  await Promise.all(['own', 'OWN', 'default'].map((name) => made.environments.expectNamed(name)));
  const message = "there is no environment 'sklearn': expected one of default, own. Create it with `penstock environments create sklearn`";
  await assert.rejects(made.environments.expectNamed('sklearn'), { code: 'invalid_request', message });
  await assert.rejects(made.environments.expectNamed('nope'), { message: /penstock environments create nope --requirements FILE/ });
});

test('the name default is the interpreter of the machine, as no name is', { skip }, async (t) => {
  const { environments } = await fixture(t);
  const [named, unnamed] = await Promise.all(['Default', null].map((name) => environments.resolve({ name, lock: null })));
  assert.deepEqual(named, unnamed);
});

test('a build that fails says why, with its last lines, and can be tried again', { skip }, async (t) => {
  const made = await fixture(t);
  await made.create('bad', ['missing-package-of-none']);
  const failure = await made.environments.resolve({ name: 'bad', lock: null }).catch((error: unknown) => error);
  assert(failure instanceof BuildFailed);
  assert.match(failure.message, /^environment bad could not be built: failed to find versions of the packages: .*missing-package-of-none/);
  const view = await made.environments.describe('bad');
  assert.deepEqual([view.state, view.lockKey], ['failed', null]);
  assert(view.lines.length > 0 && view.lines.length <= 20, view.lines.join('\n'));
  assert.deepEqual(readdirSync(made.directory), [], 'nothing half-built remains');
  await made.create('bad', ['leaf']);
  assert.notEqual((await made.environments.resolve({ name: 'bad', lock: null })).key, null);
  assert.deepEqual(made.environments.builds, { ready: 1, failed: 1 });
});

test('source distributions are not built', { skip }, async (t) => {
  const made = await fixture(t);
  const source = join(made.folder, 'evil-1.0');
  mkdirSync(source);
  writeFileSync(join(source, 'setup.py'), `open(${JSON.stringify(join(made.folder, 'ran'))}, 'w').write('x')\n`);
  run('tar', '-czf', join(made.wheels, 'evil-1.0.tar.gz'), '-C', made.folder, 'evil-1.0');
  await made.create('evil', ['evil']);
  await assert.rejects(made.environments.resolve({ name: 'evil', lock: null }), BuildFailed);
  assert.equal(existsSync(join(made.folder, 'ran')), false);
});

test('without uv, the pip of the interpreter builds the same packages', { skip }, async (t) => {
  const made = await fixture(t, { tool: 'pip' });
  await made.create('sk', ['tiny']);
  const { python: own, key } = await made.environments.resolve({ name: 'sk', lock: null });
  assert.equal(run(own, '-I', '-c', 'import tiny, leaf; print(tiny.VERSION, leaf.VERSION)'), '1.0 1.1');
  const { lock } = await made.environments.describe('sk');
  assert.deepEqual([lock?.key, lock?.lock.split('\n').map((line) => line.split(' ')[0])], [key, ['leaf==1.1', 'tiny==1.0', '']]);
});

test('code of packages does not run while an environment is built', { skip }, async (t) => {
  const made = await fixture(t);
  const marker = join(made.folder, 'ran');
  const code = `import os; open(${JSON.stringify(marker)}, 'w').write('x')\n`;
  writeWheel(made.wheels, {
    name: 'hostile',
    version: '1.0',
    files: { 'hostile.pth': code, 'sitecustomize.py': code, 'compileall.py': code },
  });
  await made.create('hostile', ['hostile', 'leaf']);
  const { python: own } = await made.environments.resolve({ name: 'hostile', lock: null });
  assert.equal(existsSync(marker), false);
  run(own, '-I', '-c', 'pass');
  assert.equal(existsSync(marker), true, 'the packages do contain code that runs at the start of the interpreter');
});

for (const { path, text } of [
  { path: 'thief-1.0.data/data/pyvenv.cfg', text: 'home = /root/.ssh/bin\n' },
  { path: 'thief-1.0.data/scripts/python3', text: '#!/bin/sh\n' },
]) {
  test(`a package that replaces ${path.split('/').at(-1)} of the environment is not installed`, { skip }, async (t) => {
    const made = await fixture(t);
    writeWheel(made.wheels, { name: 'thief', version: '1.0', files: { [path]: text } });
    await made.create('thief', ['thief']);
    await assert.rejects(made.environments.resolve({ name: 'thief', lock: null }), {
      message: /thief could not be built: (?:a package replaces .* of the environment|failed to install the packages)/,
    });
    assert.deepEqual(readdirSync(made.directory), []);
  });
}

test('a build that exceeds its time or its disk is ended as a whole', { skip }, async (t) => {
  const made = await fixture(t);
  const slow = join(made.folder, 'uv');
  const pids = join(made.folder, 'pids');
  writeFileSync(slow, `#!/bin/sh\nsleep 300 &\necho $$ $! > ${pids}\nwait\n`, { mode: 0o755 });
  chmodSync(slow, 0o755);
  // On a busy machine, a build has a low priority and may reach its limit before it runs anything.
  for (const seconds of [3, 20, 50]) {
    await made.restart({ tool: slow, timeout: `${seconds}s` });
    await made.create('slow', ['leaf']);
    await assert.rejects(made.environments.resolve({ name: 'slow', lock: null }), {
      message: new RegExp(`it took longer than ${seconds} s \\(environments\\.build\\.timeout\\)`),
    });
    if (existsSync(pids) && readFileSync(pids).length > 0) break;
  }
  const hasEnded = (pid: string): boolean => !existsSync(`/proc/${pid}`) || / Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  assert(readFileSync(pids, 'utf8').trim().split(' ').every(hasEnded));
  writeFileSync(slow, `#!/bin/sh\nhead -c 50000000 /dev/zero > "$TMPDIR/fill"\nsleep 300\n`);
  await made.restart({ tool: slow, limit: '40MiB' });
  await made.create('slow', ['leaf']);
  await assert.rejects(made.environments.resolve({ name: 'slow', lock: null }), { message: /it needs more than 40 MiB of disk/ });
  assert.deepEqual(readdirSync(made.directory), []);
});

test('a build that exceeds its memory fails, with and without cgroups', { skip }, async (t) => {
  const made = await fixture(t);
  const greedy = join(made.folder, 'uv');
  // The address space is limited a moment after the start.
  const program = 'import time; held = []; [(held.append(bytearray(16 << 20)), time.sleep(0.05)) for _ in range(100)]';
  writeFileSync(greedy, `#!/bin/sh\nexec ${python?.path} -c '${program}'\n`, { mode: 0o755 });
  chmodSync(greedy, 0o755);
  const message = /MemoryError|it needs more than 300 MiB of memory \(environments\.build\.memory\)/;
  for (const name of ['without', 'with']) {
    if (name === 'with') await made.provider.open();
    await made.restart({ tool: greedy, memory: '300MiB' });
    await made.create(name, ['leaf']);
    await assert.rejects(made.environments.resolve({ name, lock: null }), { message });
  }
  await made.provider.close();
});

test('a build that a server leaves is done by the next one, and deleting stops a build', { skip }, async (t) => {
  const made = await fixture(t);
  const stuck = join(made.folder, 'uv');
  writeFileSync(stuck, '#!/bin/sh\nsleep 300\n', { mode: 0o755 });
  await made.restart({ tool: stuck });
  await made.create('sk', ['leaf']);
  await made.create('unwanted', ['tiny']);
  await made.environments.delete('unwanted', 'tester');
  const waiting = made.environments.resolve({ name: 'sk', lock: null });
  waiting.catch(() => undefined);
  await made.restart();
  await assert.rejects(waiting, { code: 'unavailable' });
  assert.notEqual((await made.environments.resolve({ name: 'sk', lock: null })).key, null);
  await assert.rejects(made.environments.describe('unwanted'), { code: 'not_found' });
});

test('what a killed server left is removed, its build is ended, and everything else stays', { skip }, async (t) => {
  const made = await fixture(t);
  await made.environments.close();
  const half = join(made.directory, 'some-build.tmp');
  mkdirSync(join(half, 'environment/bin'), { recursive: true });
  const build = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
  const ended = once(build, 'exit');
  writeFileSync(join(half, 'pid'), `${build.pid} ${startOf(readFileSync(`/proc/${build.pid}/stat`, 'latin1'))}`);
  const innocent = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
  t.after(() => innocent.kill('SIGKILL'));
  const other = join(made.directory, 'other-build.tmp');
  mkdirSync(other);
  writeFileSync(join(other, 'pid'), `${innocent.pid} 1`);
  for (const name of ['notes.txt', 'a'.repeat(64)]) mkdirSync(join(made.directory, name));
  chmodSync(join(half, 'environment/bin'), 0o500);
  await made.make().open();
  await ended;
  await made.environments.sweep();
  assert.deepEqual(readdirSync(made.directory).sort(), ['a'.repeat(64), 'notes.txt']);
  assert.equal(innocent.exitCode ?? innocent.signalCode, null);
});

test('unused environments are deleted after a week, and none while its users cannot be read', { skip }, async (t) => {
  const made = await fixture(t);
  const { environments, clock } = made;
  const free = await environments.resolve({ requirements: 'leaf' });
  const used = await environments.resolve({ requirements: 'tiny' });
  await made.create('named', [], 'leaf==1.1\ntiny==1.0');
  const named = await environments.resolve({ name: 'named', lock: null });
  assert.equal(named.key, used.key, 'resolved to the same lock');
  await environments.delete('named', 'tester');
  const keys = (): string[] => readdirSync(made.directory).sort();
  const both = [free.key ?? '', used.key ?? ''].toSorted((a, b) => (a < b ? -1 : 1));
  await environments.sweep();
  assert.deepEqual(keys(), both);
  clock.shiftMs = weekMs + 60_000;
  made.users = async () => {
    throw new Error('the database is away');
  };
  await assert.rejects(environments.sweep(), /the database is away/);
  assert.deepEqual(keys(), both);
  made.users = async () => new Map([[used.key ?? '', ['churn/3']]]);
  await environments.sweep();
  assert.deepEqual(keys(), [used.key]);
  assert.deepEqual(
    (await environments.list()).map(({ users }) => users),
    [['churn/3']],
  );
  await assert.rejects(environments.resolve({ name: null, lock: free.key }), { code: 'not_found', message: /was deleted/ });
  assert.notEqual((await environments.resolve({ requirements: 'leaf' })).key, null, 'it is built again when a model asks for it');
});

/**
 * Runs foreign code that attacks the server, in each available mode. As root, this file also runs itself as an ordinary user. User
 * namespaces and Landlock must then work without separate user ids.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../../test/end-to-end/poll.ts';
import { artifactAt, pathAsAddress } from '../../../test/model-artifacts.ts';
import { modelPath } from '../../../test/models/index.ts';
import { privateCheckout } from '../../../test/private-checkout.ts';
import { intruderBundle, intruderCommand, skip } from '../../../test/processes/index.ts';
import { SystemClock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import type { WorkerLink } from '../../runtime/index.ts';
import { isolationSettings, LocalProvider, type WorkerSpec, type WorkerView } from '../index.ts';
import { startTicks } from '../processes/process-facts.ts';
import { processesMax } from './launch.ts';

const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => log,
} satisfies Log as Log;
const root = mkdtempSync('/tmp/penstock-test-');
chmodSync(root, 0o755);
after(() => rmSync(root, { recursive: true, maxRetries: 5 }));
const isRoot = process.getuid?.() === 0;

/** What each worker may write. */
const diskMiB = 64;

interface Answer {
  readonly result?: unknown;
  readonly error?: string;
  readonly text?: string;
}

/** A server's data directory, a provider of one mode, and one worker with foreign code. */
class Attack {
  readonly state = mkdtempSync(join(root, 'state-'));
  readonly provider: LocalProvider;
  readonly bundle = join(this.state, 'objects', 'bundle.tar');
  /** A folder below /tmp that the image names in its `paths`. */
  readonly shared = mkdtempSync(join(root, 'shared-'));
  link: WorkerLink | null = null;

  constructor(mode: string) {
    const isolation = isolationSettings({ mode, diskMiB });
    this.provider = new LocalProvider({
      clock: new SystemClock(),
      log,
      stateDirectory: this.state,
      warmWorkers: 0,
      fetchFile: pathAsAddress,
      isolation,
    });
  }

  /** False if the mode does not work here. */
  async open(): Promise<boolean> {
    mkdirSync(join(this.state, 'objects'), { mode: 0o700 });
    writeFileSync(this.bundle, await intruderBundle(), { mode: 0o600 });
    for (const name of ['keys.json', 'state.db', 'objects/other-model']) writeFileSync(join(this.state, name), 'secret', { mode: 0o600 });
    chmodSync(this.shared, 0o755);
    writeFileSync(join(this.shared, 'weights'), 'public', { mode: 0o644 });
    // Programs are removed from /opt while a server runs.
    const removed = isRoot && existsSync('/opt') ? mkdtempSync('/opt/penstock-test-') : null;
    await this.provider.open();
    if (removed !== null) rmSync(removed, { recursive: true });
    if (this.provider.isolation?.mode === 'unavailable') return false;
    await this.start('w1');
    return true;
  }

  async start(id: string, paths: readonly string[] = [this.shared]): Promise<void> {
    const timeouts = { startTimeoutMs: 60_000, unpackTimeoutMs: 60_000 };
    const process = { command: intruderCommand, environment: {}, concurrency: 2, ...timeouts, paths };
    const named = { id, endpoint: 'e', variant: 'v', generation: 1, artifact: artifactAt(this.bundle), modelName: 'intruder/1' };
    const spec: WorkerSpec = { ...named, threads: 1, memoryMiB: 0, instanceType: 'local.1', kind: 'instance', vcpuMax: null, process };
    await this.provider.start(spec);
    const view = await new Promise<WorkerView>((resolve) => {
      const look = (each: WorkerView) => each.spec.id === id && each.state !== 'starting' && resolve(each);
      this.provider.onChange(look);
      this.provider.list().forEach(look);
    });
    assert.equal(view.state, 'ready', view.reason ?? '');
    this.link = this.provider.link(id);
  }

  async run(code: string): Promise<Answer> {
    assert(this.link !== null);
    const { reply } = await this.link.invoke({ headers: {}, body: Buffer.from(code) }, 1024 * 1024);
    return JSON.parse(reply.body.toString()) as Answer;
  }

  /** The error with which the code fails. */
  async refusal(code: string): Promise<string> {
    const { error, result, text } = await this.run(code);
    assert.notEqual(error, undefined, `it was allowed: ${JSON.stringify(result)}`);
    return `${error}: ${text}`;
  }

  get pid(): number {
    return this.provider.list()[0]?.pid as number;
  }

  async close(): Promise<void> {
    await this.provider.close();
  }
}

const denied = /FileNotFoundError|PermissionError|ProcessLookupError|NotADirectoryError/;
/** A process without a parent, a session or a mark in its environment. */
const daemon = (name: string, keepsMark: boolean) => `
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(0, 64):
            try: os.close(fd)
            except OSError: pass
        os.execve('/bin/sleep', ['${name}', '300'], ${keepsMark ? 'dict(os.environ)' : '{}'})
    os._exit(0)
os.wait()
time.sleep(0.3)
`;

function processesNamed(name: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${name}\0`) && startTicks(Number(pid)) !== null;
    } catch {
      return false;
    }
  });
}

for (const mode of isRoot ? ['root', 'landlock'] : ['user', 'landlock']) {
  describe(`foreign code in mode ${mode}, ${isRoot ? 'server as root' : 'server as an ordinary user'},`, { skip }, () => {
    const attack = new Attack(mode);
    const isNamespaced = mode !== 'landlock';
    const hasOwnUser = isRoot && mode !== 'user';
    let isPossible = false;

    before(async () => {
      process.env['SECRET_OF_THE_SERVER'] = 'secret';
      isPossible = await attack.open();
    });
    after(() => attack.close());

    function promises(what: string, act: () => Promise<void>): void {
      test(what, async (context) => {
        if (!isPossible) return context.skip(`mode ${mode} does not work here: ${attack.provider.isolation?.reason}`);
        // The workers would get no users of their own, since those could not read the program.
        if (hasOwnUser && !isNamespaced && privateCheckout !== false) return context.skip(privateCheckout);
        await act();
      });
    }

    promises('cannot read any file of the server by any path', async () => {
      const { state } = attack;
      const files = ['keys.json', 'state.db', 'objects/other-model', 'objects/bundle.tar', 'isolation-root/r/etc/passwd'];
      const roots = [
        '',
        `/proc/${process.pid}/root`,
        `/proc/${process.pid}/cwd`,
        '/proc/1/root',
        '/proc/self/root',
        '../../../..',
        '/old',
        '/r',
      ];
      for (const from of roots) {
        for (const file of files) assert.match(await attack.refusal(`result = open('${from}${join(state, file)}').read()`), denied);
      }
      for (const folder of [state, join(state, 'processes'), join(state, 'objects')]) {
        const { result = [] } = await attack.run(`import os\nresult = os.listdir('${folder}')`);
        assert.deepEqual(result, [], folder);
      }
      assert.match(await attack.refusal(`result = open('/etc/shadow').read()`), denied);
    });

    promises('reads the paths of its image, also below /tmp, and cannot change them', async () => {
      const path = join(attack.shared, 'weights');
      assert.equal((await attack.run(`result = open('${path}').read()`)).result, 'public');
      assert.match(await attack.refusal(`open('${path}', 'w')`), /PermissionError|OSError.*[Rr]ead-only/);
    });

    if (isNamespaced) {
      promises('cannot read the data directory even if a parent of it is in `paths`', async () => {
        await attack.start('w3', [root]);
        assert.equal((await attack.run(`result = open('${join(attack.shared, 'weights')}').read()`)).result, 'public');
        assert.match(await attack.refusal(`result = open('${join(attack.state, 'keys.json')}').read()`), denied);
        await attack.provider.stop('w3');
        attack.link = attack.provider.link('w1');
      });

      promises('reads its environment in the data directory, and nothing beside that, even if a parent of both is in `paths`', async () => {
        const environment = join(attack.state, 'environments/key');
        mkdirSync(environment, { recursive: true });
        writeFileSync(join(environment, 'package'), 'public', { mode: 0o644 });
        chmodSync(environment, 0o755);
        await attack.start('w4', [root, environment]);
        assert.equal((await attack.run(`result = open('${join(environment, 'package')}').read()`)).result, 'public');
        assert.match(await attack.refusal(`open('${join(environment, 'package')}', 'w')`), /PermissionError|OSError.*[Rr]ead-only/);
        assert.match(await attack.refusal(`result = open('${join(attack.state, 'keys.json')}').read()`), denied);
        assert.deepEqual((await attack.run(`import os\nresult = os.listdir('${attack.state}')`)).result, ['environments']);
        await attack.provider.stop('w4');
        attack.link = attack.provider.link('w1');
      });
    }

    if (!isNamespaced) {
      promises('is not started if a parent of the data directory is in `paths`, because Landlock cannot hide it', async () => {
        for (const [id, path] of Object.entries({ w5: root, w6: attack.state })) {
          await assert.rejects(attack.start(id, [path]), /contains the data directory .* Landlock cannot hide/);
          await attack.provider.stop(id);
        }
        attack.link = attack.provider.link('w1');
      });
    }

    promises('cannot see the server’s environment', async () => {
      const { result } = await attack.run(`import os\nresult = dict(os.environ)`);
      assert.doesNotMatch(JSON.stringify(result), /SECRET_OF_THE_SERVER|PENSTOCK_WORKER_TOKEN/);
      assert.match(await attack.refusal(`result = open('/proc/${process.pid}/environ').read()`), denied);
    });

    promises('cannot inspect or attach to another process', async () => {
      for (const file of ['mem', 'maps', 'fd/0', 'environ']) {
        assert.match(await attack.refusal(`result = open('/proc/${process.pid}/${file}', 'rb').read(1)`), denied);
      }
      const attach = `import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nresult = [libc.ptrace(16, ${process.pid}, 0, 0), ctypes.get_errno()]`;
      assert.equal(((await attack.run(attach)).result as number[])[0], -1);
    });

    if (isNamespaced || hasOwnUser) {
      promises('can only signal its own processes', async () => {
        assert.match(await attack.refusal(`import os\nresult = os.kill(${process.pid}, 0)`), /ProcessLookupError|PermissionError/);
      });
    }

    promises('gains no privileges, not even through privileged programs', async () => {
      const rights = await attack.run(`result = open('/proc/self/status').read()`);
      assert.match(String(rights.result), /CapEff:\s+0+\n/);
      assert.match(String(rights.result), /NoNewPrivs:\s+1\n/);
      if (hasOwnUser) assert.match(await attack.refusal(`import os\nresult = os.setuid(0)`), /PermissionError/);
      const mount = `import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nresult = [libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0), libc.unshare(0x20000), libc.chroot(b'/')]`;
      assert.deepEqual((await attack.run(mount)).result, [-1, -1, -1]);
      if (!isNamespaced) return;
      const namespace = `import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nresult = libc.unshare(0x10000000)`;
      assert.equal((await attack.run(namespace)).result, -1, 'a user namespace would expose the kernel’s whole attack surface');
    });

    promises('can only write to its own folders', async () => {
      assert.equal(
        (await attack.run(`import os\nopen(os.environ['TMPDIR'] + '/x', 'w').write('x')\nopen('y', 'w').write('y')`)).error,
        undefined,
      );
      for (const folder of ['/usr/lib', '/penstock/in', '/penstock/compile-cache', join(attack.state, 'compile-cache'), '/etc']) {
        assert.match(await attack.refusal(`open('${folder}/x', 'w')`), /FileNotFoundError|PermissionError|Read-only/);
      }
      assert.equal(existsSync(join(attack.state, 'x')), false);
    });

    promises('cannot fill the disk with one file', async () => {
      const grow = `
import errno, resource
limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
try:
    with open('log', 'wb') as file: file.truncate(limit + 1)
except OSError as error:
    result = [limit >= 2 ** 30, error.errno == errno.EFBIG]
`;
      assert.deepEqual((await attack.run(grow)).result, [true, true]);
    });

    for (const { how, name, code } of [
      { how: 'with many files', name: 'many', code: `open(os.path.join(folder, str(i)), 'wb').write(b'x' * 2 ** 20)` },
      {
        how: 'with deleted files',
        name: 'deleted',
        code: `f = open(os.path.join(folder, 'x'), 'wb'); f.write(b'x' * 2 ** 20); f.flush(); os.remove(f.name); __main__.kept = getattr(__main__, 'kept', []) + [f]`,
      },
    ]) {
      promises(`cannot fill the disk ${how}: it is ended with the reason, its files are removed, and other workers serve`, async () => {
        const ended = new Promise<WorkerView>((resolve) => {
          attack.provider.onChange((view) => view.spec.id === name && view.reason !== null && resolve(view));
        });
        await attack.start(name);
        const fill = `
import __main__, os, time
for folder in (os.getcwd(), os.environ['TMPDIR']):
    for i in range(70): ${code}
`;
        const answer = attack.run(fill).catch(() => undefined);
        const { reason } = await ended;
        await answer;
        assert.match(reason ?? '', /its files took more than 64 MiB of the disk: isolation.diskMiB/);
        await attack.provider.stop(name);
        assert.equal(readdirSync(join(attack.state, 'processes')).length, 1, 'the folder of the other worker');
        attack.link = attack.provider.link('w1');
        assert.equal((await attack.run('result = 1')).result, 1);
      });
    }

    promises('leaves no files behind, whatever permissions they have', async () => {
      const memory = `penstock-left-${process.pid}-${mode}`;
      await attack.start('left');
      const leave = `
import os
os.makedirs('locked/inner')
os.chmod('locked/inner', 0)
os.chmod('locked', 0)
open('/dev/shm/${memory}', 'w').write('x')
`;
      await attack.run(leave);
      await attack.provider.stop('left');
      assert.equal(readdirSync(join(attack.state, 'processes')).length, 1, 'the folder of the other worker');
      assert.equal(existsSync(join('/dev/shm', memory)), false);
      attack.link = attack.provider.link('w1');
    });

    promises('can fork up to its limit only, cannot raise it, and the server still starts workers meanwhile', async () => {
      const [folders, end] = [join(attack.state, 'processes'), join(attack.shared, 'end')];
      const bomb = `
import os, resource, signal, time
pids, error = [], None
limit, hard = resource.getrlimit(resource.RLIMIT_NPROC)
try: resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1, hard + 1))
except ValueError: result = [limit, hard]
try:
    while len(pids) <= limit:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        pids.append(pid)
except OSError as failure: error = type(failure).__name__
finally:
    result += [len(pids), error]
    open(os.environ['TMPDIR'] + '/at-limit', 'w').close()
    while not os.path.exists('${end}'): time.sleep(0.02)
    for pid in pids: os.kill(pid, 9)
    for pid in pids: os.wait()
`;
      const bombed = attack.run(bomb);
      const isAtLimit = (): boolean => readdirSync(folders).some((each) => existsSync(join(folders, each, 'tmp/at-limit')));
      await until('the worker reaches its limit', isAtLimit);
      await attack.start('w2');
      writeFileSync(end, '');
      const [limit, hard, count, error] = (await bombed).result as [number, number, number, string];
      assert.deepEqual([hard, error], [limit, 'BlockingIOError']);
      // The limit of a worker under the server's user includes that user's other processes, which start and end meanwhile.
      const isOwnLimit = isNamespaced || hasOwnUser;
      assert(count > (isOwnLimit ? 100 : 0) && count < limit, `${count} processes, limit ${limit}`);
      if (isOwnLimit) assert(limit <= processesMax, String(limit));
      await attack.provider.stop('w2');
      attack.link = attack.provider.link('w1');
    });

    promises('is distinguished from the server on the network, or the server knows that it cannot be', async () => {
      const sockets: Socket[] = [];
      const server = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as { port: number };
      after(() => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
      const requested = await attack.run(
        `import socket\ns = socket.create_connection(('127.0.0.1', ${port}))\nresult = s.getsockname()[1]\nimport __main__\n__main__.kept = s`,
      );
      const hexOf = (each: number): string => each.toString(16).toUpperCase().padStart(4, '0');
      // Both ports: a connection of another program may use the same local port.
      const ends = `[0-9A-F]+:${hexOf(requested.result as number)} [0-9A-F]+:${hexOf(port)}`;
      const [, uid] =
        new RegExp(`^ *\\d+: ${ends} [0-9A-F]{2} \\S+ \\S+ \\S+ +(\\d+)`, 'm').exec(readFileSync('/proc/net/tcp', 'utf8')) ?? [];
      assert.equal(attack.provider.isForeignUid(Number(uid)), hasOwnUser);
      assert.equal(attack.provider.isForeignUid(process.getuid?.() ?? 0), false);
      assert.deepEqual([attack.provider.isForeignCodeUnconfined(), attack.provider.hasForeignUsers()], [!hasOwnUser, hasOwnUser]);
    });

    promises('does not outlive its worker, even if that is killed', async () => {
      const keepsMark = !isNamespaced && !hasOwnUser; // with Landlock alone, processes are found only by their mark
      for (const [index, end] of [async () => attack.provider.restart('w1', 'test'), () => attack.provider.stop('w1')].entries()) {
        const name = `daemon-${process.pid}-${mode}-${index}`;
        const started = await attack.run(daemon(name, keepsMark));
        assert.equal(started.error, undefined, started.text);
        assert.equal(processesNamed(name).length, 1);
        const { pid } = attack;
        await end();
        const isOver = (): boolean => attack.provider.list().every((view) => view.state === 'ready' && view.pid !== pid);
        while (startTicks(pid) !== null || !isOver()) await new Promise((resolve) => setTimeout(resolve, 20));
        assert.deepEqual(processesNamed(name), []);
        attack.link = attack.provider.link('w1');
      }
      assert.deepEqual(readdirSync(join(attack.state, 'processes')), []);
      // Connections of the ended worker may still wait to be accepted, so calls without a key are trusted only a minute later.
      assert.deepEqual([attack.provider.isForeignCodeUnconfined(), attack.provider.hasForeignUsers()], [!hasOwnUser, hasOwnUser]);
    });
  });
}

for (const mode of isRoot ? ['root'] : ['user']) {
  test(`a worker of ONNX models has no network and sees no server file or other process in mode ${mode}`, async (context) => {
    const state = mkdtempSync(join(root, 'state-'));
    const isolation = isolationSettings({ mode });
    const provider = new LocalProvider({
      clock: new SystemClock(),
      log,
      stateDirectory: state,
      warmWorkers: 0,
      fetchFile: pathAsAddress,
      isolation,
    });
    await provider.open();
    try {
      if (provider.isolation?.mode !== mode) return context.skip(`mode ${mode} does not work here: ${provider.isolation?.reason}`);
      const spec: WorkerSpec = {
        id: 'w1',
        endpoint: 'e',
        variant: 'v',
        generation: 1,
        artifact: artifactAt(modelPath('test_affine')),
        modelName: 'm/1',
        threads: 1,
        memoryMiB: 512,
        instanceType: 'local.1',
        kind: 'instance',
        vcpuMax: null,
      };
      await provider.start(spec);
      const { pid } = await new Promise<WorkerView>((resolve) => {
        provider.onChange((view) => view.state === 'ready' && resolve(view));
      });
      // Checked from outside: its root, its network devices, its user.
      const networkOf = (of: string) => readlinkSync(`/proc/${of}/ns/net`);
      assert.notEqual(networkOf(String(pid)), networkOf('self'));
      assert.notEqual(readlinkSync(`/proc/${pid}/ns/pid`), readlinkSync('/proc/self/ns/pid'));
      const devices = readFileSync(`/proc/${pid}/net/dev`, 'utf8')
        .split('\n')
        .filter((line) => line.includes(':'));
      assert.deepEqual(
        devices.map((line) => line.split(':')[0]?.trim()),
        ['lo'],
      );
      assert.equal(existsSync(`/proc/${pid}/root${state}`), false);
      assert.deepEqual(readdirSync(`/proc/${pid}/root/penstock/in`), ['compile-cache'], 'the model is loaded: its file was removed');
      const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      assert.equal(provider.isForeignUid(Number(uid)), mode === 'root');
      assert.deepEqual([provider.isForeignCodeUnconfined(), provider.hasForeignUsers()], [false, false]);
    } finally {
      await provider.close();
    }
  });
}

describe('without any working isolation', { skip }, () => {
  test('foreign code is not started, unless the operator disabled isolation', async () => {
    const refused = new Attack('root');
    const mode = isRoot ? 'none' : 'root';
    const attack = isRoot ? new Attack(mode) : refused;
    const isStarted = await attack.open();
    try {
      assert.equal(isStarted, isRoot);
      assert.equal(attack.provider.isolation?.mode, isRoot ? 'none' : 'unavailable');
      assert.equal(attack.provider.isForeignCodeUnconfined(), isRoot);
      if (!isRoot) await assert.rejects(attack.start('w1'), /no isolation works here/);
    } finally {
      await attack.close();
    }
  });
});

for (const { what, limits, options } of [
  { what: 'all of this holds for a server run by an ordinary user', limits: [], options: [] },
  {
    what: 'a worker leaves processes to a server that may have few',
    limits: ['prlimit', '--nproc=500:500'],
    options: ['--test-name-pattern=can fork up to'],
  },
]) {
  test(what, { skip: skip || !isRoot || privateCheckout }, () => {
    // Of no other test: what a worker forks counts for its user.
    const uid = String(61_000 + (process.pid % 1000));
    const noOne = ['setpriv', '--reuid', uid, '--regid', uid, '--clear-groups'];
    const env = { PATH: process.env['PATH'], HOME: '/tmp' };
    const node = [process.execPath, '--test', '--test-reporter=tap', ...options, import.meta.filename];
    const [program = '', ...args] = [...limits, ...noOne, ...node];
    const child = spawnSync(program, args, { env, encoding: 'utf8' });
    assert.equal(child.status, 0, child.stdout + child.stderr);
    if (options.length > 0) assert.doesNotMatch(child.stdout, /# SKIP .*(ulimit|NPROC)/);
  });
}

/**
 * What every way of starting a worker's process promises, and what forked workers promise beyond: they reach neither each other nor the
 * fork server. The workers are small Python programs.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { until } from '../../../test/end-to-end/poll.ts';
import { openForkServers } from '../../../test/fork-servers-fixture.ts';
import { privateCheckout } from '../../../test/private-checkout.ts';
import { SystemClock } from '../../clock.ts';
import type { LaunchedWorker } from './launched-worker.ts';
import { startTicks } from './process-facts.ts';
import { type Spawned, SpawnedProcess } from './spawned.ts';

const clock = new SystemClock();
const { forks, python, workersDirectory, skip, skipForks, runs, close } = await openForkServers();

async function fork(program: string): Promise<LaunchedWorker> {
  const worker = await forks.fork(python, ['json'], runs(program));
  assert(worker !== null, `not forked: ${JSON.stringify(forks.list())}`);
  return worker;
}

const ways = [
  {
    name: 'spawned',
    skip,
    start: async (program: string): Promise<Spawned> =>
      new SpawnedProcess({
        clock,
        program: 'python3',
        args: ['-I', '-u', '-c', program],
        cwd: '/tmp',
        environment: { PATH: process.env['PATH'] ?? '' },
        memoryFd: null,
        isNamespaced: false,
        startsProcesses: true,
      }),
  },
  { name: 'forked', skip: skipForks, start: async (program: string): Promise<Spawned> => (await fork(program)).spawned },
];

/** Resolves with the first line that starts with this word, without the word. On a busy machine it can be there already. */
function lineWith(spawned: Spawned, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const before = spawned.lines.toString().split('\n');
    for (const line of before) if (line.startsWith(word)) resolve(line.slice(word.length).trim());
    spawned.onLine((line) => {
      if (line.startsWith(word)) resolve(line.slice(word.length).trim());
    });
    void spawned.ended.then((how) => reject(new Error(`it ended without the line ${word}: ${how}`)));
  });
}

/** A daemon prints its pid; the program then waits for a signal. */
const daemon = `
import os, signal, time
if os.fork() == 0:
    print('child', os.getpid(), flush=True)
    time.sleep(600)
time.sleep(600)
`;
const waits = "import time; print('ready', flush=True); time.sleep(600)";

for (const { name, start, skip: skipped } of ways) {
  test(`a ${name} worker reports its exit code with its last lines`, { skip: skipped }, async () => {
    const spawned = await start("import sys; print('one'); sys.stdout.flush(); print('two', file=sys.stderr); sys.exit(3)");
    assert.match(await spawned.ended, /^exit code 3: (one\ntwo|two\none)$/);
    assert.deepEqual(spawned.exit, { code: 3, signal: null });
  });

  test(`a ${name} worker that is killed reports the signal`, { skip: skipped }, async () => {
    const spawned = await start(waits);
    await lineWith(spawned, 'ready');
    assert.deepEqual(spawned.exit, { code: null, signal: null }, 'it runs');
    assert(spawned.pid !== null && startTicks(spawned.pid) !== null, 'its pid is that of a running process');
    spawned.kill();
    assert.equal(await spawned.ended, 'killed by SIGKILL: ready');
    assert.deepEqual(spawned.exit, { code: null, signal: 'SIGKILL' });
  });

  test(`a ${name} worker can end in its own way at SIGTERM`, { skip: skipped }, async () => {
    const spawned = await start(`import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n${waits}`);
    await lineWith(spawned, 'ready');
    spawned.terminate();
    assert.equal(await spawned.ended, 'exit code 7: ready');
  });

  test(`a ${name} worker shows where it is at the signal for it`, { skip: skipped }, async () => {
    const spawned = await start(`import faulthandler, signal; faulthandler.register(signal.SIGUSR2, all_threads=True)\n${waits}`);
    await lineWith(spawned, 'ready');
    const place = lineWith(spawned, '  File');
    spawned.requestStack();
    assert.match(await place, /, line 2 in <module>$/);
    assert.deepEqual(spawned.exit, { code: null, signal: null }, 'it runs on');
    spawned.kill();
    await spawned.ended;
  });

  test(`a ${name} worker that is killed takes its own processes with it`, { skip: skipped }, async () => {
    const spawned = await start(daemon);
    await lineWith(spawned, 'child');
    spawned.kill();
    // Its output only ends with the last process that has it open.
    assert.match(await spawned.ended, /^killed by SIGKILL/);
  });

  test(`a ${name} worker that floods its output waits, and most of its lines are dropped`, { skip: skipped }, async () => {
    const spawned = await start('import os\nfor _ in range(66): os.write(1, b"x\\n" * 32768)\nos.write(1, b"end\\n")');
    let lines = 0;
    spawned.onLine(() => lines++);
    assert.match(await spawned.ended, /^exit code 0: (x\n)+end$/);
    assert(lines < 1_000_000, `${lines} of 2 million lines were passed on`);
  });

  test(`ending a ${name} worker twice is harmless`, { skip: skipped }, async () => {
    const spawned = await start('pass');
    await spawned.ended;
    spawned.kill();
    spawned.terminate();
    assert.deepEqual(spawned.exit, { code: 0, signal: null });
  });
}

const statusOf = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'utf8');

/** Stops process 1 of the namespace of a worker; its pid. */
async function stoppedFirst(worker: number): Promise<number> {
  const first = Number(/^PPid:\t(\d+)/m.exec(statusOf(worker))?.[1]);
  process.kill(first, 'SIGSTOP');
  await until('it has stopped', () => statusOf(first).includes('State:\tT'));
  return first;
}

test('a forked worker that is killed right after it ended by itself still reports its exit code', { skip: skipForks }, async () => {
  const { spawned } = await fork('import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(3))\n' + waits);
  await lineWith(spawned, 'ready');
  const worker = spawned.pid ?? 0;
  const first = await stoppedFirst(worker); // as if it waited for a core
  spawned.terminate();
  await until('the worker has ended', () => statusOf(worker).includes('State:\tZ'));
  spawned.kill();
  process.kill(first, 'SIGCONT');
  assert.equal(await spawned.ended, 'exit code 3: ready');
});

test('a forked worker whose process 1 was stopped is ended, too', { skip: skipForks }, async () => {
  const { spawned } = await fork(waits);
  await lineWith(spawned, 'ready');
  await stoppedFirst(spawned.pid ?? 0);
  spawned.kill();
  assert.equal(await spawned.ended, 'killed by SIGKILL: ready');
});

/** Leaves a secret in every place that a model can write to, and listens on every kind of local address. */
const victim = `
import ctypes, os, random, socket, time
for path in ('/opt/ml/secret', '/tmp/secret', '/dev/shm/secret'):
    open(path, 'w').write('secret')
abstract = socket.socket(socket.AF_UNIX); abstract.bind('\\0victim'); abstract.listen()
queue = ctypes.CDLL(None).shmget(4711, 4096, 0o1666)
assert queue != -1
print('ready', random.random(), flush=True)
time.sleep(600)
`;

/** Each attempt prints a line if it succeeds. */
const attacker = `
import ctypes, json, os, random, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
done = []
def attempt(name, act):
    try:
        result = act()
    except OSError:
        return
    if result not in (None, False, [], -1):
        done.append(name)
def walk(path):
    return [os.path.join(base, name) for base, _, names in os.walk(path) for name in names if name == 'secret']
def visible():
    return [int(name) for name in os.listdir('/proc') if name.isdigit() and int(name) not in (1, os.getpid())]
for path in ('/opt/ml', '/tmp', '/dev/shm', '/penstock', '/proc/1/root/penstock', '/proc/1/cwd'):
    attempt('sees a file of another worker in ' + path, lambda: walk(path))
for path in ('/penstock/inputs', '/penstock/own', '/penstock/memory', '/old'):
    attempt('lists ' + path, lambda: os.listdir(path))
attempt('sees processes of others', visible)
attempt('connects to an abstract socket', lambda: [socket.socket(socket.AF_UNIX).connect('\\0victim'), True])
attempt('attaches to shared memory', lambda: libc.shmget(4711, 4096, 0o666))
attempt('has a user namespace', lambda: libc.unshare(0x10000000) == 0)
attempt('has a mount namespace', lambda: libc.unshare(0x20000) == 0)
for path in ('/penstock/inputs', '/penstock/own', '/penstock/memory', '/tmp', '/opt/ml', '/proc', '/'):
    attempt('unmounts ' + path, lambda: libc.umount2(path.encode(), 2) == 0)
    attempt('remounts ' + path, lambda: libc.mount(None, path.encode(), None, ctypes.c_ulong(4096 | 32), None) == 0)
attempt('raises the limit of namespaces', lambda: open('/proc/sys/user/max_user_namespaces', 'w').write('1'))
for path in ('/penstock/in/x', sys.prefix + '/x', os.__file__, '/penstock/x', '/penstock/socket/x', json.__cached__):
    attempt('writes ' + path, lambda: os.open(path, os.O_RDWR | os.O_CREAT))
attempt('has files of the fork server open', lambda: [n for n in os.listdir('/proc/self/fd') if int(n) > 3 and os.path.exists('/proc/self/fd/' + n)])
attempt('has files of the fork server open in process 1',
    lambda: [os.readlink('/proc/1/fd/' + n) for n in os.listdir('/proc/1/fd') if os.readlink('/proc/1/fd/' + n) != '/dev/null'])
attempt('traces its parent', lambda: os.getppid() not in (0, 1))
for line in open('/proc/self/status'):
    if line.startswith('Cap') and int(line.split()[1], 16):
        done.append('has capabilities: ' + line)
print('done', '; '.join(done)[:900], flush=True)
print('random', random.random(), flush=True)
if os.fork() == 0:
    import time; time.sleep(600)
os.kill(-1, signal.SIGKILL)  # all but itself and process 1
os.kill(os.getpid(), signal.SIGKILL)
`;

test('a forked worker reaches neither the files, the memory nor the processes of another', { skip: skipForks }, async () => {
  const other = (await fork(victim)).spawned;
  const random = await lineWith(other, 'ready');
  const hostile = (await fork(attacker)).spawned;
  const numbers = new Promise<string>((resolve) => {
    void hostile.ended.then(() => resolve(/random (\S+)/.exec(hostile.lines.toString())?.[1] ?? ''));
  });
  assert.equal(await lineWith(hostile, 'done'), '', 'what it could do');
  assert.match(await hostile.ended, /^killed by SIGKILL/);
  assert.notEqual(await numbers, random, 'each has its own random numbers');
  assert.deepEqual(other.exit, { code: null, signal: null }, 'the other one runs');
  assert(other.pid !== null && startTicks(other.pid) !== null);
  const next = (await fork("import json, sys; print('after', json.dumps(1))")).spawned;
  assert.equal(await next.ended, 'exit code 0: after 1', 'the fork server works');
  other.kill();
  await other.ended;
});

test('what a forked worker changes in its memory is not seen by the next one', { skip: skipForks }, async () => {
  const changes = "import json, os, sys; json.loads = None; os.environ['X'] = '1'; sys.path.insert(0, '/tmp'); open('/tmp/json.py', 'w')";
  await (await fork(changes)).spawned.ended;
  const looks = "import json, os, sys; print(json.loads('1'), os.environ.get('X'), '/tmp' in sys.path, os.path.exists('/tmp/json.py'))";
  assert.equal(await (await fork(looks)).spawned.ended, 'exit code 0: 1 None False False');
});

/** Looks up the processes that the keeper of this one has now. */
function siblingsOf(pid: number): () => readonly number[] {
  const keeper = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  return () => readFileSync(`/proc/${keeper}/task/${keeper}/children`, 'utf8').trim().split(' ').map(Number);
}

test('the death of a fork server takes no worker with it, and the next one forks again', { skip: skipForks }, async () => {
  const worker = (await fork(waits)).spawned;
  await lineWith(worker, 'ready');
  for (let kills = 0; kills < 2; kills++) {
    const pid = forks.list()[0]?.pid ?? null;
    assert(pid !== null);
    const siblings = siblingsOf(pid);
    const before = siblings();
    process.kill(pid, 'SIGKILL');
    if (kills === 0) {
      // The next one is killed too, while it imports.
      const isNew = (each: number): boolean => !before.includes(each);
      while (!siblings().some(isNew)) await new Promise<void>((resolve) => clock.after(1, resolve));
      for (const each of siblings().filter(isNew)) process.kill(each, 'SIGKILL');
    }
    // At first it is prepared again at once, then after a delay in which workers are spawned.
    const restarted = async (): Promise<LaunchedWorker> => {
      const next = forks.list()[0]?.pid === pid ? null : await forks.fork(python, ['json'], runs('pass'));
      if (next !== null) return next;
      await new Promise<void>((resolve) => clock.after(20, resolve));
      return restarted();
    };
    assert.equal(await (await restarted()).ended, 'exit code 0');
  }
  assert.deepEqual(worker.exit, { code: null, signal: null });
  assert.equal(forks.list()[0]?.workers, 1);
  worker.kill();
  assert.equal(await worker.ended, 'killed by SIGKILL: ready');
});

test('closing the fork servers leaves neither processes nor folders', { skip: skipForks }, async () => {
  const worker = (await fork(waits)).spawned;
  await lineWith(worker, 'ready');
  await forks.close();
  assert.equal(await worker.ended, 'killed by SIGKILL: ready', 'workers end with the keeper');
  assert.deepEqual(existsSync(workersDirectory) ? readdirSync(workersDirectory) : [], []);
  assert.deepEqual(
    readdirSync('/dev/shm').filter((name) => name.startsWith(`penstock-fork-${process.pid}-`)),
    [],
  );
  assert.equal(await forks.fork(python, []), null, 'a closed one forks no more');
});

test('all of this holds for a server run by an ordinary user', { skip: skip || process.getuid?.() !== 0 || privateCheckout }, () => {
  const noOne = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
  // Not the root user's own Python, which others cannot reach.
  const env = { PATH: `/usr/local/bin:/usr/bin:/bin:${process.env['PATH']}`, HOME: '/tmp' };
  const command = [...noOne, process.execPath, '--test', '--test-reporter=tap', import.meta.filename];
  const child = spawnSync('setpriv', command, { env, encoding: 'utf8' });
  assert.equal(child.status, 0, child.stdout + child.stderr);
});

test.after(close);

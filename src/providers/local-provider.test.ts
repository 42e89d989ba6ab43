/** Uses real processes. Tests that depend on time use a virtual clock, which does not affect the processes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { artifactAt, pathAsAddress } from '../../test/model-artifacts.ts';
import { modelPath } from '../../test/models/index.ts';
import { SystemClock, VirtualClock } from '../clock.ts';
import type { Log } from '../logs/index.ts';
import type { WorkerExit } from '../records/index.ts';
import { type TensorParts, type WorkerLink, WorkerLost } from '../runtime/index.ts';
import { bytesOf } from '../tensor.ts';
import { LocalProvider, type WorkerSpec, type WorkerView } from './index.ts';
import { startTicks } from './processes/process-facts.ts';
import { restartDelayMs } from './processes/supervised-worker.ts';

const root = mkdtempSync('/tmp/penstock-test-');
process.env['TMPDIR'] = join(root, 'tmp'); // so only the listener of this test is found
mkdirSync(process.env['TMPDIR']);
after(() => rmSync(root, { recursive: true }));

/** Namespaces with separate user ids need root. */
const withoutRoot = process.getuid?.() === 0 ? false : 'requires root';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
} satisfies Log as Log;

let clock: VirtualClock | SystemClock;
let state: string;
let provider: LocalProvider;

async function open(options: { clock?: SystemClock; warmWorkers?: number; startDelayMs?: number } = {}): Promise<void> {
  clock = options.clock ?? new VirtualClock();
  provider = new LocalProvider({ warmWorkers: 0, ...options, clock, log: silent, stateDirectory: state, fetchFile: pathAsAddress });
  await provider.open();
}

beforeEach(() => {
  state = mkdtempSync(join(root, 'state-'));
});
afterEach(() => provider.close());

function spec(model: string, changes: Partial<WorkerSpec> = {}): WorkerSpec {
  return {
    id: 'w1',
    endpoint: 'e',
    variant: 'AllTraffic',
    generation: 1,
    artifact: artifactAt(modelPath(model)),
    modelName: `${model}/1`,
    threads: 1,
    memoryMiB: 1024,
    instanceType: 'local.1',
    kind: 'instance',
    vcpuMax: null,
    ...changes,
  };
}

/** Resolves with the first matching view, the current one or a later one. */
function viewWhere(isIt: (view: WorkerView) => boolean): Promise<WorkerView> {
  return new Promise((resolve) => {
    const off = provider.onChange(look);
    function look(view: WorkerView): void {
      if (!isIt(view)) return;
      off();
      resolve(view);
    }
    provider.list().filter(isIt).slice(0, 1).forEach(look);
  });
}

const isReady = (view: WorkerView) => view.state === 'ready';

function advance(ms: number): void {
  assert(clock instanceof VirtualClock);
  clock.advance(ms);
}

async function started(worker: WorkerSpec): Promise<{ view: WorkerView; link: WorkerLink; pid: number }> {
  await provider.start(worker);
  const view = await viewWhere(isReady);
  return { view, link: provider.link(worker.id) as WorkerLink, pid: view.pid as number };
}

function floats(name: string, shape: readonly number[], value: number): TensorParts {
  const count = shape.reduce((product, size) => product * size, 1);
  return { name, datatype: 'FP32', shape, parts: [bytesOf(new Float32Array(count).fill(value))] };
}

function int64s(name: string, shape: readonly number[], ...values: bigint[]): TensorParts {
  return { name, datatype: 'INT64', shape, parts: [bytesOf(BigInt64Array.from(values))] };
}

/** About 4 us per iteration. */
function slowRun(iterations: bigint): TensorParts[] {
  return [floats('x', [1, 256], 0.5), int64s('iters', [], iterations)];
}

async function processEnd(pid: number, ticks: string | null): Promise<void> {
  while (startTicks(pid) === ticks && ticks !== null) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a worker is ready once it has answered a real inference, and can be called', async () => {
  await open();
  const { view, link } = await started(spec('test_affine'));
  assert.equal(view.restarts, 0);
  assert.equal(view.reason, null);
  assert((view.rssBytes as number) > 20e6);
  const { outputs } = await link.run([floats('x', [2, 3], 1)]);
  assert.deepEqual(outputs[0]?.shape, [2, 3]);
});

test('a configured start delay applies to instances, not to functions, and ends if the worker is stopped', async () => {
  await open({ startDelayMs: 20_000 });
  await provider.start(spec('test_affine', { id: 'f1', kind: 'function' }));
  await viewWhere(isReady);
  await provider.start(spec('test_affine', { id: 'w2' }));
  await provider.start(spec('test_affine'));
  advance(19_999);
  await provider.stop('w2');
  assert.deepEqual(
    provider.list().map(({ spec: { id }, state: is, pid }) => [id, is, pid === null]),
    [
      ['f1', 'ready', false],
      ['w1', 'starting', true],
    ],
  );
  advance(1);
  const { startedAtMs, readyAtMs } = await viewWhere((view) => view.spec.id === 'w1' && isReady(view));
  assert.equal((readyAtMs as number) - startedAtMs, 20_000);
});

test('starting the same id again changes nothing', async () => {
  await open();
  const { pid } = await started(spec('test_affine'));
  await provider.start(spec('test_affine'));
  assert.deepEqual(
    provider.list().map((view) => view.pid),
    [pid],
  );
});

test('a model that rejects generated inputs is ready anyway', async () => {
  await open();
  // Floats in [0, 1) as a shape, or an index of a large table: only the user knows the valid inputs of a model.
  const { link } = await started(spec('test_gather_fail'));
  await assert.rejects(link.run([int64s('ix', [1], 99n)]), { code: 'invalid_request' });
});

test('a worker killed during a run is restarted at once, with a new link', async () => {
  await open();
  const { link, pid } = await started(spec('test_slow_loop'));
  const run = link.run(slowRun(10_000_000n));
  const restarting = viewWhere((view) => view.state === 'starting');
  process.kill(pid, 'SIGKILL');
  await assert.rejects(run, WorkerLost);
  const { reason, restarts } = await restarting;
  assert.equal(provider.link('w1'), null);
  assert.deepEqual([reason, restarts], ['killed by SIGKILL', 1]);
  advance(0);
  const again = await viewWhere(isReady);
  assert.notEqual(again.pid, pid);
  assert.notEqual(provider.link('w1'), link);
  assert.equal((await (provider.link('w1') as WorkerLink).run(slowRun(1n))).outputs.length, 1);
});

test('reports the unrequested end of a ready worker, with its cause and the next step', async () => {
  await open();
  const reported: (WorkerExit | null)[] = [];
  provider.onEnded((_, end) => void reported.push(end));
  const { pid } = await started(spec('test_affine'));
  for (const end of [() => process.kill(pid, 'SIGKILL'), () => provider.restart('w1', 'it hung')]) {
    const ended = viewWhere((view) => view.pid === null);
    end();
    await ended;
    advance(500);
    await viewWhere(isReady);
  }
  await provider.stop('w1');
  assert.deepEqual(
    reported.map((end) => end && [end.worker, end.executor, end.model, end.reason, end.exitCode, end.signal, end.restartMs]),
    [
      ['w1', 'instance:local.1', 'test_affine/1', 'killed by SIGKILL', null, 'SIGKILL', 0],
      ['w1', 'instance:local.1', 'test_affine/1', 'it hung', null, 'SIGKILL', 500],
      null,
    ],
  );
});

test('reports a killed function, even if it is stopped as soon as its link is gone', async () => {
  await open();
  const reported: (WorkerExit | null)[] = [];
  provider.onEnded((_, end) => void reported.push(end));
  const { link, pid } = await started(spec('test_affine', { kind: 'function', instanceType: 'function:1024' }));
  const stopped = new Promise<void>((resolve) => link.onClose(() => resolve(provider.stop('w1'))));
  process.kill(pid, 'SIGKILL');
  await stopped;
  assert.deepEqual(
    reported.map((end) => end && [end.executor, end.reason, end.restartMs]),
    [['function:1024', 'killed by SIGKILL', null]],
  );
});

test('three crashes without ten stable seconds are a failure, retried at growing intervals', async () => {
  await open();
  await started(spec('test_affine'));
  for (const [state, delayMs] of [
    ['starting', 0],
    ['starting', 500],
    ['failed', 1000],
  ] as const) {
    const ended = viewWhere((view) => view.pid === null);
    process.kill(provider.list()[0]?.pid as number, 'SIGKILL');
    assert.equal((await ended).state, state);
    advance(delayMs);
    await viewWhere(isReady);
  }
  advance(10_000); // stable again: the next crash counts as the first
  const ended = viewWhere((view) => view.pid === null);
  process.kill(provider.list()[0]?.pid as number, 'SIGKILL');
  assert.equal((await ended).state, 'starting');
});

test('the interval doubles up to half a minute', () => {
  assert.deepEqual([1, 2, 3, 4, 7, 8, 9, 100].map(restartDelayMs), [0, 500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
});

test('a model that does not load fails at once with the reason', async () => {
  await open();
  const broken = join(state, 'broken.onnx');
  writeFileSync(broken, 'not a model');
  await provider.start(spec('test_affine', { artifact: artifactAt(broken) }));
  const { reason } = await viewWhere((view) => view.state === 'failed');
  assert.match(reason as string, /failed to load the model: .*protobuf/i);
  await provider.stop('w1');
  assert.deepEqual(provider.list(), []);
});

test('restart ends a hanging run with the given reason', async () => {
  await open();
  const { link } = await started(spec('test_slow_loop'));
  const run = link.run(slowRun(100_000_000n));
  const restarting = viewWhere((view) => view.state === 'starting');
  provider.restart('w1', 'a run took longer than its timeout');
  await assert.rejects(run, WorkerLost);
  assert.equal((await restarting).reason, 'a run took longer than its timeout');
});

test('an idle worker that does not answer is restarted', async () => {
  await open();
  const { pid } = await started(spec('test_affine'));
  process.kill(pid, 'SIGSTOP');
  const restarting = viewWhere((view) => view.state === 'starting');
  advance(500); // pinged
  advance(10_500);
  assert.match((await restarting).reason as string, /did not answer for 10 s/);
});

test('a long run does not count as unresponsive', async () => {
  await open();
  const { link, pid } = await started(spec('test_slow_loop'));
  const run = link.run(slowRun(20_000n));
  advance(60_000);
  await run;
  assert.equal(provider.list()[0]?.pid, pid);
});

test('stop ends a worker in the middle of a run', async () => {
  await open();
  const { link, pid } = await started(spec('test_slow_loop'));
  const ticks = startTicks(pid);
  const run = link.run(slowRun(100_000_000n));
  await Promise.all([assert.rejects(run, WorkerLost), provider.stop('w1')]);
  assert.notEqual(startTicks(pid), ticks);
  assert.equal(provider.link('w1'), null);
  await provider.stop('w1');
  await provider.stop('unknown id');
});

test('a process that ignores SIGTERM is killed after the grace period', async () => {
  await open();
  const { pid } = await started(spec('test_affine'));
  process.kill(pid, 'SIGSTOP'); // SIGTERM is pending until it continues
  const stopped = provider.stop('w1');
  advance(2_000);
  await stopped;
  assert.equal(startTicks(pid), null);
});

test('an allocation beyond the memory of its instance type fails alone; the worker continues', async () => {
  await open();
  const { link, pid } = await started(spec('test_alloc', { memoryMiB: 256 }));
  const gibibytes = (count: bigint) => [floats('v', [1], 1), int64s('shape', [1], count * 2n ** 28n)];
  await assert.rejects(link.run(gibibytes(10n)), { code: 'model_failed', message: /exceeded its memory limit/ });
  assert.equal(provider.list()[0]?.pid, pid);
});

test('a worker that grew beyond the memory of its instance type is restarted', async () => {
  await open();
  const { link } = await started(spec('test_alloc', { memoryMiB: 128 }));
  await link.run([floats('v', [1], 1), int64s('shape', [1], 75_000_000n)]); // 300 MB, which onnxruntime retains
  const restarting = viewWhere((view) => view.state === 'starting');
  advance(500);
  assert.match((await restarting).reason as string, /MiB of memory, more than the 192 MiB of local.1/);
});

test('unknown connections to the socket are rejected without affecting others', async () => {
  await open();
  const { link } = await started(spec('test_affine'));
  const [folder] = readdirSync(process.env['TMPDIR'] as string);
  for (const said of [Buffer.alloc(64, 0xff), Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(32, 0)]) {
    const unknown = connect(join(process.env['TMPDIR'] as string, folder as string, 'socket'));
    unknown.on('error', () => undefined).write(said);
    unknown.resume();
    await new Promise((resolve) => unknown.once('close', resolve));
  }
  const silentOne = connect(join(process.env['TMPDIR'] as string, folder as string, 'socket'));
  const closed = once(silentOne.resume(), 'close'); // at once, because no worker is expected
  await once(silentOne, 'connect');
  await link.status(); // a round trip, so the server has processed it
  advance(5_000);
  await closed;
  assert.equal((await link.run([floats('x', [1, 3], 1)])).outputs.length, 2);
});

test('a worker starts although a thousand silent connections are open, and few of them stay open', async () => {
  await open();
  const [folder] = readdirSync(process.env['TMPDIR'] as string);
  let closed = 0;
  for (let count = 0; count < 1000; count++) {
    const silentOne = connect(join(process.env['TMPDIR'] as string, folder as string, 'socket'));
    silentOne.once('close', () => closed++).on('error', () => undefined);
    silentOne.resume();
    await once(silentOne, 'connect');
  }
  const { link } = await started(spec('test_affine'));
  assert.equal((await link.run([floats('x', [1, 3], 1)])).outputs.length, 2);
  assert(closed >= 700, `${closed} of 1000 silent connections were closed`);
});

test('warm workers are taken and replaced', async () => {
  await open({ clock: new SystemClock(), warmWorkers: 1 });
  const running = () => readdirSync(join(state, 'workers')).filter((name) => /^\d/.test(name)).length;
  while (running() < 1) await new Promise((resolve) => setTimeout(resolve, 10));
  while (provider.warmWorkers < 1) await new Promise((resolve) => setTimeout(resolve, 10));
  await started(spec('test_affine'));
  while (running() < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  while (provider.warmWorkers < 1) await new Promise((resolve) => setTimeout(resolve, 10));
});

test('a borrowed worker runs its task and is ended', async () => {
  await open();
  let pids: string[] = [];
  const inspection = await provider.borrow((link) => {
    pids = readdirSync(join(state, 'workers')).filter((name) => /^\d/.test(name));
    return link.inspect({ path: modelPath('digits_mlp') }, join(state, 'unused.onnx'));
  });
  assert.equal(inspection.batchable, true);
  const [pid, ticks] = (pids[0] as string).split('-');
  assert.notEqual(startTicks(Number(pid)), ticks);
  await assert.rejects(
    provider.borrow(() => Promise.reject(new Error('mine'))),
    /mine/,
  );
});

test("a borrowed worker has enough memory, with or without Node's compile cache", async () => {
  await open();
  for (const memoryMiB of [128, 128]) {
    const inspection = await provider.borrow((link) => link.inspect({ path: modelPath('iris_rf_zipmap') }, join(state, 'table.onnx')), {
      memoryMiB,
    });
    assert.equal(inspection.rewritten, true);
  }
});

test('a lost or late borrowed worker reports how it ended', async () => {
  await open();
  const load = (link: WorkerLink) => link.load({ path: modelPath('test_slow_loop'), threads: 1 });
  const late = provider.borrow(
    async (link) => {
      await load(link);
      const run = link.run(slowRun(100_000_000n));
      advance(1_000);
      return run;
    },
    { timeoutMs: 1_000 },
  );
  await assert.rejects(late, { code: 'model_failed', message: /exceeded 1 s/ });
  const notes = (): string[] => readdirSync(join(state, 'workers')).filter((file) => /^\d/.test(file));
  while (notes().length > 0) await new Promise((resolve) => setTimeout(resolve, 5)); // the late one is being ended
  const lost = provider.borrow(async (link) => {
    await load(link);
    const run = link.run(slowRun(100_000_000n)); // it may be another process of the worker that gets the signal first
    const [name] = notes();
    process.kill(Number((name as string).split('-')[0]), 'SIGSEGV');
    return run;
  });
  await assert.rejects(lost, { code: 'model_failed', message: /killed by SIGSEGV/ });
});

test('close ends every process and leaves no folder', async () => {
  await open({ clock: new SystemClock(), warmWorkers: 1 });
  const { pid } = await started(spec('test_affine'));
  const ticks = startTicks(pid);
  await provider.close();
  assert.notEqual(startTicks(pid), ticks);
  assert.deepEqual(readdirSync(process.env['TMPDIR'] as string), []);
  assert.deepEqual(readdirSync(join(state, 'workers')), []);
  await assert.rejects(provider.start(spec('test_affine')), { code: 'unavailable' });
});

/** A separate server: starts a worker, prints its pid, runs for some time, waits to be killed. */
const serverScript = (iterations: bigint, mode: string) => `
  import { SystemClock } from '${fileURLToPath(new URL('../clock.ts', import.meta.url))}';
  import { isolationSettings, LocalProvider } from '${fileURLToPath(new URL('./index.ts', import.meta.url))}';
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
  const provider = new LocalProvider({ clock: new SystemClock(), log, stateDirectory: ${JSON.stringify(state)}, warmWorkers: 1, fetchFile: async (path) => path, isolation: isolationSettings({ mode: '${mode}' }) });
  await provider.open();
  provider.onChange((view) => {
    if (view.state !== 'ready') return;
    const parts = (array) => [new Uint8Array(array.buffer)];
    const x = { name: 'x', datatype: 'FP32', shape: [1, 256], parts: parts(new Float32Array(256)) };
    const iters = { name: 'iters', datatype: 'INT64', shape: [], parts: parts(BigInt64Array.of(${iterations}n)) };
    provider.link(view.spec.id).run([x, iters]).catch(() => {});
    setTimeout(() => console.log(view.pid), 50);
  });
  await provider.start(${JSON.stringify(spec('test_slow_loop'))});
`;

async function killedServer(iterations: bigint, mode = 'auto'): Promise<{ pid: number; ticks: string | null }> {
  const server = spawn(process.execPath, ['--input-type=module', '-e', serverScript(iterations, mode)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(createInterface(server.stdout), 'line')) as [string];
    return { pid: Number(line), ticks: startTicks(Number(line)) };
  } finally {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
}

test('no worker outlives a killed server', async () => {
  const { pid, ticks } = await killedServer(1n);
  const noted = readdirSync(join(state, 'workers')).flatMap((name) => /^(\d+)-(\d+)$/.exec(name)?.slice(1) ?? []);
  assert(noted.length >= 2);
  await processEnd(pid, ticks); // fails by the test's time limit otherwise
  for (let index = 0; index < noted.length; index += 2) await processEnd(Number(noted[index]), noted[index + 1] as string);
  const groups = readFileSync(join(state, 'cgroups'), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  await open({ clock: new SystemClock() });
  assert.deepEqual(readdirSync(process.env['TMPDIR'] as string).length, 1, 'the folder of the killed server was removed too');
  assert.deepEqual(groups.filter(existsSync), [], 'and so were its groups');
});

test('a worker in a namespace ends with its server, even during a long run', { skip: withoutRoot }, async () => {
  const { pid, ticks } = await killedServer(2_000_000n, 'root');
  await processEnd(pid, ticks);
});

test('a worker in a long run while its server is killed is ended by the next server', async () => {
  const { pid, ticks } = await killedServer(2_000_000n, 'none');
  assert.equal(startTicks(pid), ticks, 'it is blocked in its run');
  await open({ clock: new SystemClock() });
  assert.notEqual(startTicks(pid), ticks);
  assert(!existsSync(join(state, 'workers', `${pid}-${ticks}`)));
});

test('an unrelated process with the pid of a worker is left alone', async () => {
  mkdirSync(join(state, 'workers'));
  writeFileSync(join(state, 'workers', `${process.pid}-1`), '');
  writeFileSync(join(state, 'workers', `${process.pid}-${startTicks(process.pid)}`), '');
  await open();
  assert.equal(readdirSync(join(state, 'workers')).filter((name) => name.startsWith(String(process.pid))).length, 0);
});

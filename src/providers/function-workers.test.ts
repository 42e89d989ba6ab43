/** Limits of function workers, with real processes in real groups if this machine permits it. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { artifactAt, pathAsAddress } from '../../test/model-artifacts.ts';
import { modelPath } from '../../test/models/index.ts';
import { SystemClock } from '../clock.ts';
import type { Log } from '../logs/index.ts';
import type { TensorParts, WorkerLink } from '../runtime/index.ts';
import { bytesOf } from '../tensor.ts';
import { LocalProvider, type WorkerSpec, type WorkerView } from './index.ts';

const root = mkdtempSync('/tmp/penstock-test-');
process.env['TMPDIR'] = join(root, 'tmp');
mkdirSync(process.env['TMPDIR']);
after(() => rmSync(root, { recursive: true }));

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
} satisfies Log as Log;

let state: string;
let provider: LocalProvider;

async function open(): Promise<void> {
  provider = new LocalProvider({ clock: new SystemClock(), log: silent, stateDirectory: state, warmWorkers: 0, fetchFile: pathAsAddress });
  await provider.open();
}

beforeEach(() => {
  state = mkdtempSync(join(root, 'state-'));
});
afterEach(() => provider.close());

function functionSpec(model: string, changes: Partial<WorkerSpec> = {}): WorkerSpec {
  return {
    id: 'f1',
    endpoint: 'e',
    variant: 'AllTraffic',
    generation: 1,
    artifact: artifactAt(modelPath(model)),
    modelName: `${model}/1`,
    threads: 1,
    memoryMiB: 1024,
    instanceType: 'function:1024',
    kind: 'function',
    vcpuMax: null,
    ...changes,
  };
}

function settled(id: string): Promise<WorkerView> {
  return new Promise((resolve) => {
    const off = provider.onChange(look);
    function look(view: WorkerView): void {
      if (view.spec.id !== id || view.state === 'starting') return;
      off();
      resolve(view);
    }
    provider.list().forEach(look);
  });
}

async function started(spec: WorkerSpec): Promise<WorkerLink> {
  await provider.start(spec);
  const { state: reached, reason } = await settled(spec.id);
  assert.equal(reached, 'ready', reason ?? undefined);
  return provider.link(spec.id) as WorkerLink;
}

/** About 4 us per iteration. */
function slowRun(iterations: number): TensorParts[] {
  return [
    { name: 'x', datatype: 'FP32', shape: [1, 256], parts: [bytesOf(new Float32Array(256).fill(0.5))] },
    { name: 'iters', datatype: 'INT64', shape: [], parts: [bytesOf(BigInt64Array.of(BigInt(iterations)))] },
  ];
}

function bytesRun(count: number): TensorParts[] {
  return [
    { name: 'v', datatype: 'FP32', shape: [1], parts: [bytesOf(new Float32Array([1]))] },
    { name: 'shape', datatype: 'INT64', shape: [1], parts: [bytesOf(BigInt64Array.of(BigInt(count / 4)))] },
  ];
}

/**
 * Duration of back-to-back runs relative to the worker's CPU time: at least 2 for half a CPU. Other load on the machine can only increase
 * it.
 */
async function slowness(link: WorkerLink, pid: number, iterations: number, runs: number): Promise<number> {
  await link.run(slowRun(iterations)); // uses up the rest of a period
  const computedMs = () => Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
  const clock = new SystemClock();
  const before = { wallMs: clock.nowMs(), computedMs: computedMs() };
  for (let run = 0; run < runs; run++) await link.run(slowRun(iterations));
  return (clock.nowMs() - before.wallMs) / (computedMs() - before.computedMs);
}

function isLimited(what: 'cpu' | 'memory'): boolean {
  if (provider.limits[what]) return true;
  assert.match(
    provider.limits.reason as string,
    new RegExp(`cgroups cannot limit workers here .*${what}`),
    'missing permissions are reported',
  );
  return false;
}

test('half a CPU takes twice as long, for short and for long runs', async () => {
  await open();
  const link = await started(functionSpec('test_slow_loop', { vcpuMax: 0.5 }));
  const pid = provider.list()[0]?.pid as number;
  for (const { iterations, runs } of [
    { iterations: 2_500, runs: 20 },
    { iterations: 50_000, runs: 1 },
  ]) {
    const times = await slowness(link, pid, iterations, runs);
    if (isLimited('cpu')) assert.ok(times > 1.6, `${times} times as long as it computed, in runs of ${iterations} iterations`);
  }
});

test('a borrowed worker is limited to its CPUs', async () => {
  await open();
  const times = await provider.borrow(
    async (link) => {
      await link.load({ path: modelPath('test_slow_loop'), threads: 1 });
      const [pid] = readdirSync(join(state, 'workers')).flatMap((name) => /^(\d+)-/.exec(name)?.[1] ?? []);
      return slowness(link, Number(pid), 10_000, 3);
    },
    { vcpuMax: 0.25 },
  );
  if (isLimited('cpu')) assert.ok(times > 2.8, `${times} times as long as it computed`);
});

test('a worker that exceeds its memory is ended with that reason, and restarted', async () => {
  await open();
  const link = await started(functionSpec('test_alloc', { memoryMiB: 256 }));
  const restarted = new Promise<WorkerView>((resolve) => provider.onChange((view) => void (view.state === 'starting' && resolve(view))));
  await link.run(bytesRun(400 * 1024 ** 2)).catch(() => undefined);
  const { reason } = await restarted;
  if (isLimited('memory')) assert.equal(reason, 'it exceeded its memory limit of 256 MiB, and the system ended it');
  else assert.match(reason as string, /MiB of memory, more than the 256 MiB/);
  assert.equal((await settled('f1')).state, 'ready');
});

test("a model that does not fit into its function's memory fails at once with that reason", async () => {
  await open();
  await provider.start(functionSpec('loadtest_wide_mlp', { memoryMiB: 48 }));
  const view = await settled('f1');
  if (isLimited('memory')) {
    assert.equal(view.state, 'failed');
    assert.match(view.reason as string, /^the model did not fit into 48 MiB: it exceeded its memory limit of 48 MiB/);
  }
});

test('close leaves no group behind', async () => {
  await open();
  await started(functionSpec('test_affine', { vcpuMax: 0.5 }));
  const folders = () =>
    readFileSync(join(state, 'cgroups'), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  if (isLimited('cpu') && isLimited('memory')) assert.ok(folders().length > 0 && folders().every(existsSync));
  const before = folders();
  await provider.close();
  assert.deepEqual([before.filter(existsSync), folders()], [[], []]);
});

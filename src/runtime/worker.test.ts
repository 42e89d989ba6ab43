/** Real worker processes, real models: what a link promises, told by what an independent runtime computed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assertSameTensors, modelPath, rowsOf, sample } from '../../test/models/index.ts';
import { bytesOf, decodeStrings, encodeStrings, type Tensor } from '../tensor.ts';
import { kinds, messageFrame } from './frames.ts';
import { type RunResult, receiveHello, type TensorParts, WorkerGone, WorkerLink, workerMainPath } from './index.ts';
import { ranFrame } from './tensor-frames.ts';

let folder: string;
let server: Server;
const children = new Set<ChildProcess>();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
  server = createServer().listen(join(folder, 'door'));
  await once(server, 'listening');
});

after(() => {
  for (const child of children) child.kill('SIGKILL');
  server.close();
  rmSync(folder, { recursive: true });
});

async function startWorker(): Promise<{ link: WorkerLink; child: ChildProcess }> {
  const child = spawn(process.execPath, [workerMainPath, join(folder, 'door'), 'w'], {
    env: { PENSTOCK_WORKER_TOKEN: 'token' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.add(child);
  const [socket] = (await once(server, 'connection')) as [Socket];
  assert.deepEqual(await receiveHello(socket), { workerId: 'w', token: 'token' });
  return { link: new WorkerLink(socket), child };
}

/** One worker for all tests that leave it alive: what one refuses, the next must not notice. */
let shared: Promise<{ link: WorkerLink; child: ChildProcess }> | undefined;
async function loaded(model: string): Promise<WorkerLink> {
  shared ??= startWorker();
  const { link } = await shared;
  await link.load({ path: modelPath(model), threads: 1 });
  return link;
}

function partsOf(tensors: readonly Tensor[]): TensorParts[] {
  return tensors.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] }));
}

function floats(name: string, shape: readonly number[], values: readonly number[]): TensorParts {
  return { name, datatype: 'FP32', shape, parts: [bytesOf(Float32Array.from(values))] };
}

function int64s(name: string, shape: readonly number[], values: readonly bigint[]): TensorParts {
  return { name, datatype: 'INT64', shape, parts: [bytesOf(BigInt64Array.from(values))] };
}

function strings(name: string, values: readonly string[]): TensorParts {
  return { name, datatype: 'BYTES', shape: [values.length], parts: [encodeStrings(values)] };
}

/** The batch as serving makes it: each row's data a part of its own; scalars once. */
function mergedParts(rows: readonly (readonly Tensor[])[]): TensorParts[] {
  return (rows[0] as readonly Tensor[]).map((first, index) => {
    if (first.shape.length === 0) return { ...first, parts: [first.data] };
    const parts = rows.map((row) => (row[index] as Tensor).data);
    return { name: first.name, datatype: first.datatype, shape: [rows.length, ...first.shape.slice(1)], parts };
  });
}

const samples = readdirSync(new URL('../../test/models/samples/', import.meta.url))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length));
/** Their rows depend on each other, or their output is not one row for each row. */
const together = new Set(['test_affine', 'test_axis1_batch', 'test_batch_coupled']);

test('every sample is answered as an independent runtime does, as one batch and row by row', async () => {
  assert(samples.length >= 17, `only ${samples.length} samples found`);
  for (const name of samples.filter((model) => model !== 'iris_rf_zipmap')) {
    const { inputs, outputs } = sample(name);
    const link = await loaded(name);
    assertSameTensors((await link.run(partsOf(inputs))).outputs, outputs);
    if (together.has(name)) continue;
    const count = Math.max(...inputs.map(({ shape }) => shape[0] ?? 0));
    const rows = Array.from({ length: count }, (_, row) =>
      inputs.map((input) => (input.shape.length === 0 ? input : rowsOf(input, row, row + 1))),
    );
    const alone: RunResult[] = await Promise.all(rows.map((row) => link.run(partsOf(row))));
    for (const [row, result] of alone.entries()) {
      assertSameTensors(
        result.outputs,
        outputs.map((output) => rowsOf(output, row, row + 1)),
      );
    }
    assertSameTensors((await link.run(mergedParts(rows))).outputs, outputs);
  }
});

test('all 13 datatypes come back bit for bit: half precision, integers beyond 2^53, any Unicode', async () => {
  const link = await loaded('test_dtypes');
  const { inputs } = sample('test_dtypes');
  const special: Record<string, Uint8Array> = {
    in_float16: bytesOf(Uint16Array.of(0x3c01, 0x0001, 0xfbff, 0x8000)),
    in_int64: bytesOf(BigInt64Array.of(2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n, -1n)),
    in_uint64: bytesOf(BigUint64Array.of(2n ** 64n - 1n, 2n ** 53n + 1n, 0n, 1n)),
    in_bool: Uint8Array.of(1, 0, 0, 1),
    in_string: encodeStrings(['', 'naïve 😀 ﷽', 'a'.repeat(70_000), '\u0001\n"']),
    in_float64: bytesOf(Float64Array.of(5e-324, -0, Infinity, 0.1)),
  };
  const given = inputs.map((input) => ({ ...input, data: special[input.name] ?? input.data }));
  const { outputs } = await link.run(partsOf(given));
  assert.equal(outputs.length, 13);
  for (const { name, datatype, shape, data } of outputs) {
    const expected = given.find((input) => name === input.name.replace('in_', 'out_')) as Tensor;
    assert.deepEqual([datatype, shape], [expected.datatype, expected.shape]);
    assert(Buffer.from(data).equals(expected.data), name);
  }
});

test('a string with NUL is refused, for the model would see only what stands before it', async () => {
  const link = await loaded('spam_text');
  await assert.rejects(link.run([strings('text', ['free', 'a\0b'])]), { code: 'invalid_request', message: /string 1 contains a NUL/ });
  await assert.rejects(link.run([{ name: 'text', datatype: 'BYTES', shape: [1], parts: [Uint8Array.of(9, 0, 0, 0, 65)] }]), {
    code: 'invalid_request',
  });
  const { outputs } = await link.run([strings('text', ['free offer, click now', 'meeting tomorrow'])]);
  assert.deepEqual(decodeStrings((outputs[0] as Tensor).data).length, 2);
});

test("a run that fails by its input's fault says so, and the worker lives on", async () => {
  const link = await loaded('test_gather_fail');
  await assert.rejects(link.run([int64s('ix', [2], [1n, 99n])]), { code: 'invalid_request', message: /idx=99/ });
  assert.equal((await link.run([int64s('ix', [1], [1n])])).outputs.length, 1);
});

for (const { when, input, message } of [
  { when: 'a wrong size', input: floats('x', [1, 2], [1, 2]), message: /invalid dimensions/ },
  { when: 'a wrong rank', input: floats('x', [3], [1, 2, 3]), message: /Invalid rank/ },
  { when: 'another datatype', input: int64s('x', [1, 3], [1n, 2n, 3n]), message: /Unexpected input data type/ },
  { when: 'more elements than the shape holds', input: floats('x', [1, 3], [1, 2, 3, 4]), message: /does not hold the 4 elements/ },
  { when: 'an unknown name', input: floats('q', [1, 3], [1, 2, 3]), message: /no input 'q'; it has x/ },
]) {
  test(`${when} is refused as an invalid request`, async () => {
    const link = await loaded('test_affine');
    await assert.rejects(link.run([input]), { code: 'invalid_request', message });
    await assert.rejects(link.run([]), { code: 'invalid_request', message: /missing/ });
  });
}

test('no rows at all is a batch like any other', async () => {
  const link = await loaded('test_affine');
  const { outputs } = await link.run([floats('x', [0, 3], [])]);
  assert.deepEqual(outputs[0], { name: 'y', datatype: 'FP32', shape: [0, 3], data: new Uint8Array(0) });
});

test('an allocation beyond everything is a failure of the model, and the worker lives on', async () => {
  const link = await loaded('test_alloc');
  const huge = [floats('v', [1], [1]), int64s('shape', [1], [10n ** 15n])];
  await assert.rejects(link.run(huge), { code: 'model_failed', message: /more memory than it may use/ });
  assert.equal((await link.run([floats('v', [1], [1]), int64s('shape', [1], [100n])])).outputs.length, 1);
});

test('runs that are sent at once are answered in order, control calls in their place', async () => {
  const link = await loaded('test_slow_loop');
  const order: string[] = [];
  const slow = () => [floats('x', [1, 256], new Array(256).fill(0.5)), int64s('iters', [], [2000n])];
  const first = link.run(slow()).then(({ timings }) => {
    order.push('first');
    return timings;
  });
  const status = link.status().then(({ rssBytes }) => {
    order.push('status');
    return rssBytes;
  });
  const second = link.run(slow()).then(() => order.push('second'));
  assert.equal(link.runsOpen, 2);
  const [timings, rssBytes] = await Promise.all([first, status, second]);
  assert.deepEqual(
    order.filter((name) => name !== 'status'),
    ['first', 'second'],
  );
  assert.equal(link.runsOpen, 0);
  assert(timings.runMs > 1 && timings.inMs >= 0 && timings.outMs >= 0);
  assert(rssBytes > 20e6);
});

test('a worker that is killed in a run rejects what is open with WorkerGone, and everything later', async () => {
  const { link, child } = await startWorker();
  await link.load({ path: modelPath('test_slow_loop'), threads: 1, name: 'slow/1' });
  const closed = new Promise((resolve) => link.onClose(resolve));
  const run = link.run([floats('x', [1, 256], new Array(256).fill(0.5)), int64s('iters', [], [10_000_000n])]);
  assert.match(readFileSync(`/proc/${child.pid}/cmdline`, 'latin1'), /^penstock-worker slow\/1/);
  child.kill('SIGKILL');
  await assert.rejects(run, WorkerGone);
  await closed;
  await assert.rejects(link.status(), WorkerGone);
  assert.equal(link.runsOpen, 0);
});

test('a worker ends when its link is closed', async () => {
  const { link, child } = await startWorker();
  const ended = once(child, 'exit');
  link.close();
  assert.deepEqual(await ended, [0, null]);
});

test('a worker that is sent garbage ends; it does not guess', async () => {
  const child = spawn(process.execPath, [workerMainPath, join(folder, 'door'), 'w'], {
    env: { PENSTOCK_WORKER_TOKEN: 'token' },
    stdio: 'ignore',
  });
  children.add(child);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const ended = once(child, 'exit');
  socket.on('error', () => undefined).write(Buffer.alloc(64, 0xff));
  assert.deepEqual(await ended, [1, null]);
  socket.destroy();
});

test('garbage from a worker closes the link', async () => {
  const { link, child } = await startWorker();
  child.kill('SIGKILL');
  const [near, far] = await socketPair();
  const suspicious = new WorkerLink(near);
  const call = suspicious.status();
  far.write('HTTP/1.1 400 Bad Request\r\n\r\n');
  await assert.rejects(call, WorkerGone);
  far.destroy();
  link.close();
});

test('an answer to what cannot have been read yet closes the link: its memory is still being sent', async () => {
  const [near, far] = await socketPair();
  const link = new WorkerLink(near);
  const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }], outputs: [] };
  far.write(messageFrame(1, kinds.answer, { signature, loadMs: 1 }));
  await link.load({ path: 'x.onnx', threads: 1 });
  far.pause();
  const run = link.run([{ name: 'x', datatype: 'FP32', shape: [2 ** 22], parts: [new Uint8Array(2 ** 24)] }]);
  for (const bytes of ranFrame(2, [])) far.write(bytes);
  await assert.rejects(run, /is malformed: it answers call 2 before it can have read it/);
  far.destroy();
});

async function socketPair(): Promise<[Socket, Socket]> {
  const far = connect(join(folder, 'door'));
  const [near] = (await once(server, 'connection')) as [Socket];
  return [near, far];
}

test('every model is inspected: batchable only where the probe proved it, with the reason', async () => {
  const notBatchable: Record<string, RegExp> = {
    test_affine: /output 'sum' is a single value/,
    test_alloc: /input 'v' has a fixed first dimension of 1/,
    test_axis1_batch: /output 'y' has a fixed first dimension of 4/,
    test_batch_coupled: /depends on the other rows/,
    test_fixed_batch1: /input 'x' has a fixed first dimension of 1/,
    test_random: /two different results/,
  };
  shared ??= startWorker();
  const { link } = await shared;
  for (const name of [...samples, 'test_alloc', 'test_fixed_batch1', 'test_random']) {
    const inspection = await link.inspect(modelPath(name), join(folder, 'rewritten.onnx'));
    const expected = notBatchable[name];
    assert.equal(inspection.batchable, expected === undefined, `${name}: ${inspection.batchableReason}`);
    if (expected !== undefined) assert.match(inspection.batchableReason, expected);
    assert((inspection.opsets['ai.onnx'] as number) >= 17);
    assert.equal(inspection.rewritten, name === 'iris_rf_zipmap');
    assert(inspection.producer.length > 0 && inspection.irVersion >= 8);
  }
});

test('a model that ends in ZipMap is rewritten to a table, and answers as before', async () => {
  shared ??= startWorker();
  const { link } = await shared;
  const rewritten = join(folder, 'table.onnx');
  const inspection = await link.inspect(modelPath('iris_rf_zipmap'), rewritten);
  assert.deepEqual(inspection.signature.outputs.at(-1), { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] });
  assert.match(inspection.notes.join(), /ZipMap.*setosa, versicolor, virginica/);
  await link.load({ path: rewritten, threads: 1 });
  const { outputs } = await link.run(partsOf(sample('iris_rf_zipmap').inputs));
  const plain = sample('iris_rf').outputs;
  assertSameTensors(outputs, plain);
});

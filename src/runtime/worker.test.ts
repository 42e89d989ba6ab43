/** Real worker processes with real models: the contract of a link, compared with results of an independent runtime. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertSameTensors, modelPath, rowsOf, sample } from '../../test/models/index.ts';
import { bytesOf, decodeStrings, encodeStrings, type Tensor } from '../tensor.ts';
import { inheritedChannel, type RunResult, receiveHello, type TensorParts, WorkerLink, WorkerLost, workerMainPath } from './index.ts';
import { kinds, messageFrame } from './link/frames.ts';
import { payloadFrame } from './link/payload.ts';
import { ranFrame, setTimings } from './link/tensor-frames.ts';

let folder: string;
let server: Server;
const children = new Set<ChildProcess>();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
  server = createServer().listen(join(folder, 'socket'));
  await once(server, 'listening');
});

after(() => {
  for (const child of children) child.kill('SIGKILL');
  server.close();
  rmSync(folder, { recursive: true });
});

/** How a worker is connected: `inherited` is that of ONNX models, which blocks; the others have an event loop. */
const connections = ['inherited', 'socket'] as const;

interface StartedWorker {
  readonly link: WorkerLink;
  readonly child: ChildProcess;
}

async function spawnWorker(connection: (typeof connections)[number]): Promise<{ readonly child: ChildProcess; readonly socket: Socket }> {
  const isInherited = connection === 'inherited';
  const child = spawn(process.execPath, [workerMainPath, isInherited ? inheritedChannel : join(folder, 'socket'), 'w'], {
    env: isInherited ? {} : { PENSTOCK_WORKER_TOKEN: 'token' },
    stdio: ['ignore', 'ignore', 'inherit', 'ignore', ...(isInherited ? (['pipe'] as const) : [])],
  });
  children.add(child);
  if (isInherited) return { child, socket: child.stdio[4] as Socket };
  const [socket] = (await once(server, 'connection')) as [Socket];
  return { child, socket };
}

function workersWith(connection: (typeof connections)[number]) {
  const startWorker = async (): Promise<StartedWorker> => {
    const { child, socket } = await spawnWorker(connection);
    assert.deepEqual(await receiveHello(socket), { workerId: 'w', token: connection === 'inherited' ? '' : 'token' });
    return { link: new WorkerLink(socket), child };
  };
  /** One worker for all tests that leave it alive: a rejected call must not affect the next. */
  let shared: Promise<StartedWorker> | undefined;
  const sharedWorker = (): Promise<StartedWorker> => (shared ??= startWorker());
  const loaded = async (model: string): Promise<WorkerLink> => {
    const { link } = await sharedWorker();
    await link.load({ path: modelPath(model), threads: 1 });
    return link;
  };
  return { startWorker, sharedWorker, loaded };
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

/** The batch as serving builds it: the data of each row is a separate part, and scalars are included once. */
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
/** Models whose rows depend on each other, or whose output does not have one row per input row. */
const together = new Set(['test_affine', 'test_axis1_batch', 'test_batch_coupled']);

for (const connection of connections) {
  describe(`a worker with the connection '${connection}'`, () => {
    const { startWorker, loaded } = workersWith(connection);

    test('every sample gives the same result as an independent runtime, as one batch and row by row', async () => {
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

    test('all 13 datatypes round-trip bit by bit: half precision, integers beyond 2^53, any Unicode', async () => {
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
      const provided = inputs.map((input) => ({ ...input, data: special[input.name] ?? input.data }));
      const { outputs } = await link.run(partsOf(provided));
      assert.equal(outputs.length, 13);
      for (const { name, datatype, shape, data } of outputs) {
        const expected = provided.find((input) => name === input.name.replace('in_', 'out_')) as Tensor;
        assert.deepEqual([datatype, shape], [expected.datatype, expected.shape]);
        assert(Buffer.from(data).equals(expected.data), name);
      }
    });

    test('a string with NUL is rejected, because the model would only see the part before it', async () => {
      const link = await loaded('spam_text');
      await assert.rejects(link.run([strings('text', ['free', 'a\0b'])]), { code: 'invalid_request', message: /string 1 contains a NUL/ });
      await assert.rejects(link.run([{ name: 'text', datatype: 'BYTES', shape: [1], parts: [Uint8Array.of(9, 0, 0, 0, 65)] }]), {
        code: 'invalid_request',
      });
      const { outputs } = await link.run([strings('text', ['free offer, click now', 'meeting tomorrow'])]);
      assert.deepEqual(decodeStrings((outputs[0] as Tensor).data).length, 2);
    });

    test('a run that fails because of its input says so, and the worker continues', async () => {
      const link = await loaded('test_gather_fail');
      await assert.rejects(link.run([int64s('ix', [2], [1n, 99n])]), { code: 'invalid_request', message: /idx=99/ });
      assert.equal((await link.run([int64s('ix', [1], [1n])])).outputs.length, 1);
    });

    for (const { when, input, message } of [
      { when: 'a wrong size', input: floats('x', [1, 2], [1, 2]), message: /invalid dimensions/ },
      { when: 'a wrong rank', input: floats('x', [3], [1, 2, 3]), message: /Invalid rank/ },
      { when: 'another datatype', input: int64s('x', [1, 3], [1n, 2n, 3n]), message: /Unexpected input data type/ },
      { when: 'more elements than in the shape', input: floats('x', [1, 3], [1, 2, 3, 4]), message: /does not match the 4 elements/ },
      { when: 'an unknown name', input: floats('q', [1, 3], [1, 2, 3]), message: /no input 'q': expected x/ },
    ]) {
      test(`${when} is rejected as an invalid request`, async () => {
        const link = await loaded('test_affine');
        await assert.rejects(link.run([input]), { code: 'invalid_request', message });
        await assert.rejects(link.run([]), { code: 'invalid_request', message: /missing/ });
      });
    }

    test('a batch without rows works like any other', async () => {
      const link = await loaded('test_affine');
      const { outputs } = await link.run([floats('x', [0, 3], [])]);
      assert.deepEqual(outputs[0], { name: 'y', datatype: 'FP32', shape: [0, 3], data: new Uint8Array(0) });
    });

    test('an oversized allocation is a failure of the model, and the worker continues', async () => {
      const link = await loaded('test_alloc');
      const huge = [floats('v', [1], [1]), int64s('shape', [1], [10n ** 15n])];
      await assert.rejects(link.run(huge), { code: 'model_failed', message: /exceeded its memory limit/ });
      assert.equal((await link.run([floats('v', [1], [1]), int64s('shape', [1], [100n])])).outputs.length, 1);
    });

    test('concurrent runs are answered in order, with control calls in sequence', async () => {
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

    test('a worker killed during a run rejects open and later calls with WorkerLost', async () => {
      const { link, child } = await startWorker();
      await link.load({ path: modelPath('test_slow_loop'), threads: 1, name: 'slow/1' });
      const closed = new Promise((resolve) => link.onClose(resolve));
      const run = link.run([floats('x', [1, 256], new Array(256).fill(0.5)), int64s('iters', [], [10_000_000n])]);
      assert.match(readFileSync(`/proc/${child.pid}/cmdline`, 'latin1'), /^penstock-worker slow\/1/);
      child.kill('SIGKILL');
      await assert.rejects(run, WorkerLost);
      await closed;
      await assert.rejects(link.status(), WorkerLost);
      assert.equal(link.runsOpen, 0);
    });

    test('a worker ends when its link is closed', async () => {
      const { link, child } = await startWorker();
      const ended = once(child, 'exit');
      link.close();
      assert.deepEqual(await ended, [0, null]);
    });

    test('a worker that receives garbage ends', async () => {
      const { child, socket } = await spawnWorker(connection);
      const ended = once(child, 'exit');
      socket.on('error', () => undefined).write(Buffer.alloc(64, 0xff));
      assert.deepEqual(await ended, [1, null]);
      socket.destroy();
    });
  });
}

test('garbage from a worker closes the link', async () => {
  const { link, child } = await workersWith('socket').startWorker();
  child.kill('SIGKILL');
  const [near, far] = await socketPair();
  const suspicious = new WorkerLink(near);
  const call = suspicious.status();
  far.write('HTTP/1.1 400 Bad Request\r\n\r\n');
  await assert.rejects(call, WorkerLost);
  far.destroy();
  link.close();
});

/** Frames of a hostile model, which runs in the process of its worker. The open call fails, and nothing else. */
const timings = { inMs: 0, runMs: 0, outMs: 0 };
const reply = { status: 200, headers: {}, isStreamed: false, timings };
for (const [what, frames] of [
  ['no timings', payloadFrame(1, kinds.replied, { ...reply, timings: undefined }, Buffer.from('x'))],
  ['endless timings', payloadFrame(1, kinds.replied, { ...reply, timings: { ...timings, runMs: 1e300 } }, Buffer.from('x'))],
  ['a status that is none', payloadFrame(1, kinds.replied, { ...reply, status: 'ok' }, Buffer.from('x'))],
  ['a header with a line break', payloadFrame(1, kinds.replied, { ...reply, headers: { a: 'b\r\nc: d' } }, Buffer.from('x'))],
  ['no message', [messageFrame(1, kinds.replied, null)]],
  ['a failure without a message', [messageFrame(1, kinds.failed, {})]],
  ['the answer of a call that was never made', [messageFrame(7, kinds.answer, {})]],
  ['a piece that is not streamed', payloadFrame(1, kinds.piece, {}, Buffer.from('x'))],
  ['more bytes than the frame has', [messageFrame(1, kinds.replied, { ...reply, bytes: 1e9 })]],
  ['an endless text', [Buffer.from(Uint32Array.of(1024 ** 3, 1, kinds.failed, 2 ** 31).buffer), Buffer.alloc(64)]],
] as const) {
  test(`a reply with ${what} ends the link, and the call fails`, async () => {
    const [near, far] = await socketPair();
    far.on('error', () => undefined);
    const link = new WorkerLink(near);
    const invoked = link.invoke({ headers: {}, body: new Uint8Array() }, 100);
    for (const bytes of frames) far.write(bytes);
    if (what === 'an endless text') far.end(); // its text never arrives
    await assert.rejects(invoked, WorkerLost);
    far.destroy();
  });
}

test('a run with timings that are not numbers ends the link: they would spoil the costs', async () => {
  const [near, far] = await socketPair();
  const link = new WorkerLink(near);
  far.write(messageFrame(1, kinds.answer, { signature: { inputs: [], outputs: [] }, loadMs: 1 }));
  await link.load({ path: 'x.onnx', threads: 1 });
  const run = link.run([]);
  const [frame] = ranFrame(2, []);
  assert(frame !== undefined);
  setTimings([frame], { inMs: 0, runMs: Number.NaN, outMs: 0 });
  far.write(frame);
  await assert.rejects(run, /its timings are not valid milliseconds/);
  far.destroy();
});

test('a call that was read may be answered while a later one is still being sent', async () => {
  const [near, far] = await socketPair();
  const link = new WorkerLink(near);
  const signature = { inputs: [{ name: 'x', datatype: 'UINT8', shape: [-1] }], outputs: [] };
  far.write(messageFrame(1, kinds.answer, { signature, loadMs: 1 }));
  await link.load({ path: 'x.onnx', threads: 1 });
  far.pause();
  const bytes = 2 ** 21;
  const send = () => link.run([{ name: 'x', datatype: 'UINT8', shape: [bytes], parts: [new Uint8Array(bytes)] }]);
  const runs = [send(), send(), send(), send()];
  // The first three are read to their last byte, the fourth is larger than what the system holds.
  const wanted = 3 * (bytes + 32);
  let read = 0;
  const begun = once(far, 'pause');
  far.on('data', (chunk: Buffer) => {
    read += chunk.length;
    if (read >= wanted + messageFrame(1, kinds.call, { method: 'load', path: 'x.onnx', threads: 1 }).length) far.pause();
  });
  far.resume();
  await begun;
  for (const call of [2, 3, 4]) for (const chunk of answerOf(call)) far.write(chunk);
  assert.equal((await Promise.all(runs.slice(0, 3))).length, 3);
  link.close();
  await assert.rejects(runs[3] as Promise<RunResult>, WorkerLost);
  far.destroy();
});

test('an answer to a call that is still being sent closes the link', async () => {
  const [near, far] = await socketPair();
  const link = new WorkerLink(near);
  const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }], outputs: [] };
  far.write(messageFrame(1, kinds.answer, { signature, loadMs: 1 }));
  await link.load({ path: 'x.onnx', threads: 1 });
  far.pause();
  const run = link.run([{ name: 'x', datatype: 'FP32', shape: [2 ** 22], parts: [new Uint8Array(2 ** 24)] }]);
  for (const bytes of answerOf(2)) far.write(bytes);
  await assert.rejects(run, /is malformed: it answers call 2 before it can have read it/);
  far.destroy();
});

test('what a model sent before it failed reaches the client, also a slow one, before the failure does', async () => {
  const [near, far] = await socketPair();
  const link = new WorkerLink(near);
  const seen: string[] = [];
  const slow = Promise.withResolvers<void>();
  const sink = {
    begin: () => void seen.push('begin'),
    piece: (bytes: Buffer) => slow.promise.then(() => void seen.push(bytes.toString())),
  };
  const invoked = link.invoke({ headers: {}, body: new Uint8Array() }, 100, sink).catch((error: unknown) => seen.push(String(error)));
  const head = { status: 200, headers: {} };
  for (const bytes of payloadFrame(1, kinds.piece, { head }, Buffer.from('one'))) far.write(bytes);
  for (const bytes of payloadFrame(1, kinds.piece, {}, Buffer.from('two'))) far.write(bytes);
  far.write(messageFrame(1, kinds.failed, { code: 'model_failed', message: 'ValueError' }));
  while (seen.length === 0) await new Promise(setImmediate);
  slow.resolve();
  await invoked;
  assert.deepEqual(seen, ['begin', 'one', 'two', 'PlatformError: ValueError']);
  far.destroy();
});

function answerOf(call: number): Buffer[] {
  const answer = ranFrame(call, []);
  setTimings(answer, timings);
  return answer;
}

async function socketPair(): Promise<[Socket, Socket]> {
  const far = connect(join(folder, 'socket'));
  const [near] = (await once(server, 'connection')) as [Socket];
  return [near, far];
}

const { sharedWorker } = workersWith('inherited');

test('every model is inspected: batchable only if the probe proved it, with the reason', async () => {
  const notBatchable: Record<string, RegExp> = {
    test_affine: /output 'sum' is a single value/,
    test_alloc: /input 'v' has a fixed first dimension of 1/,
    test_axis1_batch: /output 'y' has a fixed first dimension of 4/,
    test_batch_coupled: /depends on the other rows/,
    test_fixed_batch1: /input 'x' has a fixed first dimension of 1/,
    test_random: /two different results/,
  };
  const { link } = await sharedWorker();
  for (const name of [...samples, 'test_alloc', 'test_fixed_batch1', 'test_random']) {
    const inspection = await link.inspect({ path: modelPath(name) }, join(folder, 'rewritten.onnx'));
    const expected = notBatchable[name];
    assert.equal(inspection.batchable, expected === undefined, `${name}: ${inspection.batchableReason}`);
    if (expected !== undefined) assert.match(inspection.batchableReason, expected);
    assert((inspection.opsets['ai.onnx'] as number) >= 17);
    assert.equal(inspection.rewritten, name === 'iris_rf_zipmap');
    assert(inspection.producer.length > 0 && inspection.irVersion >= 8);
  }
});

test('a model that ends in ZipMap is rewritten to a table with the same results', async () => {
  const { link } = await sharedWorker();
  const rewritten = join(folder, 'table.onnx');
  const inspection = await link.inspect({ path: modelPath('iris_rf_zipmap') }, rewritten);
  assert.deepEqual(inspection.signature.outputs.at(-1), { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] });
  assert.match(inspection.notes.join(), /ZipMap.*setosa, versicolor, virginica/);
  await link.load({ path: rewritten, threads: 1 });
  const { outputs } = await link.run(partsOf(sample('iris_rf_zipmap').inputs));
  const plain = sample('iris_rf').outputs;
  assertSameTensors(outputs, plain);
});

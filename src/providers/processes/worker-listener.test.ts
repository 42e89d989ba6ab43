/** Any code of a worker can connect to this socket: it is admitted at most once, and costs next to nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import { kinds, messageFrame, sharedFiles } from '../../runtime/index.ts';
import type { Cgroups } from '../cgroups/cgroups.ts';
import { inheritedArrival, type LaunchedWorker, type WorkerProcessDeps } from './launched-worker.ts';
import { SpawnedProcess } from './spawned.ts';
import { WorkerListener } from './worker-listener.ts';
import { WorkerProcess } from './worker-process.ts';

describe('the socket of the workers', () => {
  const warnings: unknown[] = [];
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (fields: unknown) => void warnings.push(fields),
    error: () => undefined,
    child: () => log,
  };
  let clock: VirtualClock;
  let listener: WorkerListener;
  beforeEach(async () => {
    listener?.close();
    warnings.length = 0;
    clock = new VirtualClock();
    listener = await WorkerListener.open(clock, log);
  });
  after(() => listener.close());

  async function dial(): Promise<Socket> {
    const socket = connect(listener.path);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket.resume();
  }

  test('closes a connection at once if no worker is expected', async () => {
    await once(await dial(), 'close');
    listener.expect().cancel();
    await once(await dial(), 'close');
  });

  test('admits one connection for a token', async () => {
    const { workerId, token, arrival } = listener.expect();
    const other = listener.expect();
    const hello = messageFrame(0, kinds.hello, { workerId, token });
    (await dial()).write(hello);
    const admitted = await arrival;
    const second = await dial();
    second.write(hello);
    await once(second, 'close');
    assert.equal(admitted.destroyed, false);
    other.cancel();
    admitted.destroy();
  });

  test('logs one line a second, however many connections it rejects', async () => {
    const expected = listener.expect();
    const guess = messageFrame(0, kinds.hello, { workerId: expected.workerId, token: 'guessed' });
    const others = [Buffer.alloc(64, 0xff), Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(32, 0)];
    for (const said of [...Array.from({ length: 17 }, () => guess), ...others]) {
      const socket = await dial();
      socket.write(said);
      await once(socket, 'close');
    }
    clock.advance(1000);
    assert.deepEqual(warnings, [{ error: 'it is not a worker started by this server', connections: 20 }]);
    expected.cancel();
  });
});

describe('an inherited connection', () => {
  const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => log };

  /** A worker that inherits its connection, writes these bytes to it, and stays. */
  async function admit(said: Buffer): Promise<void> {
    const clock = new VirtualClock();
    const program = `require('node:fs').writeSync(4, Buffer.from('${said.toString('hex')}', 'hex')); setInterval(() => undefined, 1000)`;
    const options = { clock, program: process.execPath, args: ['-e', program], cwd: '/tmp', environment: {}, memoryFd: null };
    const spawned = new SpawnedProcess({ ...options, hasChannel: true, isNamespaced: false, startsProcesses: false });
    assert(spawned.channel !== null);
    const launched: LaunchedWorker = {
      kind: 'onnx',
      spawned,
      arrival: inheritedArrival(spawned.channel),
      ended: spawned.ended,
      owner: null,
      memory: null,
      files: sharedFiles,
      written: { folders: [], sharedMemoryOf: null, processes: () => spawned.processes },
      tree: null,
      directory: null,
      cancel: () => undefined,
    };
    const cgroups = { hold: () => null } as unknown as Cgroups;
    await WorkerProcess.admit({ clock, log, cgroups } as unknown as WorkerProcessDeps, launched).catch(async (error: unknown) => {
      assert.equal(await spawned.ended, 'killed by SIGKILL');
      throw error;
    });
  }

  for (const { what, said } of [
    { what: 'garbage', said: Buffer.alloc(64, 0xff) },
    { what: 'zeros', said: Buffer.alloc(64) },
    { what: 'an HTTP request', said: Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n') },
    { what: 'a frame that is not a hello', said: messageFrame(0, kinds.call, { method: 'status' }) },
    { what: 'a hello without a token', said: messageFrame(0, kinds.hello, { workerId: 'w' }) },
    { what: 'a hello that is too large', said: messageFrame(0, kinds.hello, { workerId: 'w'.repeat(10_000), token: '' }) },
  ]) {
    test(`a worker whose connection begins with ${what} is ended at once`, async () => {
      await assert.rejects(admit(said), {
        code: 'unavailable',
        message: /^failed to start a worker process: it did not identify itself: /,
      });
    });
  }
});

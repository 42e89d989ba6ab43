/** Any code of a worker can connect to this socket: it is admitted at most once, and costs next to nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import { kinds, messageFrame } from '../../runtime/index.ts';
import { WorkerListener } from './worker-listener.ts';

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

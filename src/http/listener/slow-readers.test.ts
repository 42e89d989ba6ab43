/** Clients of the fast path that have not read their response yet when their connection could be closed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { dial } from '../../../test/raw-connections.ts';
import { VirtualClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { readRequestBodyInto } from '../bodies/read-body.ts';
import { respond } from '../respond.ts';
import { Listener } from './listener.ts';
import { selfSignedCertificate } from './self-signed.ts';

/** More than the system buffers. */
const responseBytes = 24 * 1024 * 1024;
const head = 'POST /infer HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n';
const limits = { keepAliveMs: 5000, requestTimeoutMs: 10_000_000, headersTimeoutMs: 20_000, closeMs: 60_000 };
const certificate = selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 });
const listeners: Listener[] = [];
const clients: Socket[] = [];
after(async () => {
  for (const client of clients) client.destroy();
  await Promise.all(listeners.map((listener) => listener.close()));
});

/** A client whose response is on its way, and which has not read it. */
async function slowReader(isTls: boolean) {
  const clock = new VirtualClock();
  const access = { authenticate: () => ({ keyId: 'anonymous', role: 'admin' }) as const };
  const tls = isTls ? certificate : null;
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls, limits, access, log: openLogs(null, 'silent').platform, clock });
  listeners.push(listener);
  let answered = 0;
  listener.direct(
    '',
    (request, response) =>
      readRequestBodyInto(request, response, listener.bodies, () => {
        answered++;
        respond(request, response, 200, [], Buffer.alloc(responseBytes));
      }),
    () => true,
  );
  const socket = await dial(Number(new URL(await listener.listen()).port), isTls);
  clients.push(socket);
  socket.pause();
  socket.write(`${head}\r\nabc`);
  while (answered === 0) await turns(1);
  /** As a sweep for each second. */
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      clock.advance(1000);
      await turns(3);
    }
  };
  /** All that the client reads before the connection is closed. */
  const read = async (): Promise<number> => {
    let bytes = 0;
    socket.on('data', (chunk) => (bytes += chunk.length));
    socket.resume();
    while (bytes <= responseBytes && !socket.closed) await turns(1);
    return bytes;
  };
  return { clock, listener, socket, pass, read };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

for (const isTls of [false, true]) {
  describe(`a client that reads its response late ${isTls ? 'over TLS' : 'without TLS'}`, () => {
    test('gets all of it, also if it has sent half of the next request and ended its side', async () => {
      const { socket, pass, read } = await slowReader(isTls);
      socket.write(head);
      await turns(5);
      socket.end();
      await turns(5);
      await pass(5);
      assert((await read()) > responseBytes);
    });

    test('gets all of it after the time of an idle connection, which begins only then', async () => {
      const { socket, pass, read } = await slowReader(isTls);
      await pass(20);
      assert((await read()) > responseBytes);
      await turns(50);
      await pass(4);
      assert.equal(socket.closed, false);
      const closed = once(socket, 'close');
      await pass(5);
      socket.end();
      await closed;
    });

    test('gets all of it when the server closes, which then ends at once', async () => {
      const { listener, read } = await slowReader(isTls);
      const closed = listener.close();
      await turns(5);
      assert((await read()) > responseBytes);
      await closed;
    });
  });
}

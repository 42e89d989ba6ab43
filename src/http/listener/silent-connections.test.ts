/** Connections that send nothing, or begin at the last moment: how long they stay, what they take from others, and how they end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { dial, received } from '../../../test/raw-connections.ts';
import { SystemClock, VirtualClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { readRequestBodyInto } from '../bodies/read-body.ts';
import { respond } from '../respond.ts';
import { Listener } from './listener.ts';
import type { ListenerLimits } from './listener-limits.ts';
import { selfSignedCertificate } from './self-signed.ts';

const request = 'POST /infer HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc';
const certificate = selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 });
const clients: Socket[] = [];
const listeners: Listener[] = [];
after(async () => {
  for (const client of clients) client.destroy();
  await Promise.all(listeners.map((listener) => listener.close()));
});

async function open(isTls: boolean, limits: Partial<ListenerLimits>, clock: SystemClock | VirtualClock = new VirtualClock()) {
  const access = { authenticate: () => ({ keyId: 'anonymous', role: 'admin' }) as const };
  const tls = isTls ? certificate : null;
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls, limits, access, log: openLogs(null, 'silent').platform, clock });
  listeners.push(listener);
  const served: string[] = [];
  listener.direct(
    '',
    (incoming, response) =>
      readRequestBodyInto(incoming, response, listener.bodies, (_error, body) => {
        served.push(body.toString());
        respond(incoming, response, 200, [], body);
      }),
    () => true,
  );
  const port = Number(new URL(await listener.listen()).port);
  return { clock, listener, port, served };
}

async function client(port: number, isTls: boolean): Promise<Socket> {
  const socket = await dial(port, isTls);
  clients.push(socket);
  return socket;
}

/** A client that begins no handshake. */
async function mute(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  clients.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

async function served(socket: Socket): Promise<void> {
  socket.write(request);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
}

for (const isTls of [false, true]) {
  describe(`connections that send nothing ${isTls ? 'over TLS' : 'without TLS'}`, () => {
    test('take no places from clients that send requests, however many there are: the oldest give way', async () => {
      const connectionsMax = isTls ? 60 : 1000;
      const { port } = await open(isTls, { connectionsMax });
      const busy = await client(port, isTls);
      await served(busy);
      const silent: Socket[] = [];
      // At most 1,024 wait for the server.
      while (silent.length < 2 * connectionsMax) {
        const count = Math.min(200, 2 * connectionsMax - silent.length);
        silent.push(...(await Promise.all(Array.from({ length: count }, () => client(port, isTls)))));
        await turns(10);
      }
      await served(await client(port, isTls));
      await served(busy);
      await served(silent.at(-1) as Socket);
      for (const socket of silent) socket.destroy();
    });

    test('are closed with 408 after their time, and answered by nothing else if they begin just then', async () => {
      const { clock, port, served: bodies } = await open(isTls, {});
      const sockets = await Promise.all(Array.from({ length: 8 }, () => client(port, isTls)));
      const texts = sockets.map(received);
      // The event loop accepts one a turn.
      await turns(50);
      assert(clock instanceof VirtualClock);
      clock.advance(20_000);
      // Before, with, and after the moment at which their time is over; in one piece or two.
      const begin = (from: number): void => {
        sockets[from]?.write(request);
        sockets[from + 1]?.write(request.slice(0, 30));
        setImmediate(() => sockets[from + 1]?.write(request.slice(30)));
      };
      begin(0);
      while (bodies.length < 2) await turns(1);
      begin(2);
      clock.advance(1000);
      begin(4);
      await turns(10);
      for (const socket of sockets.slice(0, 2)) socket.end();
      for (const [at, text] of (await Promise.all(texts)).entries()) {
        assert.match(
          text,
          at < 2 ? /^HTTP\/1\.1 200 [^]*\r\n\r\nabc$/ : /^HTTP\/1\.1 408 [^]*"code":"deadline_exceeded"[^}]*\}$/,
          `${at}: ${text}`,
        );
      }
      assert.deepEqual(bodies, ['abc', 'abc']);
    });

    test('do not delay a server that drains or closes, with or without a handshake', async () => {
      for (const end of ['drain', 'close'] as const) {
        const clock = new SystemClock();
        const { listener, port } = await open(isTls, { closeMs: 50 }, clock);
        await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? client(port, isTls) : mute(port))));
        await turns(20);
        const startMs = clock.nowMs();
        if (end === 'drain') await listener.drain({ timeoutMs: 60_000, graceMs: 50 });
        await listener.close();
        assert(clock.nowMs() - startMs < 10_000);
      }
    });
  });
}

test('a client that begins no handshake is closed after the time of a head', async () => {
  const { port } = await open(true, { headersTimeoutMs: 50 }, new SystemClock());
  const socket = await mute(port);
  socket.resume();
  await once(socket, 'close');
});

/** The ports of a gateway process: which connections stay there, and which go on to the home. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { after, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { until } from '../../test/end-to-end/poll.ts';
import { closed, dial, readUntil, restOf } from '../../test/end-to-end/raw-client.ts';
import { VirtualClock } from '../clock.ts';
import { selfSignedCertificate } from '../http/index.ts';
import { FrontGrpc } from './front-grpc.ts';
import { type FrontLimits, FrontServer } from './front-server.ts';
import { PassedConnections } from './pass-on.ts';

const limits: FrontLimits = {
  connectionsMax: 5000,
  patienceMs: 1000,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 60_000,
  keepAliveMs: 75_000,
};
const infer = 'POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab';
const live = 'GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n';

interface Opened {
  readonly url: string;
  readonly clock: VirtualClock;
  /** The connections that were passed on. */
  readonly passed: Socket[];
  readonly server: FrontServer;
}

const ends: (() => Promise<void>)[] = [];
after(async () => {
  for (const end of ends) await end();
});

/** Closes a port whose time the test controls. */
async function close(port: Pick<FrontServer, 'drain'>, clock: VirtualClock): Promise<void> {
  let isClosed = false;
  const closing = port.drain({ timeoutMs: 10_000, graceMs: 0 }).then(() => (isClosed = true));
  while (!isClosed) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closing;
}

async function open(more: Partial<FrontLimits> = {}): Promise<Opened> {
  const clock = new VirtualClock();
  const passed: Socket[] = [];
  const server = new FrontServer(
    { host: '127.0.0.1', tls: null, limits: { ...limits, ...more } },
    {
      clock,
      passed: {
        passOn: (socket, _kind, _encrypted, unread) => {
          socket.unshift(unread);
          passed.push(socket.on('error', () => undefined));
        },
      },
      serve: (_request, response) => {
        response.writeHead(200, ['content-length', '2']);
        response.end('ok');
      },
    },
  );
  ends.push(() => close(server, clock));
  return { url: `http://127.0.0.1:${await server.listen(0)}`, clock, passed, server };
}

describe('connections of a gateway process', () => {
  test('that have sent nothing stay there, however many, and a request beside them is served at once', async () => {
    const { url, clock, passed } = await open();
    const silent: Socket[] = [];
    // At most 1,024 wait for the server: of more, the system would complete some so late that the test could not close them by its clock.
    while (silent.length < 2000) silent.push(...(await Promise.all(Array.from({ length: 500 }, () => dial(url)))));
    const client = await dial(url);
    client.write(infer);
    assert.match(await readUntil(client, /ok$/), /^HTTP\/1\.1 200 /);
    clock.advance(10_000);
    assert.equal(passed.length, 0, 'none takes a place at the home');
    client.write(live);
    await until('the connection with another request is passed on', () => passed.length === 1);
    assert.equal(String(passed[0]?.read()), live);
    silent[0]?.write(live);
    await until('one that begins late is, too', () => passed.length === 2);
    clock.advance(11_000);
    const texts = await Promise.all(silent.slice(1).map(restOf));
    assert(texts.every((text) => text.startsWith('HTTP/1.1 408 ')));
    for (const socket of [client, silent[0], ...passed]) socket?.destroy();
  });

  test('with a part of a head stay there, and get 408 after their time', async () => {
    const { url, clock, passed } = await open();
    const slow = await dial(url);
    const answer = restOf(slow);
    for (const part of ['GET /v2/health/live HTTP/1.1\r\n', 'Host: ', 'a\r\n']) {
      slow.write(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const complete = await dial(url);
    complete.write(live.slice(0, 10));
    clock.advance(5000);
    assert.equal(passed.length, 0);
    complete.write(live.slice(10));
    await until('a complete head is passed on', () => passed.length === 1);
    assert.equal(String(passed[0]?.read()), live);
    clock.advance(16_000);
    assert.match(await answer, /^HTTP\/1\.1 408 /);
    for (const socket of [complete, ...passed]) socket.destroy();
  });

  test('that have sent nothing give way to new ones, oldest first', async () => {
    const { url, passed } = await open({ connectionsMax: 8 });
    const client = await dial(url);
    client.write(infer);
    await readUntil(client, /ok$/);
    const silent: Socket[] = [];
    for (let i = 0; i < 8; i++) silent.push(await dial(url));
    await Promise.all(silent.slice(0, 2).map(closed));
    client.write(live);
    silent[7]?.write(live);
    await until('both are passed on', () => passed.length === 2);
    assert.deepEqual(
      silent.map(({ destroyed }) => destroyed),
      [true, true, false, false, false, false, false, false],
    );
    for (const socket of [client, ...silent, ...passed]) socket.destroy();
  });

  test('on their way to the home are dialled 32 at a time, in their order', async () => {
    const clock = new VirtualClock();
    const dialled: { readonly number: number; readonly fail: (error: Error) => void }[] = [];
    const passed = new PassedConnections({
      clock,
      home: { isLinked: true, isCutOff: false },
      dial: (_dial, signal) =>
        new Promise((_resolve, reject) => {
          dialled.push({ number: dialled.length, fail: reject });
          signal.addEventListener('abort', () => reject(new Error('aborted')));
        }),
    });
    const { url, passed: sockets } = await open();
    const clients = await Promise.all(Array.from({ length: 100 }, () => dial(url)));
    for (const client of clients) client.write(live);
    await until('all have arrived', () => sockets.length === 100);
    for (const socket of sockets) passed.passOn(socket, 'connection', false);
    assert.equal(dialled.length, 32);
    dialled[0]?.fail(new Error('refused'));
    await until('the next one has its turn', () => dialled.length === 33);
    clock.advance(61_000);
    const texts = await Promise.all(clients.slice(1).map(restOf));
    assert(texts.every((text) => text.startsWith('HTTP/1.1 503 ')));
    assert.equal(dialled.length, 33, 'one whose time is over is not dialled any more');
  });
});

describe('connections of a gateway process without a home', () => {
  /** The client of a connection that was passed on, while `home` has this state, and what the process dials for it. */
  async function passOne(home: { isLinked: boolean; isCutOff: boolean }, request: string) {
    const clock = new VirtualClock();
    const upstreams: Duplex[] = [];
    const dials: (() => void)[] = [];
    const passed = new PassedConnections({
      clock,
      home,
      dial: (_dial, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('aborted')));
          dials.push(() => {
            const [near, far] = duplexPair();
            upstreams.push(far);
            resolve(near as unknown as Socket);
          });
        }),
    });
    const { url, passed: sockets } = await open();
    const client = await dial(url);
    client.write(request);
    await until('it has arrived', () => sockets.length === 1);
    passed.passOn(sockets[0] as Socket, 'connection', false, sockets[0]?.read() as Buffer);
    /** The home accepts the connection. */
    const accept = async (): Promise<Duplex> => {
      dials[0]?.();
      await until('it is accepted', () => upstreams.length === 1);
      return upstreams[0] as Duplex;
    };
    return { clock, client, passed, accept, dials };
  }
  const near = { isLinked: false, isCutOff: false };
  const ready = 'GET /v2/health/ready HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nX-Request-Id: r\r\n\r\n';

  test('wait for it, and get 503 with the reason once the node is known to be cut off', async () => {
    const { clock, client, passed } = await passOne({ ...near }, live);
    clock.advance(900);
    passed.rejectWaiting();
    const text = await restOf(client);
    assert.match(text, /^HTTP\/1\.1 503 .*\r\nretry-after: 1\r\n.*this node does not reach the node that serves requests/s);
  });

  test('get it at once from then on, and nothing is dialled', async () => {
    const { client, dials } = await passOne({ isLinked: false, isCutOff: true }, live);
    assert.match(await restOf(client), /^HTTP\/1\.1 503 .*this node does not reach/s);
    assert.equal(dials.length, 0);
  });

  test('that bring a probe get the answer of the home, and end with it', async () => {
    const { client, accept } = await passOne({ ...near }, ready);
    const home = await accept();
    const head = String(await once(home, 'data'));
    assert.equal(head, 'GET /v2/health/ready HTTP/1.1\r\nHost: a\r\nX-Request-Id: r\r\nConnection: close\r\n\r\n');
    home.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    assert.match(await restOf(client), /^HTTP\/1\.1 200 OK\r\n.*ok$/s);
  });

  test('that are still sending a body get 503, and are closed a second later if their client goes on', async () => {
    const { client, clock } = await passOne({ isLinked: false, isCutOff: true }, infer.replace('Length: 2', 'Length: 2000000'));
    client.allowHalfOpen = true;
    const answer = restOf(client);
    const send = async (): Promise<void> => {
      client.write(Buffer.alloc(60_000));
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    };
    for (let piece = 0; piece < 20; piece++) await send();
    assert.equal(client.errored, null, 'it is not reset while its client sends');
    clock.advance(1000);
    while (!client.destroyed) await send();
    assert.match(await answer, /^HTTP\/1\.1 503 /);
  });

  test('that bring a probe get 503 after a second, whether there is no home, it is silent, or it hangs up', async () => {
    const without = await passOne({ ...near }, ready);
    without.clock.advance(1000);
    const silent = await passOne({ ...near }, ready);
    await silent.accept();
    silent.clock.advance(1000);
    const closing = await passOne({ ...near }, ready);
    (await closing.accept()).end();
    for (const { client } of [without, silent, closing]) assert.match(await restOf(client), /^HTTP\/1\.1 503 .*did not answer within 1 s/s);
  });

  test('that bring something else than a probe alone are passed on as they are', async () => {
    for (const request of [
      ready.replace('ready', 'readiness'),
      ready.replace('X-Request-Id: r', 'Content-Length: 2'),
      ready.replace('GET', 'POST').replace('Connection', 'Content-Length: 0\r\nConnection'),
      `${ready}${live}`,
    ]) {
      const { client, accept, clock } = await passOne({ ...near }, request);
      clock.advance(2000);
      const home = await accept();
      assert.equal(String(await once(home, 'data')), request);
      client.destroy();
      home.destroy();
    }
  });
});

describe('connections of a gateway process to its gRPC port', () => {
  async function openGrpc(more: Partial<FrontLimits>, tls: { readonly cert: string; readonly key: string } | null = null) {
    const clock = new VirtualClock();
    const passed: Socket[] = [];
    const port = new FrontGrpc(
      clock,
      { host: '127.0.0.1', tls, limits: { ...limits, ...more } },
      { passOn: (socket) => void passed.push(socket.on('error', () => undefined)) },
    );
    const bound = await port.listen(0);
    ends.push(() => close(port, clock));
    return { clock, passed, url: `http://127.0.0.1:${bound}`, bound };
  }

  test('go on with the first bytes of their client, and are closed if it sends none, or when too many are silent', async () => {
    const { url, clock, passed } = await openGrpc({ connectionsMax: 8 });
    const silent: Socket[] = [];
    for (let i = 0; i < 7; i++) silent.push(await dial(url));
    await closed(silent[0] as Socket);
    silent[6]?.write('PRI');
    await until('it is passed on', () => passed.length === 1);
    assert.equal(String(passed[0]?.read()), 'PRI');
    clock.advance(20_000);
    await Promise.all(silent.slice(1, 6).map(closed));
    assert.equal(silent[6]?.destroyed, false);
    for (const socket of [...silent, ...passed]) socket.destroy();
  });

  test('end TLS there', async () => {
    const tls = selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 });
    const { bound, passed } = await openGrpc({}, tls);
    const client = connectTls({ host: '127.0.0.1', port: bound, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    await once(client, 'secureConnect');
    assert.equal(client.alpnProtocol, 'h2');
    client.write('PRI');
    await until('it is passed on', () => passed.length === 1);
    assert.equal(String(passed[0]?.read()), 'PRI');
    client.destroy();
    passed[0]?.destroy();
  });
});

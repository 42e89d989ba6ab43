/** Memory held for clients that do not read is released, no matter how their requests ended. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { until } from '../../../test/end-to-end/poll.ts';
import { VirtualClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { Listener } from '../listener/listener.ts';
import { defaultLimits, type ListenerLimits } from '../listener/listener-limits.ts';
import type { DirectHandler } from '../listener/listener-options.ts';
import { type Certificate, selfSignedCertificate } from '../listener/self-signed.ts';
import { respond } from '../respond.ts';
import { readRequestBodyInto } from './read-body.ts';

const MiB = 2 ** 20;
const { requestTimeoutMs } = defaultLimits;
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A listener with one handler and virtual time, except for Node's own request timeouts, which use real time. */
class Fixture {
  readonly clock = new VirtualClock();
  readonly #listener: Listener;
  readonly #isSecure: boolean;
  readonly #sockets: Socket[] = [];
  #port = 0;
  /** Number of closed responses. */
  closed = 0;

  constructor(limits: Partial<ListenerLimits>, tls: Certificate | null, handle: (fixture: Fixture) => DirectHandler) {
    const access = { authenticate: () => ({ keyId: 'anonymous', role: 'admin' as const }) };
    const log = openLogs(null, 'silent').platform;
    this.#listener = new Listener({ host: '127.0.0.1', port: 0, tls, limits, access, log, clock: this.clock });
    this.#isSecure = tls !== null;
    const handler = handle(this);
    this.#listener.direct('/x', (request, response, path, query) => {
      response.once('close', () => this.closed++);
      handler(request, response, path, query);
    });
  }

  async listen(): Promise<void> {
    this.#port = Number(new URL(await this.#listener.listen()).port);
    closers.push(() => {
      for (const socket of this.#sockets) socket.destroy();
      return this.#listener.close();
    });
  }

  get bodies(): Listener['bodies'] {
    return this.#listener.bodies;
  }

  get heldBytes(): number {
    return this.bodies.budget.bytes;
  }

  /** A client that reads only on request and sends its own request without the last `leftOut` bytes. */
  async post(bytes: number, leftOut = 0): Promise<Socket> {
    const to = { host: '127.0.0.1', port: this.#port };
    const socket = this.#isSecure ? tlsConnect({ ...to, rejectUnauthorized: false }) : connect(to);
    this.#sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, this.#isSecure ? 'secureConnect' : 'connect');
    socket.write(`POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: ${bytes}\r\n\r\n`);
    socket.write(Buffer.alloc(bytes - leftOut));
    return socket;
  }
}

async function open(
  handle: (fixture: Fixture) => DirectHandler,
  limits: Partial<ListenerLimits> = {},
  tls: Certificate | null = null,
): Promise<Fixture> {
  const fixture = new Fixture({ closeMs: 0, ...limits }, tls, handle);
  await fixture.listen();
  return fixture;
}

const certificate = selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 });

describe('for a client that does not read', () => {
  test('an incomplete body is held no longer than the request timeout', async () => {
    let [heldMost, begun] = [0, 0];
    const never: (fixture: Fixture) => DirectHandler = (fixture) => (request, response) => {
      begun++;
      readRequestBodyInto(request, response, fixture.bodies, () => assert.fail('the body is never complete'));
      request.on('data', () => (heldMost = Math.max(heldMost, fixture.heldBytes)));
    };
    const fixture = await open(never, { headersTimeoutMs: 1000, requestTimeoutMs: 1000 });
    const clients = await Promise.all(Array.from({ length: 5 }, () => fixture.post(200_000, 1)));
    await until('all have begun', () => begun === clients.length);
    await until('nothing is held', () => {
      fixture.clock.advance(requestTimeoutMs);
      return fixture.closed === clients.length;
    });
    assert(heldMost > 0, 'memory was held');
    assert.equal(fixture.heldBytes, 0);
  });

  for (const [protocol, tls] of [
    ['http', null],
    ['https', certificate],
  ] as const) {
    test(`the body of an answered request is held no longer than its unread response, over ${protocol}`, async () => {
      const responses: ServerResponse[] = [];
      const large = Buffer.alloc(64 * MiB);
      const answering: (fixture: Fixture) => DirectHandler = (fixture) => (request, response) => {
        readRequestBodyInto(request, response, fixture.bodies, (error) => {
          assert.equal(error, null);
          respond(request, response, 200, [], large);
          responses.push(response);
        });
      };
      const fixture = await open(answering, {}, tls);
      const clients = await Promise.all(Array.from({ length: 3 }, () => fixture.post(MiB)));
      await until('all are answered', () => responses.length === clients.length);
      assert.equal(fixture.heldBytes, clients.length * MiB);
      await until('nothing is held', () => {
        fixture.clock.advance(requestTimeoutMs);
        return fixture.closed === clients.length;
      });
      assert.equal(fixture.heldBytes, 0);
      assert(responses.every(({ writableFinished }) => !writableFinished));
    });
  }
});

for (const [protocol, tls] of [
  ['http', null],
  ['https', certificate],
] as const) {
  test(`a response may take any time while the client reads or nothing is pending, over ${protocol}`, async () => {
    const [piece, pieces] = [Buffer.alloc(8 * MiB), 8];
    let written = 0;
    let response: ServerResponse | null = null;
    const inPieces: (fixture: Fixture) => DirectHandler = () => (_request, opened) => {
      response = opened;
      const next = (): void => {
        if (written === pieces) return;
        written++;
        opened.write(piece, next);
      };
      next();
    };
    const fixture = await open(inPieces, {}, tls);
    const client = await fixture.post(10);
    client.pause();
    let taken = 0;
    client.on('data', (bytes: Buffer) => (taken += bytes.length));
    client.pause();
    while (written < pieces) {
      const before = written;
      client.resume();
      await until('a piece was taken', () => written > before);
      client.pause();
      fixture.clock.advance(requestTimeoutMs);
    }
    client.resume();
    // The client may have all pieces and not yet the end of their encoding, which is then still pending.
    await until('everything is taken', () => taken > pieces * piece.length && response?.writableLength === 0);
    for (let minute = 0; minute < 10; minute++) fixture.clock.advance(requestTimeoutMs);
    assert.equal(fixture.closed, 0);
    const ended = once(client, 'end');
    (response as ServerResponse | null)?.end('the end');
    await until('it is over', () => fixture.closed === 1);
    assert((response as ServerResponse | null)?.writableFinished);
    client.end();
    client.destroy();
    await Promise.race([ended, once(client, 'close')]);
  });
}

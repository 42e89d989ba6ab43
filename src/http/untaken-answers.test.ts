/** Clients that do not read, however their requests ended: what they hold of the common budget comes back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { until } from '../../test/end-to-end/poll.ts';
import { VirtualClock } from '../clock.ts';
import { openLogs } from '../monitoring/index.ts';
import { answer } from './answer.ts';
import { type DirectHandler, defaultLimits, Listener, type ListenerLimits } from './listener.ts';
import { readBodyInto } from './read-body.ts';
import { type Certificate, selfSignedCertificate } from './self-signed.ts';

const MiB = 2 ** 20;
const { requestTimeoutMs } = defaultLimits;
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A listener with one door, in a time that stands still; but for Node's own limits of requests, which know no other than the real one. */
class House {
  readonly clock = new VirtualClock();
  readonly #listener: Listener;
  readonly #isSecure: boolean;
  readonly #sockets: Socket[] = [];
  #port = 0;
  /** Responses that are over. */
  closed = 0;

  constructor(limits: Partial<ListenerLimits>, tls: Certificate | null, handle: (house: House) => DirectHandler) {
    const access = { authenticate: () => ({ keyId: 'anonymous', role: 'admin' as const }) };
    const log = openLogs(null, 'silent').platform;
    this.#listener = new Listener({ host: '127.0.0.1', port: 0, tls, limits, access, log, clock: this.clock });
    this.#isSecure = tls !== null;
    const door = handle(this);
    this.#listener.direct('/x', (request, response, path, query) => {
      response.once('close', () => this.closed++);
      door(request, response, path, query);
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

  /** A client that reads nothing until it is told to, whose request has so many bytes and is sent up to the last ones. */
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
  handle: (house: House) => DirectHandler,
  limits: Partial<ListenerLimits> = {},
  tls: Certificate | null = null,
): Promise<House> {
  const house = new House({ closeMs: 0, ...limits }, tls, handle);
  await house.listen();
  return house;
}

const certificate = selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 });

describe('of a client that reads nothing', () => {
  test('a body that is never whole is held no longer than it may take to come', async () => {
    let heldMost = 0;
    const never: (house: House) => DirectHandler = (house) => (request, response) => {
      readBodyInto(request, response, house.bodies, () => assert.fail('it is never whole'));
      request.on('data', () => (heldMost = Math.max(heldMost, house.heldBytes)));
    };
    const house = await open(never, { headersTimeoutMs: 1000, requestTimeoutMs: 1000 });
    const clients = await Promise.all(Array.from({ length: 5 }, () => house.post(200_000, 1)));
    await until('nothing is held', () => {
      house.clock.advance(requestTimeoutMs);
      return house.closed === clients.length;
    });
    assert(heldMost > 0, 'there was something to give back');
    assert.equal(house.heldBytes, 0);
  });

  for (const [protocol, tls] of [
    ['http', null],
    ['https', certificate],
  ] as const) {
    test(`a body that was answered is held no longer than the answer may lie there, over ${protocol}`, async () => {
      const responses: ServerResponse[] = [];
      const large = Buffer.alloc(64 * MiB);
      const answering: (house: House) => DirectHandler = (house) => (request, response) => {
        readBodyInto(request, response, house.bodies, (error) => {
          assert.equal(error, null);
          answer(request, response, 200, [], large);
          responses.push(response);
        });
      };
      const house = await open(answering, {}, tls);
      const clients = await Promise.all(Array.from({ length: 3 }, () => house.post(MiB)));
      await until('all are answered', () => responses.length === clients.length);
      assert.equal(house.heldBytes, clients.length * MiB);
      await until('nothing is held', () => {
        house.clock.advance(requestTimeoutMs);
        return house.closed === clients.length;
      });
      assert.equal(house.heldBytes, 0);
      assert(responses.every(({ writableFinished }) => !writableFinished));
    });
  }
});

for (const [protocol, tls] of [
  ['http', null],
  ['https', certificate],
] as const) {
  test(`an answer may take any time as long as some of it is taken, or none is there to take, over ${protocol}`, async () => {
    const [piece, pieces] = [Buffer.alloc(8 * MiB), 8];
    let written = 0;
    let response: ServerResponse | null = null;
    const inPieces: (house: House) => DirectHandler = () => (_request, opened) => {
      response = opened;
      const next = (): void => {
        if (written === pieces) return;
        written++;
        opened.write(piece, next);
      };
      next();
    };
    const house = await open(inPieces, {}, tls);
    const client = await house.post(10);
    client.pause();
    let taken = 0;
    client.on('data', (bytes: Buffer) => (taken += bytes.length));
    client.pause();
    while (written < pieces) {
      const before = written;
      client.resume();
      await until('a piece was taken', () => written > before);
      client.pause();
      house.clock.advance(requestTimeoutMs);
    }
    client.resume();
    await until('everything is taken', () => taken > pieces * piece.length);
    for (let minute = 0; minute < 10; minute++) house.clock.advance(requestTimeoutMs);
    assert.equal(house.closed, 0);
    const ended = once(client, 'end');
    (response as ServerResponse | null)?.end('the end');
    await until('it is over', () => house.closed === 1);
    assert((response as ServerResponse | null)?.writableFinished);
    client.end();
    client.destroy();
    await Promise.race([ended, once(client, 'close')]);
  });
}

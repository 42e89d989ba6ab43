/** The fast path against node:http: the same bytes in, the same bytes out. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { plainRequest, requestStream } from '../../../test/http-requests.ts';
import { dial, received } from '../../../test/raw-connections.ts';
import { SystemClock, VirtualClock } from '../../clock.ts';
import { requestIdOf } from '../../connections/index.ts';
import { openLogs } from '../../logs/index.ts';
import { readRequestBodyInto } from '../bodies/read-body.ts';
import { respond } from '../respond.ts';
import { Listener } from './listener.ts';
import type { ListenerLimits } from './listener-limits.ts';
import type { DirectHandler } from './listener-options.ts';
import { type Certificate, selfSignedCertificate } from './self-signed.ts';

const caller = { keyId: 'anonymous', role: 'admin' } as const;
const plain = (body: string): string => `POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const get = 'GET /v2/models/m/infer HTTP/1.1\r\nHost: a\r\n\r\n';
const closing = 'GET /v2/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

interface ListenOptions {
  readonly isFast?: boolean;
  readonly tls?: Certificate | null;
  readonly limits?: Partial<ListenerLimits>;
  readonly clock?: VirtualClock;
}

async function listening(
  handle: (listener: Listener) => DirectHandler,
  { isFast = true, tls = null, limits = {}, clock }: ListenOptions = {},
) {
  const log = openLogs(null, 'silent').platform;
  const access = { authenticate: () => caller };
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls, limits, access, log, clock: clock ?? new SystemClock() });
  const handler = handle(listener);
  listener.direct('', handler, () => isFast);
  // The control plane answers later, so that it would depend on time whether a client that has left gets the answer.
  listener.claim(({ url = '' }) => !url.startsWith('/'), handler);
  const port = Number(new URL(await listener.listen()).port);
  return { listener, port };
}

/** Answers with everything that it sees of a request, and records that. */
const echo =
  (seen: string[] = []) =>
  (listener: Listener): DirectHandler =>
  (request, response, path, query) => {
    readRequestBodyInto(request, response, listener.bodies, (error, body) => {
      const { method, url, httpVersion, headers, rawHeaders } = request;
      const all = { method, url, httpVersion, headers: { ...headers }, rawHeaders, path, query, body: body.toString('latin1') };
      const text = JSON.stringify({ ...all, error: error?.message });
      seen.push(text);
      respond(request, response, error === null ? 200 : 400, ['x-request-id', requestIdOf(request)], text);
    });
  };

/** Sends the stream in pieces, then says that nothing follows. */
async function exchange(port: number, pieces: readonly Buffer[], isTls: boolean): Promise<string> {
  const socket = await dial(port, isTls);
  const text = received(socket);
  for (const piece of pieces) {
    socket.write(piece);
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  }
  // Both ends share this event loop: after some turns, the server has answered what it can.
  for (let turn = 0; turn < 12; turn++) await new Promise(setImmediate);
  socket.end();
  return text;
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)).filter(({ length }) => length > 0);
}

for (const isTls of [false, true]) {
  describe(`the fast path ${isTls ? 'over TLS' : 'without TLS'}`, () => {
    let fast: Awaited<ReturnType<typeof listening>>;
    let node: Awaited<ReturnType<typeof listening>>;
    const [seenByFast, seenByNode]: [string[], string[]] = [[], []];
    before(async () => {
      const tls = isTls ? selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 }) : null;
      fast = await listening(echo(seenByFast), { tls });
      node = await listening(echo(seenByNode), { tls, isFast: false });
    });
    after(async () => {
      await Promise.all([fast.listener.close(), node.listener.close()]);
    });

    test('sees in any stream, cut at random places, only requests that node:http sees, and answers as node:http does', async () => {
      const stream = fc.tuple(requestStream, fc.array(fc.nat(5000), { maxLength: 3 }));
      const runs = process.env['PENSTOCK_SOAK'] === '1' ? 3000 : isTls ? 20 : 80;
      await fc.assert(
        fc.asyncProperty(stream, async ([bytes, places]) => {
          // Whether a pipelined request gets 100 Continue depends on whether the one before is answered: on the fast path it is.
          fc.pre(!/100-continue/i.test(bytes.toString('latin1')));
          seenByFast.length = 0;
          seenByNode.length = 0;
          const whole = Buffer.concat([bytes, Buffer.from(closing)]);
          const single = Array.from(whole, (_, at) => whole.subarray(at, at + 1));
          const pieces = cut(whole, places);
          // What node:http sees beside a request that it rejects depends on how many bytes it reads at once.
          const [ours, ...theirs] = await Promise.all([
            exchange(fast.port, pieces, isTls),
            exchange(node.port, pieces, isTls),
            exchange(node.port, [whole], isTls),
            exchange(node.port, single, isTls),
          ]);
          const unknown = seenByFast.filter((request) => !seenByNode.includes(request));
          assert.deepEqual(unknown, []);
          // With a rejected request answers may be lost; after an upgrade node:http drops what it has read.
          if ([ours, ...theirs].some((text) => text === '' || /HTTP\/1\.1 4|upgrade/i.test(text))) return;
          assert(theirs.includes(ours), `${ours}\nis none of\n${theirs.join('\n\n')}`);
        }),
        { numRuns: runs },
      );
    });

    test('answers pipelined requests in order, also after one that is left to node:http', async () => {
      const bodies = fc.array(fc.oneof(plainRequest, fc.constant(get)), { minLength: 1, maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(bodies, async (requests) => {
          const pieces = [Buffer.from(requests.join('') + closing, 'latin1')];
          const [ours, theirs] = await Promise.all([exchange(fast.port, pieces, isTls), exchange(node.port, pieces, isTls)]);
          assert.equal(ours, theirs);
          assert.equal(ours.split('HTTP/1.1 200 OK').length - 1, requests.length + 1);
        }),
        { numRuns: isTls ? 10 : 40 },
      );
    });
  });
}

/** Requests that wait until they are answered by hand. */
class Held {
  readonly requests: { readonly body: string; answer(): void; isClosed: boolean }[] = [];
  #wake = (): void => {};

  handle =
    (listener: Listener): DirectHandler =>
    (request, response) => {
      readRequestBodyInto(request, response, listener.bodies, (_error, body) => {
        const text = body.toString();
        const one = { body: text, answer: () => respond(request, response, 200, [], `answer to ${text}`), isClosed: false };
        response.once('close', () => {
          one.isClosed = true;
          this.#wake();
        });
        this.requests.push(one);
        this.#wake();
      });
    };

  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe('a connection on the fast path', () => {
  test('over TLS is handed to node:http in the middle of a read, of which more records follow', async () => {
    const tls = selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 });
    const [fast, node] = await Promise.all([listening(echo(), { tls }), listening(echo(), { tls, isFast: false })]);
    const long = (name: string): string => `GET /v2/${name} HTTP/1.1\r\nHost: a\r\nCookie: ${'c'.repeat(3000)}\r\n\r\n`;
    const posted = (bytes: number): string => plain('b'.repeat(bytes));
    // A record has at most 512 bytes, and all records of a write arrive together.
    const send = async (port: number, stream: string): Promise<string> => {
      const socket = await dial(port, true);
      assert((socket as TLSSocket).setMaxSendFragment(512));
      const text = received(socket);
      socket.write(stream);
      return text;
    };
    const streams = [long('a'), posted(4000), posted(20_000), posted(9) + long('b') + posted(2000), long('c') + posted(3) + long('d')];
    for (const stream of streams) {
      const [ours, theirs] = await Promise.all([send(fast.port, stream + closing), send(node.port, stream + closing)]);
      assert.equal(ours, theirs);
      assert.doesNotMatch(ours, /HTTP\/1\.1 4/);
    }
    await Promise.all([fast.listener.close(), node.listener.close()]);
  });

  test('is handed to node:http only when the answer before is written', async () => {
    const held = new Held();
    const { listener, port } = await listening(held.handle);
    const socket = await dial(port);
    const text = received(socket);
    socket.write(`${plain('one')}${plain('two')}${get}${closing}`);
    await held.until(() => held.requests.length >= 1);
    held.requests[0]?.answer();
    await held.until(() => held.requests.length >= 2);
    held.requests[1]?.answer();
    await held.until(() => held.requests.length >= 3);
    held.requests[2]?.answer();
    await held.until(() => held.requests.length >= 4);
    held.requests[3]?.answer();
    const order = (await text).match(/answer to (one|two)?/g);
    assert.deepEqual(order, ['answer to one', 'answer to two', 'answer to ', 'answer to ']);
    await listener.close();
  });

  test('reports a client that disconnects while its request is answered', async () => {
    const held = new Held();
    const { listener, port } = await listening(held.handle);
    const socket = await dial(port);
    socket.write(plain('x'));
    await held.until(() => held.requests.length >= 1);
    socket.destroy();
    await held.until(() => held.requests[0]?.isClosed === true);
    held.requests[0]?.answer();
    await listener.close();
  });

  test('stops reading while a request is answered and the client goes on sending', async () => {
    const held = new Held();
    const { listener, port } = await listening(held.handle, { limits: { closeMs: 20 } });
    const socket = await dial(port);
    socket.write(plain('x'));
    await held.until(() => held.requests.length >= 1);
    const isBlocked = new Promise<void>((resolve) => {
      const piece = Buffer.alloc(1024 * 1024, plain('y'));
      const more = (sent = 0): void => {
        if (sent > 64) assert.fail('the server reads without end');
        if (socket.write(piece)) setImmediate(more, sent + 1);
        else resolve();
      };
      more();
    });
    await isBlocked;
    socket.destroy();
    held.requests[0]?.answer();
    await listener.close();
  });

  test('that sends nothing, or a part of a request, falls under the limits of node:http', async () => {
    const { listener, port } = await listening(echo(), { limits: { headersTimeoutMs: 50, requestTimeoutMs: 50 } });
    for (const start of ['', 'POST /v2/mod', 'POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf']) {
      const socket = await dial(port);
      const text = received(socket);
      socket.write(start);
      assert.match(await text, /^HTTP\/1\.1 408 /);
    }
    await listener.close();
  });

  test('that begins long after it was opened is served here: pools of clients open connections in advance', async () => {
    const clock = new VirtualClock();
    const isServedHere: boolean[] = [];
    const answering = (): DirectHandler => (request, response) => {
      isServedHere.push(!(request instanceof IncomingMessage));
      respond(request, response, 200, [], 'x');
    };
    const { listener, port } = await listening(answering, { clock });
    const [early, late] = [await dial(port), await dial(port)];
    const closed = received(late);
    for (const socket of [early, await dial(port)]) {
      clock.advance(6000);
      await new Promise(setImmediate);
      socket.write(plain('x'));
      await once(socket, 'data');
      if (socket !== early) socket.destroy();
    }
    assert.deepEqual(isServedHere, [true, true]);
    clock.advance(20_000);
    assert.match(await closed, /^HTTP\/1\.1 408 /, 'one that never begins is closed');
    early.destroy();
    await listener.close();
  });

  test('is closed when it was idle for too long, and not before', async () => {
    const clock = new VirtualClock();
    const { listener, port } = await listening(echo(), { clock });
    const socket = await dial(port);
    let isClosed = false;
    const text = received(socket).finally(() => {
      isClosed = true;
    });
    for (let i = 0; i < 3; i++) {
      socket.write(plain('x'));
      await once(socket, 'data');
      clock.advance(74_000);
      await new Promise(setImmediate);
      assert.equal(isClosed, false);
    }
    clock.advance(3000);
    // Idle connections are looked for now and then.
    while (!isClosed) {
      clock.advance(75_000);
      await new Promise(setImmediate);
    }
    assert.equal((await text).split('200 OK').length, 4);
    await listener.close();
  });

  test('gets a response that closes it while the server drains, in the middle of a request too', async () => {
    const held = new Held();
    const { listener, port } = await listening(held.handle);
    const [busy, idle] = [await dial(port), await dial(port)];
    const texts = [received(busy), received(idle)];
    idle.write(plain('first'));
    await held.until(() => held.requests.length >= 1);
    held.requests[0]?.answer();
    busy.write(plain('busy'));
    await held.until(() => held.requests.length >= 2);
    const drained = listener.drain({ timeoutMs: 10_000, graceMs: 50 });
    held.requests[1]?.answer();
    const [last, first] = await Promise.all(texts);
    assert.match(last ?? '', /Connection: close\r\n\r\nanswer to busy$/);
    assert.match(first ?? '', /Connection: keep-alive/);
    await drained;
    await listener.close();
  });

  test('ends with the server, however long its request takes', async () => {
    const held = new Held();
    const { listener, port } = await listening(held.handle, { limits: { closeMs: 20 } });
    const socket = await dial(port);
    const text = received(socket);
    socket.write(plain('x'));
    await held.until(() => held.requests.length >= 1);
    await listener.close();
    assert.equal(await text, '');
  });

  test('answers an error of the handler with 500', async () => {
    const { listener, port } = await listening(() => () => {
      throw new Error('a bug');
    });
    assert.match(await exchange(port, [Buffer.from(plain('x') + closing)], false), /^HTTP\/1\.1 500 .*internal error/s);
    await listener.close();
  });
});

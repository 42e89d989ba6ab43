/** Bodies that arrive in pieces on the fast path, against node:http. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { plainRequest } from '../../../test/http-requests.ts';
import { dial, received } from '../../../test/raw-connections.ts';
import { SystemClock, VirtualClock } from '../../clock.ts';
import { FastResponse } from '../../connections/index.ts';
import { PlatformError } from '../../errors.ts';
import { openLogs } from '../../logs/index.ts';
import { readRequestBodyInto } from '../bodies/read-body.ts';
import { respond } from '../respond.ts';
import { Listener } from './listener.ts';
import type { ListenerLimits } from './listener-limits.ts';
import type { DirectHandler } from './listener-options.ts';
import { type Certificate, selfSignedCertificate } from './self-signed.ts';

const caller = { keyId: 'anonymous', role: 'admin' } as const;
const closing = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const headOf = (bytes: number, path = '/infer'): string => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`;

interface ListenOptions {
  readonly isFast?: boolean;
  readonly tls?: Certificate | null;
  readonly limits?: Partial<ListenerLimits>;
  readonly clock?: VirtualClock;
}

/** `served`: the paths of requests, and whether the fast path served them. */
async function listening({ isFast = true, tls = null, limits = {}, clock }: ListenOptions = {}) {
  const log = openLogs(null, 'silent').platform;
  const access = { authenticate: () => caller };
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls, limits, access, log, clock: clock ?? new SystemClock() });
  const served: string[] = [];
  const closed: string[] = [];
  const handler: DirectHandler = (request, response, path) => {
    served.push(`${path} ${(response as object) instanceof FastResponse ? 'fast' : 'node'}`);
    response.once('close', () => closed.push(path));
    if (path === '/refused') return respond(request, response, 401, [], 'refused');
    readRequestBodyInto(request, response, listener.bodies, (error, body) => {
      respond(request, response, error === null ? 200 : 503, [], error === null ? body : error.message);
    });
  };
  listener.direct('', handler, () => isFast);
  const port = Number(new URL(await listener.listen()).port);
  return { listener, port, served, closed };
}

/** The response to a stream of which the last request closes the connection. Each piece is sent in a later turn of the event loop. */
async function exchange(port: number, pieces: readonly Buffer[], isTls = false): Promise<string> {
  const socket = await dial(port, isTls);
  const text = received(socket);
  for (const piece of pieces) {
    socket.write(piece);
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  }
  return text;
}

/** Bytes that differ from one place to the next, so that a lost or swapped piece is found. */
function bodyOf(bytes: number, seed: number): Buffer {
  return Buffer.from(Uint32Array.from({ length: Math.ceil(bytes / 4) }, (_, at) => at * 2_654_435_761 + seed).buffer).subarray(0, bytes);
}

interface LargeRequest {
  readonly bytes: number;
  readonly seed: number;
  readonly path: string;
}

const largeRequest: fc.Arbitrary<LargeRequest> = fc.record({
  bytes: fc.oneof(fc.constantFrom(65_535, 65_536, 65_537, 131_072, 2 ** 20), fc.integer({ min: 60_000, max: 700_000 })),
  seed: fc.nat(1000),
  path: fc.constantFrom('/infer', '/infer', '/refused'),
});

function bytesOf(request: LargeRequest | string): Buffer {
  if (typeof request === 'string') return Buffer.from(request, 'latin1');
  return Buffer.concat([Buffer.from(headOf(request.bytes, request.path)), bodyOf(request.bytes, request.seed)]);
}

/** Requests on one connection, the last of them large, and where their bytes are cut. */
const stream = fc.record({
  requests: fc.array(fc.oneof(largeRequest, plainRequest), { maxLength: 2 }),
  last: largeRequest,
  places: fc.array(fc.nat(), { maxLength: 5 }),
});

for (const isTls of [false, true]) {
  describe(`large bodies on the fast path ${isTls ? 'over TLS' : 'without TLS'}`, () => {
    let fast: Awaited<ReturnType<typeof listening>>;
    let node: Awaited<ReturnType<typeof listening>>;
    before(async () => {
      const tls = isTls ? selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 }) : null;
      fast = await listening({ tls });
      node = await listening({ isFast: false });
    });
    after(async () => {
      await Promise.all([fast.listener.close(), node.listener.close()]);
    });

    test('arrive as sent, pipelined and cut at any places, also if they are not wanted, and are answered as by node:http', async () => {
      const runs = process.env['PENSTOCK_SOAK'] === '1' ? 1000 : isTls ? 5 : 12;
      let isServed = false;
      await fc.assert(
        fc.asyncProperty(stream, async ({ requests, last, places }) => {
          const whole = Buffer.concat([...[...requests, last].map(bytesOf), Buffer.from(closing)]);
          const ends = [...places.map((place) => place % whole.length).sort((a, b) => a - b), whole.length];
          const pieces = ends.map((end, at) => whole.subarray(ends[at - 1] ?? 0, end)).filter(({ length }) => length > 0);
          const [ours, theirs] = await Promise.all([exchange(fast.port, pieces, isTls), exchange(node.port, pieces)]);
          const served = fast.served.splice(0);
          isServed ||= served.includes('/infer fast');
          // With TLS, node:https takes a pause of its parser for an error (HPE_PAUSED) while responses to pipelined requests wait.
          if (isTls && served.some((request) => /(infer|refused) node/.test(request))) return;
          assert.equal(ours.length, theirs.length);
          assert(ours === theirs, 'the responses differ');
        }),
        { numRuns: runs },
      );
      assert.equal(fast.listener.bodies.budget.bytes, 0);
      assert(isServed);
    });
  });
}

describe('a connection with a large body', () => {
  const half = Buffer.concat([Buffer.from(headOf(300_000)), bodyOf(200_000, 1)]);
  const rest = bodyOf(300_000, 1).subarray(200_000);

  test('stays on the fast path for its next requests, up to 1 MiB each', async () => {
    const { listener, port, served } = await listening();
    for (const bytes of [300_000, 3, 2 ** 20, 70_000]) {
      const socket = await dial(port);
      socket.write(Buffer.concat([Buffer.from(headOf(bytes)), bodyOf(bytes, 2), Buffer.from(headOf(3)), Buffer.from('abc')]));
      while (!served.splice(0).includes('/infer fast')) await once(socket, 'data');
      socket.destroy();
    }
    const socket = await dial(port);
    const text = received(socket);
    socket.write(Buffer.concat([Buffer.from(headOf(2 ** 20 + 1)), bodyOf(2 ** 20 + 1, 2), Buffer.from(closing)]));
    await text;
    assert.deepEqual(served.slice(-2), ['/infer node', '/last node']);
    await listener.close();
  });

  test('gets 408 as from node:http if it is too slow, and its memory is released', async () => {
    const limits = { headersTimeoutMs: 50, requestTimeoutMs: 50 };
    const [fast, node] = await Promise.all([listening({ limits }), listening({ limits, isFast: false })]);
    const texts = await Promise.all([exchange(fast.port, [half]), exchange(node.port, [half])]);
    assert.match(texts[0], /^HTTP\/1\.1 408 .*"code":"deadline_exceeded"/s);
    assert.equal(texts[0], texts[1]);
    while (fast.closed.length === 0) await new Promise(setImmediate);
    assert.deepEqual(fast.served, ['/infer fast']);
    assert.equal(fast.listener.bodies.budget.bytes, 0);
    await Promise.all([fast.listener.close(), node.listener.close()]);
  });

  test('is served, however long its client pauses within the time limit', async () => {
    const clock = new VirtualClock();
    const { listener, port, served } = await listening({ clock });
    const socket = await dial(port);
    const text = received(socket);
    socket.write(half);
    while (listener.bodies.budget.bytes < 200_000) await new Promise(setImmediate);
    for (let second = 0; second < 50; second++) clock.advance(1000);
    socket.write(Buffer.concat([rest, Buffer.from(closing)]));
    assert((await text).includes(bodyOf(300_000, 1).toString('latin1')));
    assert.deepEqual(served, ['/infer fast', '/last node']);
    await listener.close();
  });

  test('has the whole time limit for its next body, too, however long it was idle before', async () => {
    const clock = new VirtualClock();
    const { listener, port, served } = await listening({ clock });
    const socket = await dial(port);
    const text = received(socket);
    socket.write(Buffer.concat([half, rest]));
    while (served.length === 0 || listener.bodies.budget.bytes > 0) await new Promise(setImmediate);
    for (let second = 0; second < 50; second++) clock.advance(1000);
    socket.write(half);
    while (listener.bodies.budget.bytes < 200_000) await new Promise(setImmediate);
    for (let second = 0; second < 50; second++) clock.advance(1000);
    socket.write(Buffer.concat([rest, Buffer.from(closing)]));
    assert.deepEqual((await text).match(/HTTP\/1\.1 \d+/g), Array(3).fill('HTTP/1.1 200'));
    assert.deepEqual(served, ['/infer fast', '/infer fast', '/last node']);
    await listener.close();
  });

  test('gets 400 as from node:http if its client sends no more, also if it was answered early', async () => {
    const [fast, node] = await Promise.all([listening(), listening({ isFast: false })]);
    for (const path of ['/infer', '/refused']) {
      const end = async (port: number): Promise<string> => {
        const socket = await dial(port);
        const text = received(socket);
        socket.end(Buffer.concat([Buffer.from(headOf(300_000, path)), bodyOf(200_000, 1)]));
        return text;
      };
      const texts = await Promise.all([end(fast.port), end(node.port)]);
      assert.match(texts[0], /HTTP\/1\.1 400 /);
      assert.equal(texts[0], texts[1]);
    }
    await Promise.all([fast.listener.close(), node.listener.close()]);
  });

  test('that is gone holds no memory', async () => {
    const { listener, port, closed } = await listening();
    const socket = await dial(port);
    socket.write(half);
    while (listener.bodies.budget.bytes < 200_000) await new Promise(setImmediate);
    socket.destroy();
    while (closed.length === 0) await new Promise(setImmediate);
    assert.equal(listener.bodies.budget.bytes, 0);
    await listener.close();
  });

  test('is rejected while it arrives if the memory for bodies is exhausted, and its next request is served', async () => {
    const limits = { bodiesBytesMax: 150_000 };
    const [fast, node] = await Promise.all([listening({ limits }), listening({ limits, isFast: false })]);
    const pieces = [half, rest, Buffer.from(headOf(3)), Buffer.from(`abc${closing}`)];
    const texts = await Promise.all([exchange(fast.port, pieces), exchange(node.port, pieces)]);
    assert.match(texts[0], /^HTTP\/1\.1 503 .*abc/s);
    const withoutFigures = texts.map((text) => text.replaceAll(/\d+ bytes/g, 'bytes').replaceAll(/content-length: \d+/g, ''));
    assert.equal(withoutFigures[0], withoutFigures[1]);
    await Promise.all([fast.listener.close(), node.listener.close()]);
  });

  test('gets no answer if its request is ended for want of memory', async () => {
    const { listener, port } = await listening();
    const socket = await dial(port);
    const text = received(socket);
    socket.write(half);
    while (listener.bodies.budget.bytes < 200_000) await new Promise(setImmediate);
    const hold = listener.bodies.budget.largest();
    hold?.fail(new PlatformError('unavailable', 'no memory'));
    hold?.cutOff();
    assert.equal(await text, '');
    assert.equal(listener.bodies.budget.bytes, 0);
    await listener.close();
  });

  test('is closed after its response while the server drains', async () => {
    const { listener, port } = await listening();
    const socket = await dial(port);
    const text = received(socket);
    socket.write(half);
    while (listener.bodies.budget.bytes < 200_000) await new Promise(setImmediate);
    const drained = listener.drain({ timeoutMs: 10_000, graceMs: 50 });
    socket.write(rest);
    assert.match(await text, /^HTTP\/1\.1 200 .*Connection: close\r\n\r\n/s);
    await drained;
    await listener.close();
  });

  test('that was answered early is closed with the end of its body once the server closes', async () => {
    const { listener, port } = await listening({ clock: new VirtualClock() });
    const socket = await dial(port);
    socket.write(Buffer.concat([Buffer.from(headOf(300_000, '/refused')), bodyOf(200_000, 1)]));
    await once(socket, 'data');
    const closed = listener.close();
    socket.write(rest);
    await closed;
    socket.destroy();
  });

  test('that is answered early while the server drains is not reset before its end', async () => {
    const { listener, port } = await listening();
    const socket = await dial(port);
    const text = received(socket);
    const drained = listener.drain({ timeoutMs: 10_000, graceMs: 500 });
    const whole = Buffer.concat([Buffer.from(headOf(300_000, '/refused')), bodyOf(300_000, 1)]);
    socket.write(whole.subarray(0, 100_000));
    await once(socket, 'data');
    socket.write(whole.subarray(100_000, 200_000));
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    assert(socket.writable && socket.errored === null);
    socket.write(whole.subarray(200_000));
    assert.match(await text, /^HTTP\/1\.1 401 .*Connection: close\r\n\r\nrefused$/s);
    await Promise.all([drained, listener.close()]);
  });
});

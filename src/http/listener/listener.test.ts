import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Caller } from '../../access/index.ts';
import { SystemClock } from '../../clock.ts';
import { errorBody, httpStatus, requestIdOf } from '../../connections/index.ts';
import { PlatformError } from '../../errors.ts';
import { openLogs } from '../../logs/index.ts';
import { readRequestBodyInto } from '../bodies/read-body.ts';
import { describeApi } from '../open-api.ts';
import { respond } from '../respond.ts';
import { Listener } from './listener.ts';
import type { ListenerLimits } from './listener-limits.ts';
import { selfSignedCertificate } from './self-signed.ts';

const clock = new SystemClock();
const caller: Caller = { keyId: 'anonymous', role: 'admin' };
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Opened {
  readonly listener: Listener;
  readonly url: string;
  readonly port: number;
}

/** A listener with /echo, which returns the body. */
async function open(limits: Partial<ListenerLimits> = {}, prepare: (listener: Listener) => void = () => undefined): Promise<Opened> {
  const access = { authenticate: () => caller };
  const log = openLogs(null, 'silent').platform;
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls: null, limits: { closeMs: 200, ...limits }, access, log, clock });
  listener.direct('/echo', (request, response) => {
    readRequestBodyInto(request, response, listener.bodies, (error, body) => {
      const id = requestIdOf(request);
      if (error === null) respond(request, response, 200, ['x-request-id', id], body);
      else respond(request, response, httpStatus[error.code], ['x-request-id', id], errorBody(error, id));
    });
  });
  prepare(listener);
  const url = await listener.listen();
  closers.push(() => listener.close());
  return { listener, url, port: Number(new URL(url).port) };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** All bytes from the server until it closes the connection. */
async function listen(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  await new Promise((resolve) => socket.on('close', resolve));
  return text;
}

async function post(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { method: 'POST', body, headers });
  return { status: response.status, text: await response.text() };
}

describe('a body', () => {
  test('arrives unchanged: in one chunk, in several, chunked, compressed, or empty', async () => {
    const { url, port } = await open();
    const large = 'x'.repeat(300_000);
    assert.deepEqual(await post(`${url}/echo`, 'small'), { status: 200, text: 'small' });
    assert.deepEqual(await post(`${url}/echo?a=b`, large), { status: 200, text: large });
    assert.deepEqual(await post(`${url}/echo`, ''), { status: 200, text: '' });
    assert.deepEqual(await post(`${url}/echo`, gzipSync(large), { 'content-encoding': 'gzip' }), { status: 200, text: large });
    assert.equal(await (await fetch(`${url}/echo`)).text(), '');
    const socket = await dial(port);
    socket.write(
      'POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
    );
    assert.match(await listen(socket), /\r\n\r\nabcde$/);
  });

  test('above the limit is rejected without being read, and a client that is still sending gets the response', async () => {
    const { url, port } = await open({ bodyLimitBytes: 1000 });
    const socket = await dial(port);
    socket.write(`POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: ${64 * 1024 * 1024 * 1024}\r\n\r\n`);
    const answered = listen(socket);
    const timer = setInterval(() => socket.write(Buffer.alloc(1024 * 1024)), 5);
    const text = await answered;
    clearInterval(timer);
    assert.match(text, /^HTTP\/1.1 413 /);
    assert.match(text, /the body is too large: expected at most 1000 bytes, got at least 68719476736/);
    assert.equal((await post(`${url}/echo`, 'next')).status, 200);
  });

  test('above the limit is rejected also for a client that reads only when it can send no more', async () => {
    const { port } = await open({ bodyLimitBytes: 1000 });
    const socket = await dial(port);
    socket.pause();
    socket.write(`POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: ${64 * 1024 * 1024 * 1024}\r\n\r\n`);
    const piece = Buffer.alloc(1024 * 1024);
    while (await isTaken(socket, piece));
    socket.resume();
    assert.match(await listen(socket), /^HTTP\/1.1 413 /);
  });

  test('above the limit is rejected if chunked, or after decompression', async () => {
    const { url } = await open({ bodyLimitBytes: 1000 });
    assert.equal(await statusOfChunked(url, 2000), 413);
    const bomb = await post(`${url}/echo`, gzipSync(Buffer.alloc(100_000)), { 'content-encoding': 'gzip' });
    assert.equal(bomb.status, 413);
    assert.match(bomb.text, /decompressed body/);
  });

  test('in an unknown or broken encoding is rejected', async () => {
    const { url } = await open();
    assert.match((await post(`${url}/echo`, 'x', { 'content-encoding': 'br' })).text, /content-encoding 'br' is not supported/);
    assert.match((await post(`${url}/echo`, 'no gzip', { 'content-encoding': 'gzip' })).text, /the body is not valid gzip/);
    assert.equal((await post(`${url}/echo`, 'x', { 'content-encoding': 'identity' })).text, 'x');
  });

  test('with a declared length above the limit gets 413 instead of 100 Continue', async () => {
    const { port } = await open({ bodyLimitBytes: 10 });
    const socket = await dial(port);
    socket.write('POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000000\r\n\r\n');
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    assert.match(chunk.toString(), /^HTTP\/1.1 413 /);
    socket.destroy();
  });

  test('gets no 100 Continue while an earlier request is being answered', async () => {
    const { port } = await open({}, (listener) =>
      listener.direct('/held', (request, response) => void setImmediate(() => respond(request, response, 200, [], 'first'))),
    );
    const socket = await dial(port);
    const next = 'GET /unknown HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\r\n';
    socket.write(`GET /held HTTP/1.1\r\nhost: x\r\n\r\n${next}`);
    const text = await listen(socket);
    assert.match(text, /^HTTP\/1\.1 200 .*\r\n\r\nfirstHTTP\/1\.1 404 .*\r\n\r\n\{"error"/s);
    assert.doesNotMatch(text, /HTTP\/1\.1 100/);
  });
});

/** False if nothing was read for a tenth of a second. Rejects if the connection was reset. */
function isTaken(socket: Socket, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const stalled = setTimeout(() => resolve(false), 100);
    socket.write(bytes, (error) => {
      clearTimeout(stalled);
      if (error) reject(error);
      else resolve(true);
    });
  });
}

async function statusOfChunked(url: string, bytes: number): Promise<number | undefined> {
  const sent = httpRequest(`${url}/echo`, { method: 'POST' });
  sent.on('error', () => undefined);
  sent.write('x'.repeat(bytes));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  sent.destroy();
  return response.statusCode;
}

describe('a claiming handler', () => {
  const claiming = (listener: Listener): void =>
    listener.claim(
      (request) => request.headers['x-mine'] !== undefined,
      (request, response, path, query) => respond(request, response, 200, [], `mine: ${path} ${query}`),
    );

  test('gets its requests on any path, and no others', async () => {
    const { url } = await open({}, claiming);
    const headers = { 'x-mine': '1' };
    for (const path of ['/echo', '/', '/elsewhere']) {
      assert.equal(await (await fetch(`${url}${path}?a=b`, { headers })).text(), `mine: ${path} a=b`);
    }
    assert.equal(await (await fetch(`${url}/echo`, { method: 'POST', body: 'x' })).text(), 'x');
    assert.equal((await fetch(`${url}/elsewhere`)).status, 404);
  });

  test('decides about 100 Continue', async () => {
    const { port } = await open({}, claiming);
    const socket = await dial(port);
    socket.write('POST /echo HTTP/1.1\r\nhost: x\r\nx-mine: 1\r\nexpect: 100-continue\r\ncontent-length: 5000000\r\n\r\n');
    const [said] = (await once(socket, 'data')) as [Buffer];
    assert.match(said.toString(), /^HTTP\/1\.1 200 /);
    socket.destroy();
  });
});

describe('a connection', () => {
  test('with slow headers or a slow body gets 408', async () => {
    const { port } = await open({ headersTimeoutMs: 50, requestTimeoutMs: 50 });
    for (const start of ['POST /echo HTTP/1.1\r\nhost:', 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf']) {
      const socket = await dial(port);
      socket.write(start);
      const text = await listen(socket);
      assert.match(text, /^HTTP\/1.1 408 Request Timeout\r\n/);
      const body = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { code: string; request_id: string };
      assert.equal(body.code, 'deadline_exceeded');
      assert.equal(typeof body.request_id, 'string');
    }
  });

  test('that times out in the middle of a large body releases its memory', async () => {
    const over = Promise.withResolvers<void>();
    let heldMost = 0;
    const { listener, port } = await open({ headersTimeoutMs: 1000, requestTimeoutMs: 1000 }, (opened) => {
      opened.direct('/slow', (request, response) => {
        response.once('close', over.resolve);
        readRequestBodyInto(request, response, opened.bodies, () => assert.fail('the body is never complete'));
        request.on('data', () => (heldMost = Math.max(heldMost, opened.bodies.budget.bytes)));
      });
    });
    const socket = await dial(port);
    socket.write(`POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n${'x'.repeat(200_000)}`);
    assert.match(await listen(socket), /^HTTP\/1.1 408 /);
    await over.promise;
    assert(heldMost > 0, 'memory was held');
    assert.equal(listener.bodies.budget.bytes, 0);
  });

  test('with a malformed request or oversized headers gets an error', async () => {
    const { port } = await open();
    for (const [said, answered] of [
      ['hello there\r\n\r\n', /^HTTP\/1.1 400 /],
      [`GET / HTTP/1.1\r\nhost: x\r\nlong: ${'y'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1.1 431 /],
    ] as const) {
      const socket = await dial(port);
      socket.write(said);
      assert.match(await listen(socket), answered);
    }
  });

  test('with an extended timeout may be slow but not silent', async () => {
    // Together the letters take longer than the timeout; a busy machine may be late by five times their interval.
    const [timeoutMs, letterMs] = [1000, 150];
    const { port } = await open({ headersTimeoutMs: timeoutMs, requestTimeoutMs: timeoutMs }, (listener) => {
      listener.direct('/slow', (request, response) => {
        listener.extendTimeout(request);
        readRequestBodyInto(request, response, { ...listener.bodies, limitBytes: 1000 }, (error, body) =>
          respond(request, response, error === null ? 200 : 400, [], body),
        );
      });
    });
    const head = 'POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n';
    const slow = await dial(port);
    const received = listen(slow);
    slow.write(`${head}connection: close\r\n\r\n`);
    for (const letter of 'unhurried'.slice(1)) {
      await new Promise<void>((resolve) => clock.after(letterMs, resolve));
      slow.write(letter);
    }
    assert.match(await received, /^HTTP\/1.1 200 [^]*nhurried$/);
    const silent = await dial(port);
    silent.write(`${head}\r\n1`);
    assert.equal(await listen(silent), '');
  });

  test('with two Host headers is rejected on any path', async () => {
    const { port } = await open();
    for (const [method, second] of [
      ['GET /echo', 'x'],
      ['GET /api/v1/status', 'y'],
      ['POST /echo', 'x'],
    ]) {
      const socket = await dial(port);
      socket.write(`${method} HTTP/1.1\r\nHost: x\r\nhOsT: ${second}\r\ncontent-length: 0\r\n\r\n`);
      assert.match(await listen(socket), /^HTTP\/1.1 400 [^]*several Host headers: expected one/);
    }
  });

  test('is served while a thousand others are idle', async () => {
    const { url, port } = await open();
    const sockets = await Promise.all(Array.from({ length: 1000 }, () => dial(port)));
    assert.equal((await post(`${url}/echo`, 'still here')).text, 'still here');
    for (const socket of sockets) socket.destroy();
  });
});

describe('closing', () => {
  test('lets a request in flight finish, closes idle connections, and rejects new ones', async () => {
    let finish = (): void => undefined;
    const { listener, url, port } = await open({}, (opened) => {
      opened.direct('/held', (request, response) => {
        finish = () => respond(request, response, 200, [], 'done');
      });
    });
    const idle = await dial(port);
    const held = await dial(port);
    held.write('GET /held HTTP/1.1\r\nhost: x\r\n\r\n');
    while (String(finish) === String((): void => undefined)) await new Promise(setImmediate);
    const closed = listener.close();
    closers.pop();
    const text = listen(held);
    finish();
    await closed;
    assert.match(await text, /done$/);
    idle.destroy();
    await assert.rejects(fetch(`${url}/echo`));
  });

  test('does not wait for keep-alive connections after their response', async () => {
    let finish: (() => void) | null = null;
    // If it waited, it would do so until the test times out.
    const { listener, port } = await open({ closeMs: 3_600_000 }, (opened) => {
      opened.direct('/held', (request, response) => {
        finish = () => respond(request, response, 200, [], 'done');
      });
    });
    const retained = await dial(port);
    retained.write('GET /held HTTP/1.1\r\nhost: x\r\n\r\n');
    while (finish === null) await new Promise(setImmediate);
    const closed = listener.close();
    closers.pop();
    (finish as () => void)();
    await closed;
    retained.destroy();
  });

  test('does not wait forever for unfinished requests', async () => {
    const { listener, port } = await open({ closeMs: 20 }, (opened) => opened.direct('/held', () => undefined));
    const held = await dial(port);
    held.write('GET /held HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise(setImmediate);
    closers.pop();
    await listener.close();
    held.destroy();
  });
});

describe('the control plane', () => {
  const routes = (listener: Listener): void =>
    listener.scope('/api', async (scope) => {
      await describeApi(scope, { title: 'Test', version: '1', description: '', documentPath: '/v1/openapi.json', pagePath: '/docs' });
      scope.post('/v1/things', { schema: { body: z.strictObject({ name: z.string() }) } }, (request) => ({ name: request.body.name }));
      scope.get('/v1/broken', () => {
        throw new Error('a secret');
      });
      scope.get('/v1/busy', () => {
        throw new PlatformError('overloaded', 'too many', { retryAfterMs: 1500 });
      });
    });

  test('uses one error format and hides internal details', async () => {
    const { url } = await open({}, routes);
    const json = { 'content-type': 'application/json' };
    for (const [path, init, status, error] of [
      ['/api/v1/things', { method: 'POST', body: '{"name":1}', headers: json }, 400, /^name: /],
      [
        '/api/v1/things',
        { method: 'POST', body: '{"name":"a","more":1}', headers: json },
        400,
        /^body: 'more' is not allowed: expected name$/,
      ],
      ['/api/v1/things', { method: 'POST', body: '{', headers: json }, 400, /./],
      ['/api/v1/nothing', {}, 404, /^unknown route: GET \/api\/v1\/nothing$/],
      ['/api/v1/things?limit=1', { method: 'DELETE' }, 405, /^method DELETE is not allowed for \/api\/v1\/things\?limit=1: expected POST$/],
      ['/api/v1/things', { method: 'QUERY', body: 'x' }, 405, /^method QUERY is not allowed for \/api\/v1\/things: expected POST$/],
      ['/api/v1/nothing', { method: 'POST', body: '{', headers: json }, 404, /^unknown route: POST \/api\/v1\/nothing$/],
      ['/api/v1/broken', {}, 500, /^internal error: see the server log for request /],
      ['/api/v1/busy', {}, 429, /^too many$/],
    ] as const) {
      const response = await fetch(url + path, init);
      assert.equal(response.status, status);
      const body = (await response.json()) as { error: string; request_id: string };
      assert.match(body.error, error);
      assert.equal(body.request_id, response.headers.get('x-request-id'));
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
      assert.equal(response.headers.get('retry-after'), status === 429 ? '2' : null);
    }
  });

  test('serves an OpenAPI document and a page without external resources', async () => {
    const { url } = await open({}, routes);
    const document = (await (await fetch(`${url}/api/v1/openapi.json`)).json()) as { openapi: string; paths: Record<string, unknown> };
    assert.equal(document.openapi, '3.1.0');
    assert(document.paths['/api/v1/things'] !== undefined, JSON.stringify(Object.keys(document.paths)));
    const page = await (await fetch(`${url}/api/docs/`)).text();
    assert.match(page, /swagger-ui/);
    assert.doesNotMatch(page, /(src|href)="?(https?:)?\/\//);
  });

  test('redirects to the page with a trailing slash, so that its relative links work', async () => {
    const { url } = await open({}, routes);
    const response = await fetch(`${url}/api/docs`);
    assert.equal(response.url, `${url}/api/docs/`);
    const [, asset = ''] = /src="([^"]+\.js)"/.exec(await response.text()) ?? [];
    assert.equal((await fetch(new URL(asset, response.url))).status, 200);
  });
});

describe('TLS', () => {
  test('is required on every non-loopback address', () => {
    const options = {
      host: '0.0.0.0',
      port: 0,
      tls: null,
      access: { authenticate: () => caller },
      log: openLogs(null, 'silent').platform,
      clock,
    };
    assert.throws(() => new Listener(options), { code: 'invalid_request', message: /--tls self-signed/ });
  });

  test('works with a self-signed certificate, which clients verify by name and address', async () => {
    const certificate = selfSignedCertificate({ hosts: ['penstock.test', '127.0.0.1', '::1'], wallMs: clock.wallMs(), days: 30 });
    const access = { authenticate: () => caller };
    const listener = new Listener({ host: '127.0.0.1', port: 0, tls: certificate, access, log: openLogs(null, 'silent').platform, clock });
    const url = new URL(await listener.listen());
    closers.push(() => listener.close());
    assert.equal(url.protocol, 'https:');
    for (const servername of ['penstock.test', '127.0.0.1']) {
      const options = { host: '127.0.0.1', port: Number(url.port), ca: certificate.cert };
      const socket = tlsConnect(servername.endsWith('test') ? { ...options, servername } : options);
      await once(socket, 'secureConnect');
      assert.equal(socket.authorized, true, String(socket.authorizationError));
      socket.destroy();
    }
    const stranger = tlsConnect({ host: '127.0.0.1', port: Number(url.port), ca: certificate.cert, servername: 'other.test' });
    const [error] = (await once(stranger, 'error')) as [Error];
    assert.match(error.message, /does not match/);
  });
});

test('a port in use is reported with a remedy', async () => {
  const { port } = await open();
  const options = {
    host: '127.0.0.1',
    port,
    tls: null,
    access: { authenticate: () => caller },
    log: openLogs(null, 'silent').platform,
    clock,
  };
  await assert.rejects(new Listener(options).listen(), { code: 'unavailable', message: /another program is using it/ });
});

test('a body of single bytes arrives whole, and its connection pauses so that other requests get their turn', async () => {
  let pauses = 0;
  const { port } = await open({}, (listener) => {
    listener.direct('/counted', (request, response) => {
      request.socket.on('pause', () => pauses++);
      readRequestBodyInto(request, response, listener.bodies, (_error, body) => respond(request, response, 200, [], String(body.length)));
    });
  });
  const socket = await dial(port);
  socket.write('POST /counted HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n');
  socket.end(Buffer.concat([Buffer.alloc(6 * 350_000, '1\r\n[\r\n'), Buffer.from('0\r\n\r\n')]));
  let text = '';
  socket.on('data', (piece) => (text += String(piece)));
  await once(socket, 'close');
  assert.match(text, /^HTTP\/1\.1 200 .*\r\n\r\n350000$/s);
  // Each read of 64 KiB holds 10,923 chunks.
  assert(pauses >= 10, `${pauses} pauses`);
});

test('a connection may pipeline 256 requests at once; one with more is closed, and the others are served', async () => {
  const { port, url } = await open();
  const head = 'GET /echo HTTP/1.1\r\nhost: localhost\r\n\r\n';
  const answered = async (count: number): Promise<number> => {
    const socket = await dial(port);
    let text = '';
    socket.on('data', (piece) => (text += String(piece)));
    socket.end(head.repeat(count));
    await once(socket, 'close');
    return text.split('HTTP/1.1 200').length - 1;
  };
  assert.equal(await answered(256), 256);
  const count = await answered(1000);
  assert(count <= 256, `${count} of 1,000 were answered`);
  assert.equal((await fetch(`${url}/echo`)).status, 200);
});

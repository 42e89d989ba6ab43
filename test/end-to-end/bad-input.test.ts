/** Invalid input is rejected with a clear error while other requests are served. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { assertSameTensors, sample } from '../models/index.ts';
import { floats, infer, slowRun } from './oip-client.ts';
import { closed, dial, readUntil, restOf, statusesOf } from './raw-client.ts';
import { type Refusal, Server } from './server.ts';

const bodyLimitBytes = 1024 * 1024;
const digits = sample('digits_mlp');
const inferPath = '/v2/models/digits/infer';

let server: Server;
before(async () => {
  server = await Server.start({ flags: ['--body-limit', '1MiB'] });
  await server.deploy('digits', 'digits_mlp');
});
after(() => server?.end());

async function assertServes(): Promise<void> {
  const { status, error, outputs } = await infer(server.url, 'digits', digits.inputs);
  assert.equal(status, 200, error?.error);
  assertSameTensors(outputs, digits.outputs);
}

async function post(path: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  return { status: response.status, body: (await response.json()) as Refusal };
}

describe('while a slow client sends its headers', () => {
  // Real time, because the limit is the product's. It passes while the other tests run.
  let slow: Socket;
  let startMs: number;
  let answer: Promise<string>;
  before(async () => {
    slow = await dial(server.url);
    startMs = performance.now();
    slow.write(`POST ${inferPath} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: `);
    answer = restOf(slow);
  });

  describe('a body', () => {
    for (const path of [inferPath, '/api/v1/groups', '/api/v1/endpoints/digits/invoke']) {
      test(`announced above the limit is rejected by ${path} before it is sent`, async () => {
        const socket = await dial(server.url);
        socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n`);
        assert.match(await readUntil(socket, /\r\n\r\n.*too_large/s), /^HTTP\/1\.1 413 /);
        socket.destroy();
      });

      test(`of endless length is rejected by ${path} after a bounded part of it`, async () => {
        const socket = await dial(server.url);
        const ended = closed(socket);
        const refused = readUntil(socket, /\r\n\r\n.*too_large/s);
        socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`);
        const chunk = `10000\r\n${' '.repeat(65536)}\r\n`;
        const send = (): void => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on('drain', send);
        send();
        assert.match(await refused, /^HTTP\/1\.1 413 /);
        await ended;
        const readMax = bodyLimitBytes + 9 * 2 ** 20; // what the server drains, and the kernel's buffers
        assert(socket.bytesWritten < readMax + 16 * 2 ** 20, `${socket.bytesWritten} bytes were sent`);
      });
    }

    test('that is small on the wire but large after decompression is rejected', async () => {
      const { status, body } = await post(inferPath, gzipSync(Buffer.alloc(200 * 2 ** 20)), { 'content-encoding': 'gzip' });
      assert.deepEqual([status, body.code], [413, 'too_large']);
    });

    test('that is rejected half-way is drained, so a client that sends before it reads gets the error', async () => {
      const socket = await dial(server.url);
      const file = Buffer.alloc(6 * 2 ** 20);
      socket.pause();
      socket.write(
        `POST /api/v1/groups/no%20name/versions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: ${file.length}\r\n\r\n`,
      );
      await new Promise((resolve) => socket.write(file, resolve));
      assert.match(await readUntil(socket, /"code":"invalid_request"/), /^HTTP\/1\.1 400 /);
      socket.destroy();
    });
  });

  describe('JSON', () => {
    const cases: Readonly<Record<string, string>> = {
      empty: '',
      truncated: '{"inputs":[{"name":"pixels"',
      'of another kind': '[]',
      'nested too deep': '['.repeat(100_000),
      'nested too deep within data': `{"inputs":[{"name":"pixels","shape":[1,64],"datatype":"FP32","data":${'['.repeat(5000)}${']'.repeat(5000)}}]}`,
      'with invalid UTF-8': '{"inputs":[{"name":"\u{ffff}\ud800"}]}',
      'with a prototype': '{"__proto__":{"inputs":[]},"constructor":1}',
      'with too many numbers': `{"inputs":[{"name":"pixels","shape":[1,64],"datatype":"FP32","data":[${'1,'.repeat(400_000)}1]}]}`,
      'with a huge shape': '{"inputs":[{"name":"pixels","shape":[9007199254740991,64],"datatype":"FP32","data":[1]}]}',
      'with negative sizes': '{"inputs":[{"name":"pixels","shape":[-1,64],"datatype":"FP32","data":[]}]}',
      'of the wrong rank': '{"inputs":[{"name":"pixels","shape":[64],"datatype":"FP32","data":[1]}]}',
      'of the wrong datatype': '{"inputs":[{"name":"pixels","shape":[1,1],"datatype":"INT64","data":[1]}]}',
      'with an unknown tensor': '{"inputs":[{"name":"nonsense","shape":[1],"datatype":"FP32","data":[1]}]}',
      'without tensors': '{"inputs":[]}',
      'with not-a-number': '{"inputs":[{"name":"pixels","shape":[1,64],"datatype":"FP32","data":[NaN]}]}',
    };
    for (const [kind, body] of Object.entries(cases)) {
      test(`${kind} is rejected with the reason`, async () => {
        const refusal = await post(inferPath, body);
        const expected = kind === 'with too many numbers' ? [413, 'too_large'] : [400, 'invalid_request'];
        assert.deepEqual([refusal.status, refusal.body.code], expected, refusal.body.error);
        assert(refusal.body.error.length > 10 && refusal.body.error.length < 1000, refusal.body.error);
        const native = await post('/api/v1/endpoints/digits/invoke', body, { 'content-type': 'application/json' });
        assert.equal(native.status, 400, native.body.error);
        await assertServes();
      });
    }
  });

  describe('a connection', () => {
    const get = 'GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

    test('with pipelined requests gets its responses in order', async () => {
      const socket = await dial(server.url);
      const last = get.replace('Host', 'Connection: close\r\nHost');
      socket.write(`${get}GET /v2/models/missing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${get}${last}`);
      assert.deepEqual(statusesOf(await restOf(socket)), [200, 404, 200, 200]);
    });

    test('with pipelined garbage gets 400 and is closed, and later requests on it are ignored', async () => {
      const socket = await dial(server.url);
      socket.write(`${get}\0\x01GARBAGE\r\n\r\n${get}${get}`);
      const statuses = statusesOf(await restOf(socket));
      // Node may notice the garbage before it has sent the response of the request before it.
      assert(statuses.length <= 2 && statuses.at(-1) === 400, statuses.join());
      await assertServes();
    });

    const garbage: Readonly<Record<string, string>> = {
      'that is not HTTP': 'hello?\r\n\r\n',
      'that speaks TLS': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'with two lengths': `POST ${inferPath} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x`,
      'with a length and chunks': `POST ${inferPath} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      'with a negative length': `POST ${inferPath} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n`,
      'with a broken chunk': `POST ${inferPath} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      'without a Host': 'GET /v2/health/live HTTP/1.1\r\n\r\n',
    };
    for (const [what, bytes] of Object.entries(garbage)) {
      test(`${what} gets 400 and is closed`, async () => {
        const socket = await dial(server.url);
        socket.write(bytes, 'latin1');
        assert.deepEqual(statusesOf(await restOf(socket)), [400]);
        await assertServes();
      });
    }

    test('with oversized headers gets 431', async () => {
      const socket = await dial(server.url);
      socket.write(`GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: ${'x'.repeat(100_000)}\r\n\r\n`);
      assert.deepEqual(statusesOf(await restOf(socket)), [431]);
    });

    test('that ends in the middle of a request does no harm', async () => {
      for (const part of ['POST', `POST ${inferPath} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{"inp`]) {
        const socket = await dial(server.url);
        await new Promise((resolve) => socket.write(part, resolve));
        socket.resetAndDestroy();
      }
      await assertServes();
    });

    test('that is idle, one of thousands, does not affect others', async () => {
      const [, hardLimit = '0'] = /Max open files\s+\S+\s+(\S+)/.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
      const count = hardLimit === 'unlimited' || Number(hardLimit) > 10_500 ? 10_000 : Math.min(2000, Number(hardLimit) - 200);
      const sockets: Socket[] = [];
      try {
        while (sockets.length < count) sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => dial(server.url)))));
        for (const socket of sockets.slice(0, 500)) socket.write('GET /v2/health/live HTTP/1.1\r\n');
        for (let i = 0; i < 20; i++) await assertServes();
        assert(sockets.every((socket) => !socket.destroyed));
        const last = sockets.at(-1);
        assert(last !== undefined);
        last.write(get);
        await readUntil(last, /^HTTP\/1\.1 200 /);
      } finally {
        for (const socket of sockets) socket.destroy();
      }
      await assertServes();
    });
  });

  test('the slow client gets 408 after the header timeout', async () => {
    assert.match(await answer, /^HTTP\/1\.1 408 .*within the time limit/s);
    const tookMs = performance.now() - startMs;
    assert(tookMs > 19_000, `after ${tookMs} ms`);
    await assertServes();
  });
});

describe('a request for a missing resource', () => {
  const one = [floats('pixels', [1, 64], new Array<number>(64).fill(0))];

  test('is rejected: endpoint, version, path, method', async () => {
    const endpoint = await infer(server.url, 'missing', one);
    assert.deepEqual([endpoint.status, endpoint.error?.code], [404, 'not_found']);
    assert.match(endpoint.error?.error ?? '', /missing/);
    const version = await infer(server.url, 'digits', one, { version: 7 });
    assert.deepEqual([version.status, version.error?.code], [404, 'not_found']);
    assert.match(version.error?.error ?? '', /7/);
    for (const path of ['/nowhere', '/v2/models/digits/nonsense', '/v2/../etc/passwd', '/api/v1/%00', '/v2/models/%ff/infer', '//evil']) {
      const response = await fetch(`${server.url}${path}`);
      assert([400, 404, 405].includes(response.status), `${path}: ${response.status}`);
      assert.equal(typeof ((await response.json()) as Refusal).error, 'string');
    }
    assert.equal((await fetch(`${server.url}${inferPath}`, { method: 'DELETE' })).status, 405);
  });

  test('an unapproved version is not deployed, and the error says how to approve it', async () => {
    await server.register('unapproved', 'digits_rf');
    const refused = await server.call<Refusal>('POST', '/endpoints', { name: 'unapproved', variants: [{ model: 'unapproved/1' }] });
    assert.deepEqual([refused.status, refused.body.code], [409, 'wrong_state']);
    assert.match(refused.body.error, /unapproved\/1 is PendingManualApproval.*penstock approve unapproved\/1/);
    assert.equal((await server.call('GET', '/endpoints/unapproved')).status, 404);
  });

  test('existing names are rejected, also in another case', async () => {
    const endpoint = { name: 'Digits', variants: [{ model: 'digits/1' }] };
    assert.equal((await server.call('POST', '/endpoints', endpoint)).status, 409);
    assert.equal((await server.call('POST', '/groups', { name: 'DIGITS' })).status, 409);
    const twice = await Promise.all([1, 2, 3].map(() => server.call('POST', '/groups', { name: 'contested' })));
    assert.deepEqual(
      twice.map(({ status }) => status).sort((a, b) => a - b),
      [201, 409, 409],
    );
  });

  for (const name of ['', ' ', '-a', 'a b', 'a/b', '..', 'a_b', 'é', 'a'.repeat(64), 'a\u0000', '<script>', "'; drop table"]) {
    test(`rejects the name ${JSON.stringify(name)} for a group and an endpoint`, async () => {
      const group = await server.call<Refusal>('POST', '/groups', { name });
      assert.deepEqual([group.status, group.body.code], [400, 'invalid_request'], group.body.error);
      const endpoint = await server.call<Refusal>('POST', '/endpoints', { name, variants: [{ model: 'digits/1' }] });
      assert.deepEqual([endpoint.status, endpoint.body.code], [400, 'invalid_request'], endpoint.body.error);
    });
  }

  test('rejects invalid settings', async () => {
    const variant = { model: 'digits/1' };
    for (const wrong of [
      { variants: [] },
      { variants: [{ ...variant, instance_count: -1 }] },
      { variants: [{ ...variant, instance_count: 1e9 }] },
      { variants: [{ ...variant, instance_type: 'warp.drive' }] },
      { variants: [{ ...variant, weight: -1 }] },
      { variants: [{ model: 'digits/999' }] },
      { variants: [variant], objective: 'fast' },
      { variants: [variant], timeout_ms: -5 },
      { variants: [variant], unknown: true },
    ]) {
      const { status, body } = await server.call<Refusal>('POST', '/endpoints', { name: 'invalid', ...wrong });
      assert([400, 404].includes(status), `${JSON.stringify(wrong)}: ${status} ${JSON.stringify(body)}`);
    }
    assert.equal((await server.call('GET', '/endpoints/invalid')).status, 404);
  });
});

test('a model that hangs does not delay other endpoints', async () => {
  await server.deploy('hanging', 'test_slow_loop', { timeoutMs: 3000 });
  const hanging = Array.from({ length: 20 }, () => infer(server.url, 'hanging', slowRun(2 ** 40)).catch(() => null));
  await server.busy('hanging');
  for (let i = 0; i < 50; i++) await assertServes();
  await server.callWell('DELETE', '/endpoints/hanging');
  await assertServes();
  const statuses = (await Promise.all(hanging)).map((answer) => answer?.status);
  // The running request has timed out. Queued requests may instead report that the endpoint was deleted.
  assert(statuses.includes(504));
  assert(
    statuses.every((status) => status === 504 || status === 404 || status === 503),
    statuses.join(),
  );
});

/** Bodies, connections and malformed input. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Prepared, type SignOptions, send, sendSigned, sign, signedChunks } from '../../test/aws/signed-request.ts';
import { awsServiceRunning } from '../../test/aws-operations.ts';
import { type AwsRouterFixture, openAwsRouter } from '../../test/aws-router-fixture.ts';
import { until } from '../../test/end-to-end/poll.ts';
import type { AwsInput, AwsStreamService } from './index.ts';

let requested: AwsInput | null = null;
const cloudwatch = awsServiceRunning('cloudwatch', {
  PutMetricData(input) {
    requested = input;
    return {};
  },
});

let stored: string | null = null;
const s3: AwsStreamService = {
  name: 's3',
  async handle(request, response) {
    stored = null;
    stored = await text(request.body);
    response.writeHead(200).end();
  },
};

const disconnected = Promise.withResolvers<void>();
const isThere = Promise.withResolvers<void>();
const runtime: AwsStreamService = {
  name: 'sagemaker-runtime',
  async handle(request, response) {
    if (request.path === '/endpoints/waits/invocations') {
      request.signal.addEventListener('abort', () => disconnected.resolve());
      isThere.resolve();
      await disconnected.promise;
      return;
    }
    response.end(await request.readBody(64));
  },
};

let router: AwsRouterFixture;
before(async () => {
  const limits = { documentBytesMax: 100_000, unpackedBytesMax: 50_000, invocationBytesMax: 64, droppedBytesMax: 2 ** 20 };
  router = await openAwsRouter({ services: [cloudwatch], streams: [s3, runtime], limits });
});
after(() => router.close());
beforeEach(() => {
  requested = null;
  stored = null;
});

function call(service: string, options: Omit<SignOptions, 'service' | 'key'>) {
  return sendSigned(router.url, { key: router.key, service, ...options });
}

const json = { 'x-amz-target': 'GraniteServiceVersion20100801.PutMetricData', 'content-type': 'application/x-amz-json-1.0' };
const datum = { Namespace: 'App', MetricData: [{ MetricName: 'm', Value: 1 }] };

/** Sends the bytes and reads until the server closes the connection or `until` matches. */
function raw(bytes: readonly (string | Uint8Array)[], until: (received: string) => boolean = () => false): Promise<string> {
  const { hostname, port } = new URL(router.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => {
      received += piece;
      if (until(received)) socket.destroy();
    });
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
    for (const part of bytes) socket.write(part);
  });
}

function head({ method, path, headers }: Prepared, more: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ ...headers, ...more }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

describe('a body', () => {
  test('is decompressed after its signature was verified', async () => {
    const body = gzipSync(JSON.stringify(datum));
    const reply = await call('monitoring', { headers: { ...json, 'content-encoding': 'gzip' }, body });
    assert.deepEqual([reply.status, requested], [200, datum]);
  });

  test('is rejected if it decompresses to more than the limit', async () => {
    const body = gzipSync(JSON.stringify({ ...datum, Padding: 'a'.repeat(2 ** 20) }));
    const reply = await call('monitoring', { headers: { ...json, 'content-encoding': 'gzip' }, body });
    assert.deepEqual([reply.status, requested], [413, null]);
    assert.match(reply.body, /RequestEntityTooLargeException/);
  });

  test('is rejected if it is not gzip, not JSON, not an object, or nested too deeply', async () => {
    const nested = `{"a":${'['.repeat(40_000)}${']'.repeat(40_000)}}`;
    for (const body of ['{"a":', '[]', '"a"', 'null', '\u0000', nested, '{'.repeat(50_000), Buffer.from([0xff, 0xfe])]) {
      const reply = await call('monitoring', { headers: json, body });
      assert.deepEqual([reply.status, /"__type":"(\w+)/.exec(reply.body)?.[1]], [400, 'SerializationException'], String(body).slice(0, 40));
    }
    const packed = await call('monitoring', { headers: { ...json, 'content-encoding': 'gzip' }, body: 'not gzip' });
    assert.match(packed.body, /SerializationException/);
    const other = await call('monitoring', { headers: { ...json, 'content-encoding': 'br' }, body: 'x' });
    assert.match(other.body, /SerializationException/);
  });

  test('is rejected if it is too large, and the connection stays open', async () => {
    const document = await call('monitoring', { headers: json, body: Buffer.alloc(100_001, 'a') });
    assert.deepEqual([document.status, /HTTP content length exceeded 100000 bytes\./.test(document.body)], [413, true]);
    const { headers, ...invocation } = await call('sagemaker', { path: '/endpoints/e/invocations', body: Buffer.alloc(600_000) });
    assert.deepEqual([invocation.status, headers['x-amzn-errortype']], [413, 'RequestEntityTooLargeException']);
    const { headers: signed, ...rest } = sign(router.url, {
      key: router.key,
      service: 'sagemaker',
      path: '/endpoints/e/invocations',
      body: Buffer.alloc(600_000),
    });
    const small = sign(router.url, { key: router.key, service: 'sagemaker', path: '/endpoints/e/invocations', body: '1,2' });
    const received = await raw([
      head({ headers: signed, ...rest }, { 'content-length': '600000' }),
      rest.body,
      head(small, { 'content-length': '3', connection: 'close' }),
      small.body,
    ]);
    assert.match(received, /^HTTP\/1\.1 413 .*HTTP\/1\.1 200 .*1,2$/s);
  });

  test('is read up to the limit and verified if no header declares its hash', async () => {
    const prepared = sign(router.url, {
      key: router.key,
      service: 'sagemaker',
      path: '/endpoints/e/invocations',
      body: '1,2',
      sendsHash: false,
    });
    assert.equal(prepared.headers['x-amz-content-sha256'], undefined);
    assert.equal((await send(router.url, prepared)).body, '1,2');
    assert.equal((await send(router.url, { ...prepared, body: Buffer.from('1,3') })).status, 403);
    assert.equal((await send(router.url, { ...prepared, body: Buffer.alloc(65) })).status, 413);
  });

  test('of S3 is rejected if it does not match its checksums', async () => {
    const put = (headers: Record<string, string>, body = 'hello') => call('s3', { method: 'PUT', path: '/models/k', headers, body });
    assert.equal((await put({ 'x-amz-checksum-crc32': 'NhCmhg==', 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==' })).status, 200);
    assert.equal(stored, 'hello');
    for (const headers of [{ 'x-amz-checksum-crc32': 'AAAAAA==' }, { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }]) {
      const reply = await put(headers);
      assert.deepEqual([reply.status, stored], [400, null]);
      assert.match(reply.body, /<Code>BadDigest</);
    }
    const unverified = await put({ 'x-amz-checksum-xxhash64': 'anything' });
    assert.equal(unverified.status, 200);
  });

  for (const [what, headers, body, code] of [
    ['an unannounced trailer', {}, '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n', 'MalformedTrailerError'],
    ['a missing trailer', { 'x-amz-trailer': 'x-amz-checksum-crc32' }, '5\r\nhello\r\n0\r\n\r\n', 'MalformedTrailerError'],
    ['a wrong length', { 'x-amz-decoded-content-length': '6' }, '5\r\nhello\r\n0\r\n\r\n', 'IncompleteBody'],
    ['an invalid length', { 'x-amz-decoded-content-length': '-1' }, '5\r\nhello\r\n0\r\n\r\n', 'InvalidArgument'],
    ['a premature end', {}, '5\r\nhel', 'IncompleteBody'],
    ['chunks with a wrong signature', { 'x-amz-content-sha256': 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' }, '', 'NotImplemented'],
    [
      'unsigned chunks that should be signed',
      { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
      '5\r\nhello\r\n0\r\n\r\n',
      'InvalidRequest',
    ],
    [
      'chunks signed with another key',
      { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
      `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`,
      'SignatureDoesNotMatch',
    ],
    ['an invalid hash', { 'x-amz-content-sha256': 'abc' }, '', 'InvalidArgument'],
  ] as const) {
    test(`in chunks is rejected: ${what}`, async () => {
      const all = { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'content-encoding': 'aws-chunked', ...headers };
      const reply = await call('s3', { method: 'PUT', path: '/models/k', headers: all, body });
      assert.equal(/<Code>(\w+)</.exec(reply.body)?.[1], code, reply.body);
      assert.equal(stored, null);
    });
  }

  test('in signed chunks is accepted one after the other', async () => {
    const headers = { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'x-amz-decoded-content-length': '11' };
    const prepared = sign(router.url, { key: router.key, service: 's3', method: 'PUT', path: '/models/k', headers });
    const reply = await send(router.url, {
      ...prepared,
      body: Buffer.from(signedChunks(prepared, router.key.secret, ['hello ', 'world'])),
    });
    assert.deepEqual([reply.status, stored], [200, 'hello world'], reply.body);
  });

  test('is not requested if the client waits for 100 Continue and is rejected', async () => {
    const options = { service: 's3', method: 'PUT', path: '/models/k', body: 'hello' };
    const wrong = sign(router.url, { key: { ...router.key, secret: 'x'.repeat(40) }, ...options });
    const refused = await raw([head(wrong, { expect: '100-continue', 'content-length': '5' })]);
    assert.match(refused, /^HTTP\/1\.1 403 [^]*connection: close[^]*SignatureDoesNotMatch/i);
    const right = sign(router.url, { key: router.key, ...options });
    const taken = await raw([head(right, { expect: '100-continue', 'content-length': '5', connection: 'close' }), 'hello']);
    assert.match(taken, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  });
});

describe('a connection', () => {
  test("aborts the call's signal if the client disconnects during the call", async () => {
    const prepared = sign(router.url, { key: router.key, service: 'sagemaker', path: '/endpoints/waits/invocations', body: '1' });
    const { hostname, port } = new URL(router.url);
    const socket = connect(Number(port), hostname);
    socket.write(head(prepared, { 'content-length': '1' }));
    socket.write('1');
    await isThere.promise;
    socket.destroy();
    await disconnected.promise;
  });

  test('stores nothing if the client disconnects within the body', async () => {
    const prepared = sign(router.url, { key: router.key, service: 's3', method: 'PUT', path: '/models/k', body: Buffer.alloc(1000) });
    const { hostname, port } = new URL(router.url);
    const socket = connect(Number(port), hostname);
    socket.write(head(prepared, { 'content-length': '1000' }));
    socket.write(Buffer.alloc(500));
    socket.end();
    await new Promise((resolve) => socket.on('close', resolve).resume());
    assert.equal(stored, null);
    assert.equal((await call('sagemaker', { path: '/endpoints/e/invocations', body: '1' })).status, 200);
  });
});

describe('a request of another protocol', () => {
  test('goes to the other routes', async () => {
    assert.equal(await (await fetch(router.url)).text(), 'the front page');
    for (const path of ['/awsome', '/endpoints', '/endpoints/e', '/v2/models/m?a=1', '/?x=1']) {
      assert.match(await (await fetch(`${router.url}${path}`)).text(), /front page|"code":"not_found"/, path);
    }
  });

  test('goes to the AWS APIs if its signature says so', async () => {
    for (const path of ['/v2/models/m', '/api/v1/groups', '/metrics']) {
      const reply = await call('s3', { method: 'PUT', path, body: 'x' });
      assert.deepEqual([reply.status, stored], [200, 'x'], path);
    }
  });
});

test('headers that are too large are rejected', async () => {
  const reply = await raw([`GET /aws HTTP/1.1\r\nhost: a\r\nauthorization: AWS4-HMAC-SHA256 ${'a'.repeat(20_000)}\r\n\r\n`]);
  assert.match(reply, /^HTTP\/1\.1 431 /);
});

test('any input gets a response of its protocol and breaks nothing', async () => {
  const word = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom('%', '%2F', '%zz', '/', '..', '?', '&', '=', 'X-Amz-Credential', 'Action', '\u00ff'),
  );
  const value = fc.array(word, { maxLength: 6 }).map((words) =>
    words
      .join('')
      .replaceAll(/[^\x20-\x7e\x80-\xff]/g, '')
      .trim(),
  );
  const target = fc.constantFrom('SageMaker.X', 'X', '.', 'GraniteServiceVersion20100801.PutMetricData');
  const credential = fc.tuple(value, fc.constantFrom('s3', 'sagemaker', 'monitoring', 'sts', 'nothing')).map(([id, service]) => {
    return `AWS4-HMAC-SHA256 Credential=${id}/20261124/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`;
  });
  const request = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'),
    path: value.map((text) => `/aws/${encodeURI(text)}`),
    query: value.map((text) => encodeURI(text).replaceAll('%25', '%')),
    authorization: fc.oneof(fc.constant(undefined), value, credential),
    target: fc.oneof(fc.constant(undefined), target),
    body: fc.string({ maxLength: 50 }),
  });
  await fc.assert(
    fc.asyncProperty(request, async ({ method, path, query, authorization, target: operation, body }) => {
      const headers: Record<string, string> = { 'x-amz-date': '20261124T143149Z' };
      if (authorization !== undefined) headers.authorization = authorization;
      if (operation !== undefined) headers['x-amz-target'] = operation;
      if (method !== 'GET' && method !== 'HEAD') headers['content-length'] = String(Buffer.byteLength(body));
      const reply = await send(router.url, {
        method,
        path: `${path}?${query.replaceAll(/[ #]/g, '')}`,
        headers,
        ...('content-length' in headers ? { body: Buffer.from(body) } : {}),
      });
      // S3 answers `SlowDown` to an address that has sent many invalid keys.
      assert((reply.status >= 400 && reply.status < 500) || reply.status === 503, `${reply.status} ${reply.body}`);
      const type = String(reply.headers['content-type']);
      if (method === 'HEAD') assert.equal(reply.body, '');
      else if (type.includes('json')) JSON.parse(reply.body);
      else assert.match(type, /xml/);
    }),
    { numRuns: 300 },
  );
});

test('an upload aborted by its client is logged with 499, neither as rejected nor as failed', async () => {
  const lines: { readonly status: number }[] = [];
  const refused: unknown[] = [];
  const other = await openAwsRouter({
    streams: [s3],
    writeAccess: (line) => void lines.push(line),
    onRefused: async (who) => void refused.push(who),
  });
  try {
    const { headers } = sign(other.url, { key: other.key, service: 's3', method: 'PUT', path: '/bucket/key', body: 'x'.repeat(1000) });
    stored = 'before';
    const socket = connect(Number(new URL(other.url).port), '127.0.0.1');
    const head = Object.entries({ ...headers, host: new URL(other.url).host, 'content-length': '1000' });
    socket.write(`PUT /bucket/key HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\nxxx`);
    await until('the upload has started', () => stored === null);
    socket.destroy();
    await until('the line is written', () => lines.length === 1);
    assert.deepEqual([lines[0]?.status, refused], [499, []]);
  } finally {
    await other.close();
  }
});

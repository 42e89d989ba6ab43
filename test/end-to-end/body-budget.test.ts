/** The memory budget of request bodies: one limit for all APIs, which does not affect small requests and S3 objects. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import type { RequestBody } from '../../src/api/index.ts';
import { npyFile } from '../../src/codecs/index.ts';
import { sendSigned, typeOf } from '../aws/signed-request.ts';
import { assertSameTensors, sample } from '../models/index.ts';
import { GrpcClient, grpcAddress } from './grpc-client.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { dial, readUntil, statusesOf } from './raw-client.ts';
import { type Refusal, Server } from './server.ts';

const bodyLimitBytes = 256 * 1024;
const digits = sample('digits_mlp');
const large = Buffer.alloc(100_000, ' ');

let server: Server;
before(async () => {
  server = await Server.start({ flags: ['--body-limit', '256KiB', '--invocation-limit', '256KiB'] });
  await server.deploy('digits', 'digits_mlp');
});
after(() => server?.end());

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}

/** Asserts how many bodies `work` gets rejected, and how many of those count as requests of the endpoint. */
async function assertRejects(expected: { readonly bodies: number; readonly requests: number }, work: () => Promise<void>): Promise<void> {
  const outcome = 'penstock_requests_total{endpoint="digits",variant="AllTraffic",outcome="unavailable"}';
  // The metric has no line before the first rejection.
  const counted = async () => ({ bodies: await metric('penstock_bodies_rejected_total'), requests: (await metric(outcome)) || 0 });
  const earlier = await counted();
  await work();
  const { bodies, requests } = await counted();
  assert.deepEqual({ bodies: bodies - earlier.bodies, requests: requests - earlier.requests }, expected);
}

const heldBytes = (): Promise<number> => metric('penstock_bodies_bytes{state="used"}');

function post(path: string, body: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, { method: 'POST', headers, body: new Uint8Array(body) });
}

function signed(service: string, path: string, body: Uint8Array, options: object = {}) {
  const [id = '', secret = ''] = server.adminKey.split(':');
  return sendSigned(server.url, { key: { id, secret }, service, path, body, ...options });
}

/** Sends all but the last byte of a body of the maximum size. The server disconnects it after a minute. */
async function slowClient(): Promise<Socket> {
  const socket = await dial(server.url);
  socket.write(`POST /v2/models/digits/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${bodyLimitBytes}\r\n\r\n`);
  socket.write(Buffer.alloc(bodyLimitBytes - 1));
  return socket;
}

for (const { path, sentBytes, status: expected } of [
  { path: '/v2/models/digits/infer', sentBytes: 200_000, status: 413 },
  { path: '/v2/models/digits/infer', sentBytes: 10, status: 400 },
  { path: '/v1/models/digits:predict', sentBytes: 200_000, status: 413 },
  { path: '/api/v1/endpoints/digits/invoke', sentBytes: 200_000, status: 413 },
]) {
  test(`a request that ${path} rejects with ${expected} in the middle of its body is explained with the time it had been sending`, async () => {
    const socket = await dial(server.url);
    const chunk = (bytes: number): void => void socket.write(`${bytes.toString(16)}\r\n${' '.repeat(bytes)}\r\n`);
    socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`);
    chunk(100_000);
    await until('the first half has arrived', async () => (await heldBytes()) > 0);
    const arrivedAtMs = performance.now();
    await until('some time has passed', () => performance.now() - arrivedAtMs > 2);
    const sentMs = performance.now() - arrivedAtMs;
    chunk(sentBytes);
    socket.write('0\r\n\r\n');
    const head = await readUntil(socket, /x-request-id: \S+\r/i);
    socket.destroy();
    assert.equal(statusesOf(head)[0], expected);
    const id = /x-request-id: (\S+)/i.exec(head)?.[1] ?? '';
    const { timings, explanation } = await until('the request is in the log', async () => {
      const reply = await server.call<RequestBody>('GET', `/requests/${id}`);
      return reply.status === 200 ? reply.body : undefined;
    });
    assert(timings.body_ms >= sentMs && timings.total_ms >= timings.body_ms, JSON.stringify(timings));
    assert.match(explanation.join(' '), /It was rejected \d+(\.\d+)? ms after its body began to arrive, and never queued/);
    await until('the budget is free', async () => (await heldBytes()) === 0);
  });
}

describe('while slow clients hold the whole budget', () => {
  const bytes = 15 * (bodyLimitBytes - 1);
  let sockets: Socket[] = [];
  beforeEach(async () => {
    sockets = await Promise.all(Array.from({ length: 15 }, slowClient));
    await until('the budget is used up', async () => (await heldBytes()) === bytes);
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await until('the budget is free', async () => (await heldBytes()) === 0);
  });

  test('small requests are served', async () => {
    const { status: answered, error, outputs } = await infer(server.url, 'digits', digits.inputs);
    assert.equal(answered, 200, error?.error);
    assertSameTensors(outputs, digits.outputs);
  });

  const anyPacking = ['identity', 'gzip'];
  for (const { path, type, packings } of [
    { path: '/v2/models/digits/infer', type: 'application/json', packings: anyPacking },
    { path: '/v1/models/digits:predict', type: 'application/json', packings: anyPacking },
    { path: '/v2/repository/index', type: 'application/json', packings: anyPacking },
    { path: '/api/v1/endpoints/digits/invoke', type: 'application/json', packings: anyPacking },
    { path: '/api/v1/endpoints/digits/invoke', type: 'text/csv', packings: anyPacking },
    // The control plane accepts no compressed bodies.
    { path: '/api/v1/endpoints', type: 'application/json', packings: ['identity'] },
  ]) {
    test(`a large request to ${path}, ${type}, is rejected with Retry-After`, async () => {
      for (const packing of packings) {
        await assertRejects({ bodies: 1, requests: path.includes('digits') ? 1 : 0 }, async () => {
          const sent = packing === 'gzip' ? gzipSync(large) : large;
          const reply = await post(path, sent, { 'content-type': type, 'content-encoding': packing });
          const { code, error } = (await reply.json()) as Refusal;
          assert.deepEqual([reply.status, code, reply.headers.get('retry-after')], [503, 'unavailable', '1'], error);
          assert.match(error, /memory for request bodies is exhausted: 39321\d\d bytes are in use, the limit is 3932160/);
        });
      }
      assert.equal(await heldBytes(), bytes, 'the rejected body used no budget');
    });
  }

  test('an AWS request is rejected with an AWS error, whether its hash precedes its body or not', async () => {
    for (const sendsHash of [true, false]) {
      // The caller and the endpoint are known only after the hash of the body was verified.
      await assertRejects({ bodies: 1, requests: sendsHash ? 1 : 0 }, async () => {
        const invoked = await signed('sagemaker', '/endpoints/digits/invocations', large, { sendsHash });
        assert.deepEqual([invoked.status, typeOf(invoked.body), invoked.headers['retry-after']], [503, 'ServiceUnavailable', '1']);
      });
      const headers = { 'x-amz-target': 'SageMaker.ListModels', 'content-type': 'application/x-amz-json-1.1' };
      const listed = await signed('sagemaker', '/', large, { sendsHash, headers });
      assert.deepEqual([listed.status, typeOf(listed.body)], [503, 'ServiceUnavailableException']);
    }
  });

  test('S3 objects, which are streamed to disk, can be stored and read', async () => {
    assert.equal((await signed('s3', '/held', Buffer.alloc(0), { method: 'PUT' })).status, 200);
    const object = Buffer.alloc(2 ** 20, 'o');
    assert.equal((await signed('s3', '/held/object', object, { method: 'PUT' })).status, 200);
    assert.equal((await signed('s3', '/held/object', Buffer.alloc(0), { method: 'GET' })).body, object.toString());
  });

  test('a large gRPC message is rejected, a small one is not: the budget is shared', async () => {
    const client = new GrpcClient(await grpcAddress(server));
    const pixels = (rows: number): object => {
      const input = { name: 'pixels', datatype: 'FP32', shape: [rows, 64] };
      return { model_name: 'digits', inputs: [input], raw_input_contents: [Buffer.alloc(4 * 64 * rows)] };
    };
    assert.equal((await client.call('ModelInfer', pixels(1))).refused, null);
    await assertRejects({ bodies: 1, requests: 0 }, async () => {
      const { refused } = await client.call('ModelInfer', pixels(400));
      assert.deepEqual([refused?.code, refused?.metadata['grpc-retry-pushback-ms']], [status.RESOURCE_EXHAUSTED, '1000']);
    });
    client.close();
  });
});

test('the budget is free once the clients have disconnected', async () => {
  await until('the budget is free', async () => (await heldBytes()) === 0);
  const wide = { name: 'pixels', shape: [1, 64], datatype: 'FP32', data: Array.from({ length: 64 }, () => 0) };
  const body = Buffer.from(`${JSON.stringify({ inputs: [wide] })}${' '.repeat(100_000)}`);
  assert.equal((await post('/v2/models/digits/infer', body)).status, 200);
  await until('the budget is free again', async () => (await heldBytes()) === 0);
});

test('large bodies of every content type give the same predictions, although text is released once it is parsed', async () => {
  const rows = Array.from({ length: 800 }, (_, row) => Array.from({ length: 64 }, (_, pixel) => (row * pixel) % 17));
  const data = Buffer.from(Float32Array.from(rows.flat()).buffer);
  const bodies = {
    'application/json': JSON.stringify({ instances: rows }),
    'application/jsonlines': rows.map((row) => JSON.stringify({ instances: [row] })).join('\n'),
    'text/csv': rows.map((row) => row.join(',')).join('\n'),
    'application/x-npy': npyFile({ datatype: 'FP32', shape: [800, 64], data }),
  };
  const labels: Record<string, unknown[]> = {};
  for (const [type, body] of Object.entries(bodies)) {
    assert(body.length > 64 * 1024);
    const headers = { 'content-type': type, accept: 'application/json' };
    const invoked = await signed('sagemaker', '/endpoints/digits/invocations', Buffer.from(body), {
      headers: type === 'application/jsonlines' ? { 'content-type': type } : headers,
    });
    assert.equal(invoked.status, 200, invoked.body);
    const answers = invoked.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { predictions: { label: number }[] });
    labels[`InvokeEndpoint ${type}`] = answers.flatMap(({ predictions }) => predictions.map(({ label }) => label));
    if (type === 'application/jsonlines') continue;
    const answer = (await (await post('/api/v1/endpoints/digits/invoke', Buffer.from(body), headers)).json()) as (typeof answers)[0];
    labels[`invoke ${type}`] = answer.predictions.map(({ label }) => label);
  }
  const [first = [], ...others] = Object.values(labels);
  assert.equal(first.length, 800);
  assert(new Set(first).size > 1);
  for (const other of others) assert.deepEqual(other, first);
  const wrong = bodies['text/csv'].replace('\n', ',1\n');
  for (const path of ['/api/v1/endpoints/digits/invoke', '/v1/models/digits:predict', '/v2/models/digits/infer']) {
    assert.equal((await post(path, Buffer.from(wrong), { 'content-type': 'text/csv' })).status, 400);
  }
});

test('compressed bodies of any size are accepted by every API', async () => {
  const instances = [Array.from({ length: 64 }, () => 0)];
  const body = gzipSync(JSON.stringify({ instances }));
  for (const path of ['/v1/models/digits:predict', '/api/v1/endpoints/digits/invoke']) {
    const reply = await post(path, body, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    assert.equal(reply.status, 200, await reply.text());
  }
});

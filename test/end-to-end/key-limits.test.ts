/** The limits of a key apply to every API, and wrong keys are rate-limited without affecting valid ones. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as send } from 'node:http';
import { after, before, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { CreatedKeyBody, KeyBody, PageBody } from '../../src/api/index.ts';
import { sendSigned } from '../aws/signed-request.ts';
import { at, GrpcClient, grpcAddress } from './grpc-client.ts';
import { Server } from './server.ts';

let server: Server;
let grpc: GrpcClient;

before(async () => {
  server = await Server.start();
  await server.deploy('affine', 'test_affine');
  grpc = new GrpcClient(await grpcAddress(server));
});
after(async () => {
  grpc?.close();
  await server.end();
});

async function keyOf(limits: object): Promise<{ readonly id: string; readonly secret: string; readonly bearer: string }> {
  const { id, secret } = await server.callWell<CreatedKeyBody>('POST', '/keys', { role: 'invoker', ...limits });
  return { id, secret, bearer: `Bearer ${id}:${secret}` };
}

const tensor = { name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] };
const message = { model_name: 'affine', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3] }], raw_input_contents: [Buffer.alloc(12)] };

interface Outcome {
  readonly status: number;
  readonly retryAfter: string | null;
}

async function post(path: string, body: unknown, authorization: string): Promise<Outcome> {
  const headers = { authorization, 'content-type': 'application/json' };
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  await response.text();
  return { status: response.status, retryAfter: response.headers.get('retry-after') };
}

/** An inference over each API. Status codes of the API are mapped to 200 and 429. */
const apis: Readonly<Record<string, (key: Awaited<ReturnType<typeof keyOf>>) => Promise<Outcome>>> = {
  native: ({ bearer }) => post('/api/v1/endpoints/affine/invoke', { inputs: [tensor] }, bearer),
  oip: ({ bearer }) => post('/v2/models/affine/infer', { inputs: [tensor] }, bearer),
  grpc: async ({ bearer }) => {
    const { refused } = await grpc.call('ModelInfer', message, { metadata: { authorization: bearer } });
    if (refused === null) return { status: 200, retryAfter: null };
    assert.equal(refused.code, status.RESOURCE_EXHAUSTED, refused.details);
    return { status: 429, retryAfter: String(at(refused.metadata, 'grpc-retry-pushback-ms')) };
  },
  aws: async (key) => {
    const path = '/endpoints/affine/invocations';
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ instances: [[1, 2, 3]] });
    const reply = await sendSigned(server.url, { key, service: 'sagemaker', method: 'POST', path, headers, body });
    return { status: reply.status, retryAfter: String(reply.headers['retry-after'] ?? '') };
  },
};

for (const [name, infer] of Object.entries(apis)) {
  test(`a key limited to one request in ten seconds gets one, then 429 with a retry time (${name})`, async () => {
    const key = await keyOf({ rate_per_second: 0.1 });
    assert.equal((await infer(key)).status, 200);
    const { status: code, retryAfter } = await infer(key);
    assert.equal(code, 429);
    assert(Number(retryAfter) > 0);
    assert.equal((await infer(await keyOf({}))).status, 200, 'other keys are not affected');
  });
}

test('a key limited to one concurrent request gets 429 on every API during a request, and not after it', async () => {
  const key = await keyOf({ concurrency: 1 });
  const headers = { authorization: key.bearer, expect: '100-continue' };
  const sent = send(`${server.url}/v2/models/affine/infer`, { method: 'POST', headers });
  sent.on('error', () => undefined);
  sent.flushHeaders();
  await once(sent, 'continue'); // the head has arrived
  sent.write('{"inputs":');
  for (const [name, infer] of Object.entries(apis)) assert.equal((await infer(key)).status, 429, name);
  sent.end(`${JSON.stringify([tensor])}}`);
  const [response] = await once(sent, 'response');
  assert.equal(response.statusCode, 200);
  for await (const _chunk of response);
  for (const [name, infer] of Object.entries(apis)) assert.equal((await infer(key)).status, 200, name);
});

test('lists the limits of keys', async () => {
  const { id } = await keyOf({ rate_per_second: 5, concurrency: 2 });
  const { items } = await server.callWell<PageBody<KeyBody>>('GET', '/keys');
  const { rate_per_second: rate, concurrency } = items.find((key) => key.id === id) as KeyBody;
  assert.deepEqual([rate, concurrency], [5, 2]);
});

test('repeated wrong keys get 429 instead of 401, and a valid key from the same address is accepted', async () => {
  const valid = await keyOf({});
  const wrong = { ...valid, secret: 'x'.repeat(40), bearer: `Bearer ${valid.id}:${'x'.repeat(40)}` };
  const statuses: number[] = [];
  for (let i = 0; i < 30; i++) statuses.push((await post('/v2/models/affine/infer', { inputs: [tensor] }, wrong.bearer)).status);
  assert.equal(statuses[0], 401);
  const limited = await post('/api/v1/endpoints/affine/invoke', {}, wrong.bearer);
  assert.equal(limited.status, 429);
  assert(Number(limited.retryAfter) >= 1);
  assert.equal((await apis.aws?.(wrong))?.status, 429);
  for (const [name, infer] of Object.entries(apis)) assert.equal((await infer(valid)).status, 200, name);
});

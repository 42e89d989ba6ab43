/** Every call writes one log line, over each API: inferences to the request log, everything else to the access log. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { sample } from '../models/index.ts';
import { GrpcClient, grpcAddress } from './grpc-client.ts';
import { infer } from './oip-client.ts';
import { Server } from './server.ts';

let server: Server;
let sent = 0;
before(async () => {
  server = await Server.start({ flags: [] });
  await server.deploy('digits', 'digits_mlp');
});
after(() => server.end());

/** Sends a request with a unique id. Returns its line of the access log, or null. */
async function lineOf(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Record<string, unknown> | null> {
  const id = `call-${++sent}`;
  const response = await fetch(new URL(path, server.url), {
    method,
    headers: { 'x-request-id': id, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  await response.arrayBuffer();
  const request = response.headers.get('x-request-id') ?? response.headers.get('x-amzn-requestid');
  const { items } = await server.callWell<{ items: { line: string }[] }>(
    'GET',
    `/logs?log=access&filter=${encodeURIComponent(`"${request}"`)}`,
  );
  const lines = items.map(({ line }) => JSON.parse(line) as Record<string, unknown>).filter((line) => line.request === request);
  assert(lines.length <= 1, JSON.stringify(lines));
  return lines[0] ?? null;
}

const wrongKey = { authorization: 'Bearer PKUNKNOWN:hush' };

for (const [method, path, headers, reported] of [
  ['GET', '/api/v1/status', {}, ['api', 200, 'anonymous']],
  ['GET', '/api/v1/endpoints/missing', {}, ['api', 404, 'anonymous']],
  ['GET', '/nowhere', {}, ['api', 404, null]],
  ['GET', '/api/v1/status', wrongKey, ['api', 401, null]],
  ['POST', '/api/v1/endpoints/missing/invoke', {}, ['api', 404, null]],
  ['POST', '/api/v1/endpoints/digits/invoke', wrongKey, ['api', 401, null]],
  ['GET', '/v2/models/digits', {}, ['oip', 200, 'anonymous']],
  ['POST', '/v2/models/missing/infer', {}, ['oip', 404, null]],
  ['POST', '/v2/repository/models/digits/load', wrongKey, ['oip', 401, null]],
  ['POST', '/aws', { 'x-amz-target': 'SageMaker.ListEndpoints' }, ['aws', 403, null]],
] as const) {
  test(`${method} ${path} ${'authorization' in headers ? 'with a wrong key ' : ''}is a line of the access log`, async () => {
    const line = await lineOf(method, path, headers, method === 'POST' ? '[]' : undefined);
    assert.deepEqual(
      [line?.protocol, line?.status, line?.who, line?.method, line?.path, line?.from],
      [...reported, method, path, '127.0.0.1'],
    );
  });
}

test('inferences that a model answered or rejected, and health probes, are not in the access log', async () => {
  const { inputs } = sample('digits_mlp');
  assert.equal((await infer(server.url, 'digits', inputs, { headers: { 'x-request-id': 'inferred' } })).status, 200);
  const row = JSON.stringify({ instances: [Array.from({ length: 64 }, () => 0)] });
  assert.equal(await lineOf('POST', '/api/v1/endpoints/digits/invoke', { 'content-type': 'application/json' }, row), null);
  assert.equal(await lineOf('POST', '/v2/models/digits/infer', {}, '{}'), null);
  assert.equal(await lineOf('GET', '/v2/health/live'), null);
  assert(!readFileSync(`${server.dataDir}/logs/access.log`, 'utf8').includes('inferred'));
});

test('gRPC calls are in the access log, including rejected ones, except health probes and inferences that a model answered or rejected', async () => {
  const grpc = new GrpcClient(await grpcAddress(server));
  const lineAfter = async (method: string, request: object, headers: Record<string, string> = {}, service?: 'health') => {
    const id = `call-${++sent}`;
    await grpc.call(method, request, { metadata: { 'x-request-id': id, ...headers } }, service);
    const { items } = await server.callWell<{ items: { line: string }[] }>(
      'GET',
      `/logs?log=access&filter=${encodeURIComponent(`"${id}"`)}`,
    );
    const [line, ...others] = items.map((item) => JSON.parse(item.line) as Record<string, unknown>).filter((one) => one.request === id);
    assert.deepEqual(others, []);
    return line === undefined ? null : [line.protocol, line.path, line.model, line.status, line.who, line.from];
  };
  const at = (method: string) => `/inference.GRPCInferenceService/${method}`;
  try {
    for (const [method, request, headers, model, status, who] of [
      ['ServerMetadata', {}, {}, undefined, 200, 'anonymous'],
      ['ModelStatistics', {}, {}, undefined, 200, 'anonymous'],
      ['ModelMetadata', { name: 'missing' }, {}, 'missing', 404, 'anonymous'],
      ['ModelReady', { name: 'digits' }, {}, 'digits', 200, 'anonymous'],
      ['RepositoryModelLoad', { model_name: 'missing' }, {}, 'missing', 404, 'anonymous'],
      ['RepositoryModelLoad', { model_name: 'digits' }, {}, 'digits', 200, 'anonymous'],
      ['RepositoryModelUnload', { model_name: 'digits' }, wrongKey, 'digits', 401, null],
      // The message of an unauthenticated caller is not parsed, so the model is unknown.
      ['ModelMetadata', { name: 'digits' }, wrongKey, undefined, 401, null],
      ['ModelInfer', { model_name: 'digits' }, wrongKey, undefined, 401, null],
      ['ModelInfer', { model_name: 'missing' }, {}, 'missing', 404, null],
    ] as const) {
      assert.deepEqual(await lineAfter(method, request, headers), ['grpc', at(method), model, status, who, '127.0.0.1'], method);
    }
    const { body } = await server.call('GET', `/requests/call-${sent}`);
    assert.match(
      JSON.stringify(body),
      /it was the call POST \/inference.GRPCInferenceService\/ModelInfer for the model 'missing', by an unknown caller/,
    );
    assert.equal(await lineAfter('ModelInfer', { model_name: 'digits' }), null);
    assert.equal(await lineAfter('ServerLive', {}), null);
    assert.equal(await lineAfter('Check', {}, {}, 'health'), null);
  } finally {
    grpc.close();
  }
  const { items } = await server.callWell<{ items: { action: string; outcome: string; target: string; origin: { protocol: string } }[] }>(
    'GET',
    '/audit?limit=20',
  );
  const reported = items.filter(({ origin }) => origin.protocol === 'grpc').map(({ action, outcome, target }) => [action, outcome, target]);
  assert.deepEqual(reported.slice(0, 5), [
    ['Authenticate', 'unauthenticated', ''],
    ['Authenticate', 'unauthenticated', ''],
    ['UnloadEndpoint', 'unauthenticated', 'digits'],
    ['LoadEndpoint', 'ok', 'digits'],
    ['LoadEndpoint', 'not_found', 'missing'],
  ]);
});

test('a wrong key is in the audit log, over each API', async () => {
  await lineOf('POST', '/v2/models/digits/infer', wrongKey, '{}');
  const grpc = new GrpcClient(await grpcAddress(server));
  await grpc.call('ServerMetadata', {}, { metadata: wrongKey });
  grpc.close();
  const { items } = await server.callWell<{
    items: { action: string; outcome: string; detail: { claimed: string }; origin: { protocol: string } }[];
  }>('GET', '/audit?who=unknown&limit=2');
  const reported = items.map(({ action, outcome, detail, origin }) => [action, outcome, detail.claimed, origin.protocol]);
  assert.deepEqual(reported, [
    ['Authenticate', 'unauthenticated', 'PKUNKNOWN', 'grpc'],
    ['Authenticate', 'unauthenticated', 'PKUNKNOWN', 'oip'],
  ]);
});

test('the access log has no secrets, and a request that never reached a model is found by its id', async () => {
  await lineOf('GET', '/api/v1/status?api_key=hush', { 'x-request-id': 'rejected-call', ...wrongKey });
  assert(!readFileSync(`${server.dataDir}/logs/access.log`, 'utf8').includes('hush'));
  const { body } = await server.call('GET', '/requests/rejected-call');
  assert.match(
    JSON.stringify(body),
    /never reached a model: it was the call GET \/api\/v1\/status\?api_key=\*\*\*, by an unknown caller from 127\.0\.0\.1, answered with 401/,
  );
});

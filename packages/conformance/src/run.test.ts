/** Runs the suite against faulty servers: it finds the faults and always terminates. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SystemClock, VirtualClock } from '../../../src/clock.ts';
import { runSuite, type SuiteOptions, type SuiteReport } from './run.ts';

const metadata = {
  name: 'double',
  versions: ['3'],
  platform: 'test',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
};
const places: Readonly<Record<string, unknown>> = {
  'GET /v2': { name: 'other', version: '1', extensions: [] },
  'GET /v2/health/live': { live: true },
  'GET /v2/health/ready': { ready: true },
  'GET /v2/models': { models: ['double'] },
  'GET /v2/models/double': metadata,
  'GET /v2/models/double/versions/3': metadata,
  'GET /v2/models/double/ready': { ready: true },
};

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** A minimal server that doubles rows of two numbers and accepts much that is invalid. */
async function double(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const known = places[`${request.method} ${request.url}`];
  if (known !== undefined) return send(response, 200, known);
  if (request.method !== 'POST' || !request.url?.startsWith('/v2/models/double/')) return send(response, 404, { error: 'what?' });
  try {
    const { id, inputs } = JSON.parse(Buffer.concat(chunks).toString()) as { id?: string; inputs: { shape: number[]; data: number[] }[] };
    const [{ shape, data }] = inputs as [{ shape: number[]; data: number[] }];
    const y = { name: 'y', datatype: 'FP32', shape, data: data.flat().map((value) => value * 2) };
    send(response, 200, { model_name: 'double', model_version: '3', id, outputs: [y] });
  } catch (error) {
    send(response, 400, { error: String(error) });
  }
}

/** Drops connections that end within a body. */
const lenient: RequestListener = (request, response) => void double(request, response).catch(() => response.destroy());

async function report(listener: RequestListener, options: Partial<SuiteOptions> = {}): Promise<SuiteReport> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await runSuite({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      only: [],
      bodyLimitBytes: 64 * 1024,
      mayReload: false,
      replyTimeoutMs: 30_000,
      limitMs: 120_000,
      clock: new SystemClock(),
      interrupted: new AbortController().signal,
      ...options,
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function outcomeOf({ cases }: SuiteReport, id: string): string {
  const result = cases.find((each) => each.id === id);
  assert(result !== undefined, id);
  return `${result.outcome}${result.reason === '' ? '' : `: ${result.reason}`}`;
}

test('tests an unknown server through the model that it lists', async () => {
  const requested: string[] = [];
  const only = ['C1', 'C4', 'C5', 'C6', 'C13', 'C14', 'C24', 'C26'];
  const result = await report(lenient, { only, onResult: ({ id }) => requested.push(id) });
  assert.equal(result.model, 'double');
  assert.deepEqual(requested, only);
  for (const id of only) assert.equal(outcomeOf(result, id), 'passed', id);
});

test('reports failures with reasons, and skips what was not announced', async () => {
  const result = await report(lenient, { only: ['C8', 'C9', 'C12', 'C18', 'B1', 'G6', 'X3'] });
  assert.match(outcomeOf(result, 'C8'), /^failed: expected 400, got 200: \{"model_name":"double"/);
  assert.match(outcomeOf(result, 'C9'), /^failed: expected 400, got 200/);
  assert.match(outcomeOf(result, 'C12'), /^failed: expected 400, got 200/);
  assert.equal(outcomeOf(result, 'C18'), 'skipped: needs the model test-typed, which the server does not have');
  assert.equal(outcomeOf(result, 'B1'), 'skipped: not advertised: binary_tensor_data');
  assert.match(outcomeOf(result, 'G6'), /^skipped: no gRPC address was given/);
  assert.equal(outcomeOf(result, 'X3'), 'skipped: not advertised: model_repository');
  assert.deepEqual(result.total, { passed: 0, failed: 3, skipped: 4 });
  assert.deepEqual(result.groups.C, { passed: 0, failed: 3, skipped: 1 });
  assert.deepEqual(result.levels.must, { passed: 0, failed: 3, skipped: 2 });
});

test('loads no models unless permitted', async () => {
  const loads: string[] = [];
  const watching: RequestListener = (request, response) => {
    if (/load/.test(request.url ?? '')) loads.push(request.url ?? '');
    lenient(request, response);
  };
  const result = await report(watching, { only: ['C2', 'C3', 'X'] });
  assert.match(outcomeOf(result, 'C2'), /^skipped: would load and unload models: allow it with --reload$/);
  assert.deepEqual(loads, []);
});

test('rejects an error that is not {"error": text}', async () => {
  const detail: RequestListener = (request, response) => {
    if (request.url?.includes('no-such-model')) send(response, 404, { detail: 'Not Found' });
    else lenient(request, response);
  };
  assert.match(
    outcomeOf(await report(detail, { only: ['C4'] }), 'C4'),
    /^failed: an error must be \{"error": "<text>"\}, got 404: \{"detail"/,
  );
});

test('reports an unreachable server, and one that requires a key', async () => {
  const noOne = { url: 'http://127.0.0.1:1' };
  await assert.rejects(report(lenient, noOne), { code: 'unavailable', message: /^no server responds at http:\/\/127\.0\.0\.1:1 / });
  const locked: RequestListener = (_, response) => send(response, 401, { error: 'invalid credentials' });
  await assert.rejects(report(locked), { code: 'unauthenticated', message: /--token-env/ });
  const empty: RequestListener = (_, response) => send(response, 200, {});
  await assert.rejects(report(empty), { code: 'invalid_request', message: /name one with --model/ });
  await assert.rejects(report(lenient, { model: 'other' }), {
    code: 'not_found',
    message: /returned 404 for the metadata of model 'other'/,
  });
  await assert.rejects(report(lenient, { only: ['C99'] }), { code: 'invalid_request', message: /there is no case 'C99'/ });
  await assert.rejects(report(lenient, { grpc: '127.0.0.1:1', replyTimeoutMs: 200 }), { code: 'unavailable', message: /no gRPC server/ });
});

test('tests a model without metadata with the provided request', async () => {
  const hidden: RequestListener = (request, response) => {
    if (request.url === '/v2/models/double') send(response, 200, { ...metadata, inputs: [], outputs: [] });
    else lenient(request, response);
  };
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [4, 5] }] as const;
  const result = await report(hidden, { model: 'double', inputs, only: ['C5', 'C6', 'C14'] });
  assert.match(outcomeOf(result, 'C5'), /^failed: 'inputs' must be an array of tensors, got \[\]$/);
  assert.deepEqual([outcomeOf(result, 'C6'), outcomeOf(result, 'C14')], ['passed', 'passed']);
  await assert.rejects(report(hidden, { model: 'double' }), { code: 'invalid_request', message: /--input/ });
});

test('stops testing a server that hangs', async () => {
  let hangs = false;
  const hanging: RequestListener = (request, response) => {
    if (request.url?.endsWith('/infer')) hangs = true;
    if (!hangs) lenient(request, response);
  };
  const clock = new VirtualClock();
  // Every request hangs, so use short timeouts.
  const impatient: RequestListener = (request, response) => {
    hanging(request, response);
    if (hangs) setImmediate(() => clock.advance(30_000));
  };
  const result = await report(impatient, { only: ['C1', 'C6', 'C7', 'B'], clock });
  assert.equal(outcomeOf(result, 'C1'), 'passed');
  assert.match(outcomeOf(result, 'C6'), /^failed: no response to POST \/v2\/models\/double\/infer within 30000 ms$/);
  assert.equal(outcomeOf(result, 'C7'), 'failed: not run: the server stopped responding during C6');
  assert.equal(outcomeOf(result, 'B10'), 'failed: not run: the server stopped responding during C6');
});

test('aborts an endless response', async () => {
  const endless: RequestListener = (request, response) => {
    if (!request.url?.endsWith('/infer')) return lenient(request, response);
    response.writeHead(200, { 'content-type': 'application/json' });
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  };
  assert.match(outcomeOf(await report(endless, { only: ['C6'] }), 'C6'), /^failed: the response is larger than 67108864 bytes$/);
});

test('stops at the time limit of the suite', async () => {
  const clock = new VirtualClock();
  const slow: RequestListener = (request, response) => {
    clock.advance(1000);
    lenient(request, response);
  };
  const result = await report(slow, { only: ['C'], limitMs: 20_000, clock });
  assert.equal(outcomeOf(result, 'C1'), 'passed');
  assert.equal(outcomeOf(result, 'C33'), 'failed: not run: the time limit of 20 s for the whole suite was reached');
});

test('an interruption ends the suite with the results so far', async () => {
  const interruption = new AbortController();
  const onResult = (): void => interruption.abort();
  const result = await report(lenient, { only: ['C1', 'C4'], interrupted: interruption.signal, onResult });
  assert.deepEqual([outcomeOf(result, 'C1'), outcomeOf(result, 'C4')], ['passed', 'failed: not run: interrupted']);
});

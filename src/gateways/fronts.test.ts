/** Gateway processes before a listener: what reaches its handlers, and what clients get. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../test/end-to-end/poll.ts';
import { dial, readUntil, restOf, statusesOf } from '../../test/end-to-end/raw-client.ts';
import { openServingFixture, versionOf } from '../../test/serving-fixture.ts';
import { SystemClock } from '../clock.ts';
import { loadConfig } from '../config.ts';
import { Listener, readRequestBodyInto, respond, selfSignedCertificate } from '../http/index.ts';
import { openLogs } from '../logs/index.ts';
import type { MetricSample, Metrics } from '../metrics/index.ts';
import type { InferenceResult, ServedRoute } from '../serving/index.ts';
import { Fronts } from './index.ts';

/** Other servers have folders in that of the system. */
const temporary = mkdtempSync(join(tmpdir(), 'penstock-fronts-'));
process.env['TMPDIR'] = temporary;
after(() => rmSync(temporary, { recursive: true, force: true }));

interface Opened {
  readonly listener: Listener;
  readonly url: string;
  /** The remote addresses of the requests that arrived. */
  readonly from: (string | undefined)[];
  /** Answers the requests whose path has the word `held`. */
  readonly held: readonly (() => void)[];
  /** The ids of the requests that the gateway processes have decoded. */
  readonly entered: readonly string[];
  /** The value of a metric without labels. */
  readonly metric: (name: string) => number | undefined;
}

/** Handlers answer with the path and the length of the body. */
async function open(isTls: boolean, grpcPort: number | 'off' = 'off'): Promise<Opened> {
  const clock = new SystemClock();
  const log = openLogs(null, 'silent').platform;
  const tls = isTls ? selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 }) : null;
  const fronts = Fronts.open(loadConfig({ flags: { gateways: 2, grpcPort, dataDir: '/nonexistent' } }), { clock, log, tls });
  assert(fronts !== null);
  const access = { authenticate: () => ({ keyId: 'k', role: 'admin' }) as const };
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls, access, log, clock, fronts });
  const from: (string | undefined)[] = [];
  listener.direct(
    '/v2',
    (request, response, path) => {
      from.push(request.socket.remoteAddress);
      listener.authenticate(request);
      readRequestBodyInto(request, response, listener.bodies, (error, body) => {
        const answer = () => respond(request, response, error === null ? 200 : 413, [], `${request.method} ${path} ${body.length}`);
        if (path.includes('held')) held.push(answer);
        else answer();
      });
    },
    (path) => path.endsWith('/infer'),
  );
  const held: (() => void)[] = [];
  const entered: string[] = [];
  const { serving } = openServingFixture();
  const { signature } = versionOf(1);
  const route = { endpoint: 'e', variant: 'v', version: '1', signature, batchable: true, batchSizeMax: 8 } as unknown as ServedRoute;
  const collectors = new Map<string, () => readonly MetricSample[]>();
  const keep: Metrics['gauge'] = (name, _help, _labels, collect) => void collectors.set(name, collect);
  fronts.connect({
    listener,
    serving: {
      enter(_route, { requestId, inputs }, settle) {
        entered.push(requestId);
        const outputs = inputs.map((tensor) => ({ ...tensor, name: 'y' }));
        settle({ ok: true, result: { ...run, outputs } });
        return () => undefined;
      },
      plainEndpoints: () => [{ name: 'e', variants: [{ route, weight: 1, plan: { name: 'm/1', model: 'm/1' } }] }],
      onRoutesChanged: serving.onRoutesChanged.bind(serving),
    },
    metrics: { gauge: keep, counter: keep },
    hasTraces: false,
  });
  return { listener, url: await listener.listen(), from, held, entered, metric: (name) => collectors.get(name)?.()[0]?.value };
}

const run: Omit<InferenceResult, 'outputs'> = {
  timings: { queueMs: 1, computeInMs: 1, computeMs: 1, computeOutMs: 1, serviceMs: 3 },
  batchRows: 1,
  closeReason: 'idle',
  costUsd: 0,
  executor: 'instance:local.1',
  overflow: null,
  coldStart: false,
};

const post = (body: string, model = 'm'): string =>
  `POST /v2/models/${model}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const get = 'GET /v2/live HTTP/1.1\r\nHost: a\r\n\r\n';
const last = 'GET /v2/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

describe('gateway processes', () => {
  let opened: Opened;
  before(async () => {
    opened = await open(false);
  });
  after(() => opened.listener.close());

  test('bring all requests of a connection to the server in their order, with the address of their client', async () => {
    const socket = await dial(opened.url);
    socket.write(post('abc'));
    await readUntil(socket, /infer 3/);
    socket.write(`${post('abcd')}${get}${post('ab')}${last}`);
    const text = await restOf(socket);
    assert.deepEqual(text.match(/(?:GET|POST) \/v2\S* \d+/g), [
      'POST /v2/models/m/infer 4',
      'GET /v2/live 0',
      'POST /v2/models/m/infer 2',
      'GET /v2/last 0',
    ]);
    assert.deepEqual(statusesOf(text), [200, 200, 200, 200]);
    assert.deepEqual(new Set(opened.from), new Set(['127.0.0.1']));
  });

  test('decode the requests of a caller that the server has admitted, and encode the results', async () => {
    const input = { name: 'x', datatype: 'FP32', shape: [2, 1], data: [1.5, 2] };
    const infer = async (id: string, body: object): Promise<string> => {
      const text = JSON.stringify(body);
      const head = `POST /v2/models/e/infer HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k:s\r\nX-Request-Id: ${id}\r\n`;
      socket.write(`${head}Content-Length: ${text.length}\r\n\r\n${text}`);
      return readUntil(socket, /\r\n\r\n./);
    };
    const socket = await dial(opened.url);
    await infer('first', { inputs: [input] });
    assert.deepEqual(opened.entered, []);
    // The server admits a caller for half a second, which a busy machine may take between two requests.
    const reply = await until('a request is decoded', async () => {
      const text = await infer('next', { inputs: [input] });
      return opened.entered.length > 0 && text;
    });
    assert.match(reply, /"outputs":\[\{"name":"y","shape":\[2,1\],"datatype":"FP32","data":\[1\.5,2\]\}\]/);
    assert.match(reply, /x-request-id: next/);
    assert.match(reply, /x-penstock-model: m\/1:2\r\nx-penstock-plan: m\/1\r\n/, 'as the server names the only plan of a selection');
    await infer('wrong', { inputs: [{ ...input, shape: [3, 1] }] });
    await infer('timed', { inputs: [input], parameters: { timings: true } });
    assert.deepEqual(opened.entered, ['next'], 'the server decides about all others');
    socket.destroy();
  });

  test('are counted', async () => {
    await until('both are linked', () => opened.metric('penstock_gateway_processes') === 2);
    assert.equal(opened.metric('penstock_gateway_restarts_total'), 0);
  });

  test('pass large bodies on', async () => {
    const socket = await dial(opened.url);
    socket.write(post('x'.repeat(3_000_000)));
    assert.match(await readUntil(socket, /infer \d+/), /infer 3000000/);
    socket.destroy();
  });

  test('pass on requests that the server rejects before they are complete', async () => {
    const socket = await dial(opened.url);
    socket.write('POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab');
    assert.match(await restOf(socket), /^HTTP\/1\.1 400 /);
  });
});

test('gateway processes end a TLS connection in place of the server', async () => {
  const { listener, url } = await open(true);
  const { connect } = await import('node:tls');
  try {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), rejectUnauthorized: false });
    socket.write(`${post('abc')}${last}`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    assert.match(text, /infer 3[\s\S]*last 0/);
  } finally {
    await listener.close();
  }
});

test('a server with gateway processes drains: requests on their way are answered, and their connections close', async () => {
  const { listener, url } = await open(false);
  const idle = await dial(url);
  idle.write(post('abc'));
  await readUntil(idle, /infer 3/);
  const drained = listener.drain({ timeoutMs: 5000, graceMs: 1000 });
  idle.write(post('abcd'));
  const text = await restOf(idle);
  assert.match(text, /Connection: close[\s\S]*infer 4/i);
  await drained;
  await assert.rejects(dial(url));
  await listener.close();
});

test('the response to a request that the server had when it began to drain closes its connection', async () => {
  const { listener, url, held } = await open(false);
  const socket = await dial(url);
  socket.write(post('abc', 'held'));
  await until('the request has arrived', () => held.length > 0);
  const drained = listener.drain({ timeoutMs: 5000, graceMs: 1000 });
  held[0]?.();
  assert.match(await restOf(socket), /Connection: close[\s\S]*infer 3/i);
  await drained;
  await listener.close();
});

test('a gRPC port that was requested and is taken prevents the start', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { readonly port: number };
  const expected = `cannot listen for gRPC on 127.0.0.1:${port}: another program is using it; choose another --grpc-port (0: any free port, off: no gRPC)`;
  await assert.rejects(open(false, port), { code: 'unavailable', message: expected });
  assert.deepEqual(readdirSync(temporary), []);
  other.close();
});

test('a server whose gateway processes cannot be started says so, and leaves nothing behind', async (context) => {
  context.mock.property(process, 'execPath', '/nonexistent/node');
  await assert.rejects(open(false), { code: 'unavailable', message: /ENOENT/ });
  assert.deepEqual(readdirSync(temporary), []);
});

test('a server with gateway processes removes the socket of a killed one', async () => {
  const folder = mkdtempSync(join(temporary, 'penstock-gateways-'));
  const killed = createServer().listen(join(folder, 'before'));
  await once(killed, 'listening');
  renameSync(join(folder, 'before'), join(folder, 'socket')); // so it stays
  await new Promise((resolve) => killed.close(resolve));
  utimesSync(folder, 1, 1); // a young folder may be that of a server that is starting
  const { listener } = await open(false);
  await listener.close();
  assert(!existsSync(folder));
});

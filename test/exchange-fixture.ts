/** Every adapter that runs inferences, over real sockets, on one `Serving` with scripted workers. Records what each request leaves behind. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientRequest, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status as grpcStatuses } from '@grpc/grpc-js';
import { Access } from '../src/access/index.ts';
import { invokeRoutes } from '../src/api/inference/invoke.ts';
import { mount } from '../src/api/routing/route.ts';
import type { ApiServices } from '../src/api/routing/services.ts';
import { AwsRouter, BodyInvocations, Runtime, type RuntimeOptions } from '../src/aws/index.ts';
import { SystemClock, VirtualClock } from '../src/clock.ts';
import { defaultPrices, Ledger } from '../src/costs/index.ts';
import { type CapturedExchange, captureDefault } from '../src/data-quality/index.ts';
import { asPlatformError, PlatformError } from '../src/errors.ts';
import { Listener } from '../src/http/index.ts';
import { openLogs, type RequestLine, RequestTraces } from '../src/logs/index.ts';
import { Metrics } from '../src/metrics/index.ts';
import { loadGrpcServer } from '../src/oip/grpc/open-grpc.ts';
import { type OipDeps, OipRouter } from '../src/oip/index.ts';
import { type Profile, ServiceTable } from '../src/profiling/index.ts';
import { SeededRandom } from '../src/random.ts';
import type { ModelVersion } from '../src/registry/index.ts';
import type { InvokeResult, Payload, ReplySink, WorkerLink } from '../src/runtime/index.ts';
import { rawCall, Serving } from '../src/serving/index.ts';
import { encodeStrings, jsonSignature, type Tensor } from '../src/tensor.ts';
import { ThreadPool, type Threads } from '../src/threads/index.ts';
import { sign } from './aws/signed-request.ts';
import { definitionOf, GrpcClient } from './end-to-end/grpc-client.ts';
import { until } from './end-to-end/poll.ts';
import { bodyLimitBytes, grpcBody, jsonBody, linesBody, oipBody, rowsBody, type Sent } from './exchange-bodies.ts';

/** The endpoints that are served: their models take tensors, rows of JSON, bytes; `stream` takes bytes and answers with several values. */
type Served = 'tensors' | 'json' | 'bytes' | 'stream';
/** `starting` exists but is not served. */
export type Endpoint = Served | 'starting' | 'nothing';

const queueRowsMax = 4;
/** Of every endpoint. */
export const timeoutMs = 1000;
const runMs = 10;
const timings = { inMs: 0, runMs, outMs: 0 };
const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;

/** Batches have at most two rows. */
const profile: Profile = {
  executor: 'x',
  service: [1, 2].map((b) => ({ b, p50Ms: runMs, p95Ms: runMs, p99Ms: runMs, samples: [runMs], rssMiB: 1 })),
  measuredAtMs: 0,
  loadMs: 0,
  batchMax: 2,
  notes: [],
};

function versionOf(number: number, group: Served, shape = signature): ModelVersion {
  const runtimes = {
    tensors: { kind: 'onnx' },
    json: { kind: 'python', form: 'json' },
    bytes: { kind: 'process', concurrency: 1 },
    stream: { kind: 'python', form: 'stream' },
  };
  const none = { inputs: [], outputs: [] };
  const signatures = { tensors: shape, json: jsonSignature, bytes: none, stream: none };
  const own = { signature: signatures[group], runtime: runtimes[group], batchable: group === 'tensors' || group === 'json' };
  const version = { name: `${group}/${number}`, group, version: number, ...own };
  return version as unknown as ModelVersion;
}

export interface Call {
  /** How its client sees the end: `200`, `503 unavailable`, `UNAVAILABLE`, `left`. */
  readonly outcome: Promise<string>;
  /** The client disconnects. */
  leave(): void;
}

export interface SendOptions {
  /** Of the headers and half of the body, only. */
  readonly isPartial?: boolean;
}

export interface Adapter {
  readonly name: string;
  readonly endpoint: Served;
  send(sent: Sent, endpoint?: Endpoint, options?: SendOptions): Call;
}

/** What a request leaves behind. */
export interface Recorded {
  /** Of the request log: status, rows, parts. */
  readonly lines: readonly string[];
  readonly counted: Readonly<Record<string, number>>;
  readonly traces: readonly string[];
  readonly captured: readonly string[];
  /** Statuses of the access log. */
  readonly accessLines: readonly string[];
}

interface Run {
  finish(): void;
  fail(error: Error): void;
}

export async function openExchanges() {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-exchange-'));
  const clock = new VirtualClock(Date.now());
  const metrics = new Metrics({ processMetrics: false });
  const ledger = new Ledger(clock);
  const log = openLogs(null, 'silent').platform;
  const access = Access.open(join(directory, 'keys.json'), new SystemClock());
  const key = access.create('admin');
  const lines: RequestLine[] = [];
  const accessLines: { requestId: string; status: number }[] = [];
  const connections = { opened: 0, closed: 0 };
  const onRequest = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    connections.opened++;
    socket.setMaxListeners(0).once('close', () => connections.closed++); // a connection may have many requests
  };
  subscribe('http.server.request.start', onRequest);
  const spans: string[] = [];
  const captured: string[] = [];
  const runs: Run[] = [];
  const begun = new Set<string>();
  const requestTraces = new RequestTraces(
    { add: ({ attributes }) => void spans.push(String(attributes['penstock.status'])) },
    clock,
    new SeededRandom(1),
    1,
  );
  const traces: Pick<RequestTraces, 'begin' | 'refuse'> = {
    begin: (requestId, headers) => {
      begun.add(requestId);
      return requestTraces.begin(requestId, headers);
    },
    refuse: (requestId, error) => requestTraces.refuse(requestId, error),
  };
  const serving = new Serving({
    clock,
    random: new SeededRandom(1),
    metrics,
    ledger,
    log,
    lines: {
      weightOf: () => 1,
      isTraced: () => true,
      write: (line) => {
        lines.push(line);
        requestTraces.end(line);
      },
    },
    queueRowsMax,
    serviceTable: ({ group }) => new ServiceTable(group === 'bytes' || group === 'stream' ? null : profile),
    restart: () => assert.fail('no worker hangs'),
    functions: { prices: defaultPrices.functions, memoryMiBSafe: () => 2048, start: () => assert.fail(), stop: () => assert.fail() },
  });

  const run = <Result>(result: () => Result): Promise<Result> =>
    new Promise((resolve, reject) => runs.push({ finish: () => resolve(result()), fail: reject }));
  const link = {
    status: () => Promise.resolve({ rssBytes: 0 }),
    run: (tensors: readonly { readonly parts: readonly Uint8Array[] }[]) =>
      run(() => ({ outputs: tensors.map(({ parts, ...tensor }) => ({ ...tensor, name: 'y', data: Buffer.concat(parts) })), timings })),
    invoke: ({ body }: { readonly body: Buffer }) =>
      run(() => ({
        reply: { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from(body), isStreamed: false },
        timings,
      })),
  } as unknown as WorkerLink;
  const streamLink = { status: () => Promise.resolve({ rssBytes: 0 }), invoke: streamed } as unknown as WorkerLink;
  const serve = (name: Served, version: ModelVersion): void => {
    const variant = {
      name: 'AllTraffic',
      group: name,
      version: version.version,
      weight: 1,
      instanceCount: 1,
      instanceType: 'local.1',
    };
    const capture = { ...captureDefault, percent: 100 };
    const config = { name, variants: [variant], objective: null, late: 'serve' as const, timeoutMs, capture };
    serving.serve({ config, generation: version.version, variants: [{ config: variant, version }] });
    attach(name, version);
  };
  const attach = (name: Served, version: ModelVersion): void => {
    serving.attach({
      id: `${name}-${version.version}`,
      endpoint: name,
      variant: 'AllTraffic',
      generation: version.version,
      version,
      instanceType: 'local.1',
      usdPerHour: 3600,
      functionMemoryMiB: null,
      coldStartMs: 0,
      threads: 1,
      link: name === 'stream' ? streamLink : link,
    });
  };
  for (const name of ['tensors', 'json', 'bytes', 'stream'] as const) serve(name, versionOf(1, name));

  const calls = {
    begin: (): CapturedExchange => ({
      failed: (input) => void captured.push(`failed: ${input.body.length > 0 ? 'input' : 'nothing'}`),
      part: (part, _inputs, _outputs, rows) => void captured.push(`part ${part}: ${rows}`),
      end: (input, output) =>
        void captured.push(`end: ${input.body.length > 0 ? 'input' : 'nothing'}, ${output === null ? 'streamed' : 'output'}`),
    }),
  };
  const pool = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
  let held: PromiseWithResolvers<void> | null = null;
  let isHeld = false;
  /** The real threads; their results can be held back. */
  const threads: Threads = {
    run: async (task, input, options) => {
      const result = pool.run(task, input, options);
      if (held !== null) {
        await result.catch(() => undefined);
        isHeld = true;
        await held.promise;
      }
      return result;
    },
  };
  const writeAccess: OipDeps['writeAccess'] = ({ requestId, status }) => void accessLines.push({ requestId, status });
  const limits = { bodyLimitBytes };
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls: null, access, log, clock: new SystemClock(), limits, writeAccess });
  const deployed = [
    {
      config: { name: 'starting', variants: [{ name: 'AllTraffic', version: 1 }] },
      status: 'creating' as const,
      reason: null,
      variants: [],
    },
  ];
  const shared = { serving, calls, traces, clock, threads, log };
  const oip: OipDeps = {
    ...shared,
    deployed: () => deployed as never,
    load: () => assert.fail(),
    unload: () => assert.fail(),
    health: () => ({ live: true, ready: true, reason: null }),
    onHealthChange: () => undefined,
    listener,
    access,
    writeAccess,
    refusals: { record: async () => undefined },
    version: '1',
  };
  const router = new OipRouter(oip);
  listener.direct('/v2', router.handle);
  listener.direct('/v1', router.handle);
  const services = { ...shared, deployments: { list: () => deployed }, bodies: listener.bodies } as unknown as ApiServices;
  const context = { access, authenticate: listener.authenticate.bind(listener), extendTimeout: () => undefined };
  listener.scope('/api/v1', (scope) => mount(scope, invokeRoutes(services), context));
  const notAsynchronous: RuntimeOptions['async'] = {
    configOf: async () => null,
    submit: () => assert.fail(),
    ownBucket: () => assert.fail(),
  };
  const untilServed = async (): Promise<void> => {
    throw new PlatformError('unavailable', 'the endpoint does not start');
  };
  const runtime = new Runtime({
    ...shared,
    bodyBytesMax: bodyLimitBytes,
    timeoutMs: 60_000,
    async: notAsynchronous,
    targets: { acquire: () => assert.fail('no endpoint serves many models') },
    untilServed,
  });
  new AwsRouter({
    services: [],
    streams: [runtime],
    access,
    clock: new SystemClock(),
    log,
    writeAccess,
    awsLocation: { account: '123456789012', region: 'eu-central-1' },
    budget: listener.bodies.budget,
    limits: { invocationBytesMax: bodyLimitBytes },
  }).mount(listener);
  const url = await listener.listen();
  const grpc = await loadGrpcServer(oip, { host: '127.0.0.1', port: 0, tls: null });
  const grpcClient = new GrpcClient(await grpc.listen());
  const bodies = new BodyInvocations(shared);

  const http = (path: string, body: Buffer, { isPartial = false }: SendOptions, type = 'application/json'): Call => {
    const headers = { 'content-type': type, 'content-length': String(body.length) };
    return sendHttp(httpRequest(`${url}${path}`, { method: 'POST', headers, agent: false }), body, isPartial);
  };
  const aws = (
    operation: string,
    service: 'sagemaker',
    endpoint: Endpoint,
    body: Buffer,
    { isPartial = false }: SendOptions,
    type = 'application/json',
  ): Call => {
    const headers = { 'content-type': type, 'content-length': String(body.length) };
    const { path, headers: signed } = sign(url, { key, service, path: `/endpoints/${endpoint}/${operation}`, headers, body });
    return sendHttp(httpRequest(`${url}${path}`, { method: 'POST', headers: signed, agent: false }), body, isPartial);
  };
  const infer = (sent: Sent, endpoint: Endpoint = 'tensors', options: SendOptions = {}) =>
    http(`/v2/models/${endpoint}/infer`, oipBody(sent), options);
  const adapters: readonly Adapter[] = [
    { name: 'OIP infer', endpoint: 'tensors', send: infer },
    {
      name: 'KServe predict',
      endpoint: 'tensors',
      send: (sent, endpoint = 'tensors', options = {}) => http(`/v1/models/${endpoint}:predict`, rowsBody(sent), options),
    },
    {
      name: 'gRPC',
      endpoint: 'tensors',
      send: (sent, endpoint = 'tensors') => {
        const leaving = new AbortController();
        const { path } = definitionOf('ModelInfer');
        const reply = grpcClient.callBytes(path, grpcBody(sent, endpoint), { signal: leaving.signal });
        const outcome = reply.then(({ refused }) => {
          if (refused === null) return '200';
          return refused.code === grpcStatuses.CANCELLED ? 'left' : (grpcStatuses[refused.code] as string);
        });
        return { outcome, leave: () => leaving.abort() };
      },
    },
    {
      name: 'native invoke',
      endpoint: 'tensors',
      send: (sent, endpoint = 'tensors', options = {}) => http(`/api/v1/endpoints/${endpoint}/invoke`, rowsBody(sent), options),
    },
    {
      name: 'native invoke of rows of JSON',
      endpoint: 'json',
      send: (sent, endpoint = 'json', options = {}) => http(`/api/v1/endpoints/${endpoint}/invoke`, jsonBody(sent), options),
    },
    {
      name: 'InvokeEndpoint of JSON lines',
      endpoint: 'json',
      send: (sent, endpoint = 'json', options = {}) =>
        aws('invocations', 'sagemaker', endpoint, linesBody(sent), options, 'application/jsonlines'),
    },
    {
      name: 'native invoke of a process',
      endpoint: 'bytes',
      send: (sent, endpoint = 'bytes', options = {}) => http(`/api/v1/endpoints/${endpoint}/invoke`, rowsBody(sent), options),
    },
    {
      name: 'InvokeEndpoint',
      endpoint: 'tensors',
      send: (sent, endpoint = 'tensors', options = {}) => aws('invocations', 'sagemaker', endpoint, rowsBody(sent), options),
    },
    {
      name: 'InvokeEndpoint of a process',
      endpoint: 'bytes',
      send: (sent, endpoint = 'bytes', options = {}) => aws('invocations', 'sagemaker', endpoint, rowsBody(sent), options),
    },
    ...(['tensors', 'bytes'] as const).map((own) => ({
      name: own === 'tensors' ? 'asynchronous' : 'asynchronous to a process',
      endpoint: own,
      send: (sent: Sent, endpoint: Endpoint = own): Call => {
        const leaving = new AbortController();
        const { signal } = leaving;
        const outcome = bodies
          .run({
            endpoint,
            requestId: 'asynchronous',
            contentType: 'application/json',
            accept: null,
            customAttributes: null,
            inferenceId: 'i',
            body: rowsBody(sent),
            timeoutMs,
            signal,
          })
          .then(
            () => '200',
            (error: unknown) => (signal.aborted ? 'left' : asPlatformError(error).code),
          );
        return { outcome, leave: () => leaving.abort() };
      },
    })),
  ];

  const countedNow = async (): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    const text = (await metrics.prometheus()).body.toString();
    for (const [, outcome = '', count] of text.matchAll(/^penstock_requests_total\{.*outcome="(\w+)"\} (\d+)/gm))
      counts[outcome] = (counts[outcome] ?? 0) + Number(count);
    for (const { requests, receiptsUsd } of (['tensors', 'json', 'bytes', 'stream'] as const).map((name) => ledger.usage(name))) {
      counts.billed = (counts.billed ?? 0) + requests;
      counts.receiptsUsd = (counts.receiptsUsd ?? 0) + receiptsUsd;
    }
    for (const { variants } of serving.endpoints()) {
      for (const { statistics } of variants) {
        counts.successes = (counts.successes ?? 0) + statistics.success.count;
        counts.failures = (counts.failures ?? 0) + statistics.fail.count;
      }
    }
    return counts;
  };

  const undo: (() => void)[] = [];
  let before: Record<string, number> = {};
  return {
    adapters,
    /** Sends a call to the model that answers with a stream of values; `operation`: of the AWS API. */
    async stream(path: string, body: string, accept: string | undefined, operation?: string): Promise<StreamedAnswer> {
      const headers = { 'content-type': 'application/json', ...(accept === undefined ? {} : { accept }) };
      const aws = { ...headers, ...(accept === undefined ? {} : { 'x-amzn-sagemaker-accept': accept }) };
      const own = { path: `/endpoints/stream/${operation}`, headers: aws, body: Buffer.from(body) };
      const signed = operation === undefined ? { path, headers } : sign(url, { key, service: 'sagemaker', ...own });
      const response = await fetch(`${url}${signed.path}`, { method: 'POST', headers: signed.headers, body });
      const type = response.headers.get('x-amzn-sagemaker-content-type') ?? response.headers.get('content-type');
      const text = await response.text().catch(() => 'broken off');
      return { status: response.status, type, text };
    },
    clock,
    serving,
    runs,
    lines,
    /** Forgets earlier requests. */
    async begin(): Promise<void> {
      before = await countedNow();
      for (const list of [lines, accessLines, spans, captured, runs]) list.length = 0;
      held?.resolve();
      held = null;
      begun.clear();
      Object.assign(connections, { opened: 0, closed: 0 });
    },
    /** Holds the results of decoding in threads back. */
    holdThreads() {
      isHeld = false;
      held = Promise.withResolvers();
      return {
        reached: () => until('a body was decoded in a thread', () => isHeld, 5000),
        release(): void {
          held?.resolve();
          held = null;
        },
      };
    },
    connected: () => until('the server has the head of the request', () => begun.size > 0, 5000),
    /** Resolves when the server knows that the client has disconnected. */
    disconnected: () =>
      until(
        'the server sees the client disconnect',
        () => connections.closed >= connections.opened && listener.bodies.budget.bytes === 0,
        5000,
      ),
    /** Stops the only instance, so requests wait. */
    stopInstance(endpoint: Served): void {
      serving.detach(`${endpoint}-1`);
      undo.push(() => attach(endpoint, versionOf(1, endpoint)));
    },
    /** Fills the queue with requests of other clients. */
    fillQueue(endpoint: Served): void {
      const route = serving.route(endpoint);
      const isJson = endpoint === 'json';
      const spec = isJson ? { name: 'request', datatype: 'BYTES', shape: [1] } : { name: 'x', datatype: 'FP32', shape: [1, 1] };
      const inputs = [{ ...spec, data: isJson ? encodeStrings(['1']) : new Uint8Array(4) } as Tensor];
      const cancels = Array.from({ length: queueRowsMax }, (_, index) => {
        const call = { requestId: `other ${index}`, arrivedAtMs: clock.nowMs() };
        const own =
          endpoint === 'tensors' || isJson ? { ...call, inputs, rows: 1 } : rawCall(call, { headers: {}, body: Buffer.from('o') });
        return serving.invoke(route, own, () => undefined);
      });
      undo.push(...cancels);
    },
    /** Starts stopped instances and cancels the requests of `fillQueue`. */
    restore(): void {
      for (const each of undo.splice(0).reverse()) each();
    },
    waiting: (endpoint: Served) => serving.endpoint(endpoint)?.variants[0]?.rowsWaiting ?? 0,
    /** Ends all runs, including those that start meanwhile. */
    async finishRuns(): Promise<void> {
      const isBusy = (): boolean =>
        serving.endpoints().some(({ variants }) => variants.some(({ executors }) => executors.some((each) => each.isBusy)));
      await until(
        'all runs have ended',
        async () => {
          clock.advance(runMs);
          for (const each of runs.splice(0)) each.finish();
          for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
          return !isBusy() && runs.length === 0;
        },
        5000,
      );
    },
    /** What the requests since `begin` left behind, without those of `fillQueue`. */
    async recorded(): Promise<Recorded> {
      const own = lines.filter(({ requestId }) => !requestId.startsWith('other '));
      const others = lines.length - own.length;
      const now = await countedNow();
      const counted: Record<string, number> = {};
      for (const [name, count] of Object.entries(now)) {
        const change = count - (before[name] ?? 0);
        if (change !== 0 && name !== 'receiptsUsd') counted[name] = change;
      }
      if (others === 0) {
        const receiptsUsd = own.reduce((sum, { costUsd }) => sum + costUsd, 0);
        assert(Math.abs((now.receiptsUsd ?? 0) - (before.receiptsUsd ?? 0) - receiptsUsd) < 1e-9, 'receipts equal the request log');
      }
      for (const id of begun) assert(!requestTraces.has(id), 'no trace stays open');
      await until('the memory of bodies is free', () => listener.bodies.budget.bytes === 0);
      const formatted = own.map(({ status, rows, parts }) => `${status} ${rows}${parts === undefined ? '' : ` in ${parts}`}`);
      return {
        lines: formatted,
        counted,
        traces: [...spans],
        captured: [...captured],
        accessLines: accessLines.map(({ status }) => String(status)),
      };
    },
    async close(): Promise<void> {
      unsubscribe('http.server.request.start', onRequest);
      grpcClient.close();
      await grpc.close();
      await listener.close();
      await pool.close();
      serving.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface StreamedAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}

/** A model that answers with the `values` of its request, as a Python worker does. Null: it fails there. */
async function streamed({ body }: Payload, _replyBytesMax: number, sink: ReplySink | null): Promise<InvokeResult> {
  const { values } = JSON.parse(Buffer.from(body).toString()) as { readonly values: readonly unknown[] };
  const contentType = typeof values[0] === 'string' ? 'text/plain; charset=utf-8' : 'application/jsonl';
  const head = { status: 200, headers: { 'content-type': contentType } };
  const pieces: Buffer[] = [];
  sink?.begin(head);
  for (const value of values) {
    if (value === null) throw new PlatformError('model_failed', 'the model failed: ValueError');
    const piece = Buffer.from(typeof value === 'string' ? value : `${JSON.stringify(value)}\n`);
    if (sink === null) pieces.push(piece);
    else await sink.piece(piece);
  }
  return { reply: { ...head, body: Buffer.concat(pieces), isStreamed: sink !== null }, timings };
}

export type Exchanges = Awaited<ReturnType<typeof openExchanges>>;

function sendHttp(request: ClientRequest, body: Buffer, isPartial: boolean): Call {
  let hasLeft = false;
  const outcome = new Promise<string>((resolve) => {
    request.on('error', (error) => resolve(hasLeft ? 'left' : String(error)));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (error) => resolve(hasLeft ? 'left' : String(error)));
      response.on('end', () => {
        const { code, __type: type } = (response.statusCode === 200 ? {} : parsed(Buffer.concat(chunks))) as {
          code?: string;
          __type?: string;
        };
        const name = code ?? type ?? response.headers['x-amzn-errortype'];
        resolve([response.statusCode, name].filter((each) => each !== undefined).join(' '));
      });
    });
  });
  if (isPartial) request.write(body.subarray(0, Math.floor(body.length / 2)));
  else request.end(body);
  return {
    outcome,
    leave: () => {
      hasLeft = true;
      request.destroy(new Error('left'));
    },
  };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return {};
  }
}

/** Every adapter that runs inferences, over real sockets, on one `Serving` with scripted workers. Records what each request leaves behind. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Access } from '../src/access/index.ts';
import { invokeRoutes } from '../src/api/inference/invoke.ts';
import { mount } from '../src/api/routing/route.ts';
import type { ApiServices } from '../src/api/routing/services.ts';
import { AwsRouter, BodyInvocations, Runtime, type RuntimeOptions } from '../src/aws/index.ts';
import { SystemClock, VirtualClock } from '../src/clock.ts';
import { defaultPrices, Ledger } from '../src/costs/index.ts';
import { type CapturedExchange, captureDefault } from '../src/data-quality/index.ts';
import { PlatformError } from '../src/errors.ts';
import { type Certificate, Listener } from '../src/http/index.ts';
import { openLogs, type RequestLine, RequestTraces } from '../src/logs/index.ts';
import { Metrics } from '../src/metrics/index.ts';
import { GrpcListener } from '../src/oip/grpc/grpc-listener.ts';
import { isInferPath, type OipDeps, OipRouter } from '../src/oip/index.ts';
import { ServiceTable } from '../src/profiling/index.ts';
import { SeededRandom } from '../src/random.ts';
import type { ModelVersion } from '../src/registry/index.ts';
import { rawCall, Serving } from '../src/serving/index.ts';
import { encodeStrings, type Tensor } from '../src/tensor.ts';
import { ThreadPool, type Threads } from '../src/threads/index.ts';
import { sign } from './aws/signed-request.ts';
import { GrpcClient } from './end-to-end/grpc-client.ts';
import { until } from './end-to-end/poll.ts';
import { ExchangeClients } from './exchange-adapters.ts';
import { bodyLimitBytes } from './exchange-bodies.ts';
import { profile, runMs, type ScriptedRun, type Served, scriptedWorkers, timeoutMs, versionOf } from './exchange-models.ts';

const queueRowsMax = 4;
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

export async function openExchanges({ isFast = false, tls = null }: { readonly isFast?: boolean; readonly tls?: Certificate | null } = {}) {
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
  const runs: ScriptedRun[] = [];
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

  const { link, streamLink } = scriptedWorkers(runs);
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
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls, access, log, clock: new SystemClock(), limits, writeAccess });
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
  listener.direct('/v2', router.handle, (path) => isFast && isInferPath(path));
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
  const grpc = new GrpcListener(oip, { host: '127.0.0.1', port: 0, tls: null });
  const grpcClient = new GrpcClient(await grpc.listen());
  const bodies = new BodyInvocations(shared);

  const clients = new ExchangeClients({ url, key, grpcClient, bodies });
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
    url,
    access,
    listener,
    accessLines,
    clients,
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
    oip,
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

export type Exchanges = Awaited<ReturnType<typeof openExchanges>>;

/** The native API over HTTP with the real modules below it and one real worker, for its tests. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Access, keysOfFile } from '../src/access/index.ts';
import { Alarms, webhookUrl } from '../src/alerts/index.ts';
import { NativeApi, registerMetrics } from '../src/api/native-api.ts';
import type { ApiServices } from '../src/api/routing/services.ts';
import type { Transforms } from '../src/async-inference/index.ts';
import { Chooser, DeploymentPlanner, deploymentChooser, Planner } from '../src/autoscaling/index.ts';
import { SystemClock } from '../src/clock.ts';
import { CostHistory, defaultPrices, Ledger } from '../src/costs/index.ts';
import { Deployments } from '../src/deployment/index.ts';
import { environmentSettings, PythonEnvironments } from '../src/environments/index.ts';
import type { Evaluations } from '../src/evaluation/index.ts';
import { Listener } from '../src/http/index.ts';
import { FileGroup, LogGroups, openLogs, platformLogGroup, requestsLogGroup } from '../src/logs/index.ts';
import { ArrivalHistory, MetricStore, Metrics } from '../src/metrics/index.ts';
import { FunctionProfiles, Profiles, ServiceTable } from '../src/profiling/index.ts';
import { LocalProvider } from '../src/providers/index.ts';
import { SeededRandom } from '../src/random.ts';
import { Audit, Decisions, Events, RejectionAudit } from '../src/records/index.ts';
import { Registry } from '../src/registry/index.ts';
import { Serving } from '../src/serving/index.ts';
import { FileObjectStore } from '../src/storage/index.ts';
import { ThreadPool } from '../src/threads/index.ts';
import type { Training, Tuning } from '../src/training/index.ts';
import { openFileDatabase } from './empty-database.ts';

const catalogueDirectory = join(import.meta.dirname, '../assets/catalogue');
export const digits = readFileSync(join(catalogueDirectory, 'digits_mlp.onnx'));
export const digitRows = readFileSync(join(catalogueDirectory, 'digits_test.csv'), 'utf8');

/** Its routes have separate tests. */
const nothingTransformed = {} as Transforms;
const nothingTrained = {} as Training;
const nothingTuned = {} as Tuning;
const nothingEvaluated = { sets: {} } as Evaluations;

export async function openNativeApi(limits: { readonly headersTimeoutMs?: number; readonly requestTimeoutMs?: number } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-api-'));
  const clock = new SystemClock();
  const random = new SeededRandom(1);
  const logs = openLogs(join(directory, 'logs'), 'silent');
  const log = logs.platform;
  const database = await openFileDatabase(join(directory, 'state.db'));
  const { db } = database;
  const events = new Events(db, clock);
  const audit = new Audit(db, clock);
  const metrics = new Metrics({ processMetrics: false });
  const access = Access.open(join(directory, 'keys.json'), clock);
  const objects = new FileObjectStore(join(directory, 'objects'));
  const fetchFile = (sha256: string) => objects.fetch(sha256);
  const provider = new LocalProvider({ clock, log, stateDirectory: directory, warmWorkers: 1, fetchFile });
  await provider.open();
  const registry: Registry = new Registry({
    db,
    objects,
    clock,
    log,
    events,
    audit,
    inspect: (path, rewriteTo, sample) => provider.borrow((link) => link.inspect(path, rewriteTo, sample)),
    inspectBundle: (path) => provider.borrow((link) => link.inspectBundle(path, 1024 ** 3)),
    catalogueDirectory,
    inUse: (group, version, tx) => deployments.usersOf(group, version, tx),
    removeGroup: (group, tx) => deployments.removeGroup(group, tx),
  });
  const prices = defaultPrices;
  const cores = 2;
  const profiles = new Profiles({
    db,
    clock,
    random,
    log,
    events,
    registry,
    prices,
    cores,
    budgetMs: 500,
    borrow: (use, options) => provider.borrow(use, options),
  });
  const functionProfiles = new FunctionProfiles({ profiles, prices, cores, isCpuHeld: () => false, log });
  const ledger = new Ledger(clock);
  const serving = new Serving({
    clock,
    random,
    metrics,
    ledger,
    log,
    lines: { weightOf: () => 1, isTraced: () => false, write: (line) => logs.requests.add(line, 1) },
    queueRowsMax: 1000,
    serviceTable: () => new ServiceTable(null),
    restart: (id, reason) => provider.restart(id, reason),
    functions: {
      prices: prices.functions,
      memoryMiBSafe: () => 2048,
      start: (wish) => deployments.startFunction(wish),
      stop: (id) => deployments.stopFunction(id),
    },
  });
  const decisions = new Decisions(db, clock, events);
  const background = { measureInBackground: () => undefined };
  const deployments: Deployments = new Deployments({
    db,
    clock,
    log,
    registry,
    provider,
    profiles: background,
    functionProfiles: background,
    prices,
    cores,
    events,
    audit,
    decisions,
    serving,
  });
  await deployments.open();
  const listener = new Listener({
    host: '127.0.0.1',
    port: 0,
    tls: null,
    limits: { bodyLimitBytes: 1024 * 1024, ...limits },
    access,
    log,
    clock,
  });
  const authenticate = listener.authenticate.bind(listener);
  const chooser = new Chooser({ clock });
  const planChooser = deploymentChooser({ clock });
  const files = [
    [platformLogGroup, 'platform.log'],
    [requestsLogGroup, 'requests.log'],
  ].map(([name = '', file = '']) => new FileGroup({ name, path: join(directory, 'logs', file), files: 3, flush: () => logs.flush() }));
  const logGroups = new LogGroups({ db, clock, files, onFailure: (error) => assert.fail(String(error)) });
  const store = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  const warnings: string[] = [];
  const threads = new ThreadPool({ clock, threadsMax: 2 });
  const environments = new PythonEnvironments({
    db,
    clock,
    log,
    events,
    audit,
    settings: environmentSettings({ gone: { python: '/nowhere/python3' } }),
    directory: join(directory, 'environments'),
    writeLine: () => undefined,
    limitMemory: () => ({ wasExceeded: () => false, end: () => undefined }),
    users: async () => new Map(),
  });
  const api = new NativeApi({
    db,
    cluster: null,
    nodeLinks: null,
    environments,
    availability: database.availability,
    threads,
    log: { warn: (_fields, message) => warnings.push(message), error: (_fields, message) => assert.fail(message) },
    registry,
    deployments,
    serving,
    access,
    keys: keysOfFile(access),
    events,
    audit,
    refusals: new RejectionAudit({ audit, clock, onFailure: (error) => assert.fail(String(error)) }),
    decisions,
    batching: { requestDecision: () => false, reasonOf: () => null, decisionStatus: () => null },
    scaling: { requestDecision: () => false },
    planner: new Planner({
      clock,
      chooser,
      prices: prices.functions,
      profilesOf: functionProfiles.of.bind(functionProfiles),
      measure: (version) => profiles.measure(version, 'instance:local.1'),
    }),
    webhooks: { checkUrl: webhookUrl },
    deploymentPlanner: new DeploymentPlanner({
      chooser: planChooser,
      prices,
      cores: 2,
      profileOf: ({ group, version }, executor) => profiles.get(group, version, executor),
      functionProfilesOf: functionProfiles.of.bind(functionProfiles),
      measure: profiles.measure.bind(profiles),
    }),
    ledger,
    costs: new CostHistory({ db, clock, ledger, onFailure: (error) => assert.fail(String(error)) }),
    series: store,
    alarms: new Alarms({
      db,
      clock,
      events,
      store,
      act: async () => 'done',
      onFailure: (alarm, error) => assert.fail(`${alarm}: ${String(error)}`),
    }),
    ...nothingRuled,
    machine: { times: null, lastHour: () => null },
    async: nothingAsynchronous,
    transforms: nothingTransformed,
    training: nothingTrained,
    tuning: nothingTuned,
    pipelines: {} as ApiServices['pipelines'],
    sageMakerPipelines: {} as ApiServices['sageMakerPipelines'],
    s3: {} as ApiServices['s3'],
    evaluations: nothingEvaluated,
    selection: { plan: () => assert.fail('nothing is evaluated') },
    ladders: { plan: () => assert.fail('nothing is evaluated') },
    selectionRecorder: { recording: () => assert.fail('nothing is selected') },
    selectionReview: { review: () => assert.fail('nothing is selected') },
    selectionWatch: { qualityOf: () => null },
    challengers: { evidenceOf: () => null },
    ...noCapture,
    arrivals: new ArrivalHistory({ db, clock, arrived: () => serving.arrived(), onFailure: (error) => assert.fail(String(error)) }),
    clock,
    prices,
    tables: { tableOf: () => new ServiceTable(null), served: () => [] },
    profiles,
    functionProfiles,
    authenticate,
    extendTimeout: listener.extendTimeout.bind(listener),
    connectionOf: listener.connectionOf.bind(listener),
    workers: () => provider.list(),
    logGroups,
    bodies: listener.bodies,
    server: {
      version: '1.2.3',
      startedAtMs: clock.wallMs(),
      cores,
      grpc: () => null,
      isDraining: () => false,
      dataDirectory: '/var/lib/penstock',
      notes: () => [],
      isolation: () => null,
      forkServers: () => [],
    },
  });
  listener.scope('/api', (scope) => api.register(scope));
  listener.scope('', (scope) => registerMetrics(scope, { metrics, access, authenticate }));
  const url = await listener.listen();
  const close = async (): Promise<void> => {
    api.close();
    await listener.close();
    await Promise.all([chooser.close(), planChooser.close(), threads.close()]);
    await environments.close();
    await deployments.close();
    await profiles.close();
    await provider.close();
    await logs.close();
    await database.close();
    rmSync(directory, { recursive: true });
  };
  return { url, access, series: store, warnings, close };
}

/** Their routes have separate tests. */
const nothingRuled = {} as Pick<ApiServices, 'rules' | 'deliveries' | 'canDeliver'>;

const unexpectedCall = async (): Promise<never> => assert.fail('not called in these tests');
const noCapture: Pick<ApiServices, 'calls' | 'targets' | 'drift' | 'truth' | 'capturedValues' | 'registrationSample'> = {
  calls: { begin: () => null },
  targets: { view: () => ({ models: 0, memoryMiB: 0, memoryMiBMax: 0 }) },
  drift: {
    setBaseline: () => assert.fail('no baseline is set here'),
    removeBaseline: async () => {},
    values: async () => new Map(),
    view: async () => ({ baseline: null, rowsSeen: 0, report: null, unknown: [] }),
  },
  truth: {
    label: async () => ({ matched: 0, unknown: [], mismatched: [] }),
    quality: async () => ({ calls: 0, labelledCalls: 0, labelledRows: 0, accuracy: null, meanAbsoluteError: null }),
    toLabel: async () => [],
  },
  capturedValues: async () => new Map(),
  registrationSample: async () => null,
};
const nothingAsynchronous = {
  requests: { submit: unexpectedCall, find: async () => null, list: async () => [], cancel: unexpectedCall, retry: unexpectedCall },
  ownBucket: unexpectedCall,
  put: unexpectedCall,
  open: unexpectedCall,
};

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A test's client of a server. */
export function clientOf(url: () => string) {
  const call = async (method: string, path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`${url()}/api/v1${path}`, { method, ...init });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) };
  };
  const send = (method: string, path: string, json: unknown): Promise<Answer> =>
    call(method, path, { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } });
  const upload = (path: string, bytes: Uint8Array): Promise<Answer> => call('POST', path, { body: bytes as Uint8Array<ArrayBuffer> });
  const inService = async (endpoint: string): Promise<Answer['body']> => {
    const stream = await fetch(`${url()}/api/v1/events?since=0`);
    assert(stream.body !== null);
    let seen = '';
    for await (const chunk of stream.body.pipeThrough(new TextDecoderStream())) {
      seen += chunk;
      if (seen.includes(`"kind":"endpoint.in-service","subject":"${endpoint}"`)) break;
    }
    return (await call('GET', `/endpoints/${endpoint}`)).body;
  };
  return { call, send, upload, inService };
}

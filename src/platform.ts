/** Builds every room with `new`, in the order in which they stand on each other, starts them and stops them. */
import { availableParallelism } from 'node:os';
import { Access } from './access/index.ts';
import { NativeApi, registerFrontPage, registerMetrics } from './api/index.ts';
import { BatchController, Chooser, Planner, ScalingController, ScalingStates, scaledVariants, scalingPolicy } from './autoscaling/index.ts';
import { AwsDoor, type AwsService, ModelBucket, Runtime, S3Service, S3Store, sagemakerService, stsService } from './aws/index.ts';
import { SystemClock } from './clock.ts';
import type { Config } from './config.ts';
import { CostHistory, Ledger, priceTable } from './costs/index.ts';
import { Deployments, type EndpointView } from './deployment/index.ts';
import { messageOf, PlatformError } from './errors.ts';
import { Listener, loadCertificate } from './http/index.ts';
import { ArrivalHistory, Audit, Decisions, Events, type Logs, MetricStore, Metrics, openLogs } from './monitoring/index.ts';
import { OipDoor } from './oip/index.ts';
import { FunctionProfiles, functionExecutor, functionSizes, Profiles, ServiceTables } from './profiling/index.ts';
import { LocalProvider, type WorkerView } from './providers/index.ts';
import { SystemRandom } from './random.ts';
import { imageEntries, Registry } from './registry/index.ts';
import { Serving, type ServingOptions } from './serving/index.ts';
import { type Database, type DataDirectory, FileObjectStore, openDatabase, openDataDirectory } from './storage/index.ts';

/** What the program knows of itself. */
export interface Product {
  /** `0.1.0` */
  readonly version: string;
  /** Where the models are that come with it. */
  readonly catalogueDirectory: string;
}

export interface Platform {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly ledger: Ledger;
  /** Stops taking requests, answers those under way, ends the workers, lets go of the data directory. */
  close(): Promise<void>;
}

/** An archive of the largest size, from a slow disk. */
const bundleTimeoutMs = 600_000;

/** Ends what was started, in the opposite order. */
type Closer = () => Promise<void> | void;

/** Starts a server and resolves when it serves. Throws `PlatformError` where it cannot; then nothing of it runs. */
export async function startPlatform(config: Config, product: Product): Promise<Platform> {
  const closers: Closer[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await build(config, product, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(config: Config, product: Product, closers: Closer[], close: () => Promise<void>): Promise<Platform> {
  const clock = new SystemClock();
  const startedAtMs = clock.wallMs();
  const directory = await openDataDirectory(config.dataDir);
  closers.push(() => directory.release());
  const logs = openLogs(directory.logs, config.logLevel, { clock });
  closers.push(() => logs.close());
  const log = logs.platform;
  const access = Access.open(directory.keysFile, clock);
  const listener = new Listener({
    host: config.host,
    port: config.port,
    tls: loadCertificate(config, directory.path, startedAtMs),
    limits: { bodyLimitBytes: config.bodyLimitBytes, connectionsMax: config.connectionsMax },
    access,
    log,
    clock,
  });

  const { db, close: closeDatabase } = await openDatabase(
    config.databaseUrl === null ? { file: directory.stateDb, synchronous: 'FULL' } : { url: config.databaseUrl },
    config.databaseUrl === null ? ['state'] : ['state', 'metrics'],
  );
  closers.push(closeDatabase);
  const provider = new LocalProvider({
    clock,
    log,
    stateDirectory: directory.path,
    warmWorkers: config.warmWorkers,
    startDelayMs: config.startDelayMs ?? 0,
  });
  await provider.open();
  closers.push(() => provider.close());

  const metricsDb = await openMetricsDatabase(config, directory, db, closers);
  const onFailure = (error: unknown): void => log.error({ error: messageOf(error) }, 'metrics could not be written yet');
  const series = new MetricStore({ db: metricsDb, clock, onFailure });
  await series.open();
  closers.push(() => series.close());
  const ground: Ground = { clock, logs, directory, db, metricsDb, series, provider };
  const rooms = buildRooms(config, product, ground);
  await rooms.registry.open();
  const s3 = await openBuckets(rooms, startedAtMs, ground);
  const costs = openCosts(rooms.ledger, ground);
  closers.push(() => costs.close());
  const arrivals = openArrivals(rooms.serving, ground);
  closers.push(() => arrivals.close());
  closers.push(() => rooms.profiles.close());
  await rooms.deployments.open();
  closers.push(() => rooms.deployments.close());
  const loops = buildLoops(config, rooms, ground);
  closers.push(() => loops.chooser.close());
  loops.batching.open();
  closers.push(() => loops.batching.close());
  loops.scaling.open();
  closers.push(() => loops.scaling.close());
  closers.push(() => rooms.serving.close());

  const api = mountDoors(config, product, { ...rooms, ...loops }, { ...ground, costs, arrivals, s3, listener, access, startedAtMs });
  const url = await listener.listen();
  closers.push(() => listener.close());
  closers.push(() => api.close());
  directory.announce(url);
  log.info({ url, dataDirectory: directory.path, version: product.version }, 'penstock serves');
  return { url, ledger: rooms.ledger, close };
}

interface Ground {
  readonly clock: SystemClock;
  readonly logs: Logs;
  readonly directory: DataDirectory;
  readonly db: Database;
  readonly metricsDb: Database;
  readonly series: MetricStore;
  readonly provider: LocalProvider;
}

/** The rooms from monitoring to deployment. */
function buildRooms(config: Config, product: Product, { clock, logs, directory, db, series, provider }: Ground) {
  const log = logs.platform;
  const cores = config.cores ?? availableParallelism();
  const prices = priceTable(config.prices);
  const random = new SystemRandom();
  const metrics = new Metrics({ store: series });
  const events = new Events(db, clock);
  const audit = new Audit(db, clock);
  const ledger = new Ledger(clock);
  const registry: Registry = new Registry({
    db,
    objects: new FileObjectStore(directory.objects),
    clock,
    log,
    events,
    audit,
    inspect: (path, rewriteTo) => provider.borrow((link) => link.inspect(path, rewriteTo)),
    inspectBundle: (path) => provider.borrow((link) => link.inspectBundle(path, config.artifactLimitBytes), { timeoutMs: bundleTimeoutMs }),
    images: imageEntries(config.images),
    catalogueDirectory: product.catalogueDirectory,
    inUse: (group, number, tx) => deployments.usersOf(group, number, tx),
    modelBytesMax: config.artifactLimitBytes,
  });
  const borrow = provider.borrow.bind(provider);
  const isCpuHeld = () => provider.limits.cpu;
  const profiles = new Profiles({ db, clock, random, log, events, registry, prices, cores, borrow, isCpuHeld });
  const functionProfiles = new FunctionProfiles({ profiles, prices, cores, isCpuHeld, log });
  registry.onRegistered((registered) => profiles.measureInBackground(registered, executorOf('local.1')));
  const tables = new ServiceTables({ profiles, functions: functionProfiles, log });
  const serving = new Serving({
    clock,
    random,
    metrics,
    ledger,
    log,
    writeLine: (line) => logs.request(line),
    queueRowsMax: config.queueRowsMax,
    serviceTable: (model, executor) => tables.tableOf(model, executor),
    restart: (workerId, reason) => provider.restart(workerId, reason),
    onOverflowShut: overflowTeller(log, events),
    functions: {
      prices: prices.functions,
      memoryMiBSafe: ({ artifact }) => memoryMiBSafe(artifact.bytes, functionSizes(prices.functions)),
      start: (wish) => deployments.startFunction(wish),
      stop: (workerId) => deployments.stopFunction(workerId),
    },
  });
  tables.onChange(({ group, version: number }) => serving.profileMeasured(group, number));
  const deployments: Deployments = new Deployments({
    db,
    clock,
    log,
    registry,
    provider,
    profiles,
    functionProfiles,
    prices,
    cores,
    events,
    audit,
    serving,
    checkPolicy: scalingPolicy,
  });
  meter(metrics, serving, () => provider.list());
  return { registry, profiles, functionProfiles, tables, serving, deployments, events, audit, metrics, ledger, prices, cores };
}

/** Who tells that functions take nothing more beside instances, or do again. */
function overflowTeller(log: Logs['platform'], events: Events): NonNullable<ServingOptions['onOverflowShut']> {
  return ({ endpoint, variant }, reason) => {
    log.warn({ endpoint, variant, reason }, reason === null ? 'overflow goes to functions again' : 'overflow goes to functions no more');
    const event = { kind: reason === null ? 'overflow.resumed' : 'overflow.suspended', subject: endpoint, detail: { variant, reason } };
    events
      .recordAndPublish(event)
      .catch((error: unknown) => log.error({ event, error: messageOf(error) }, 'an event could not be recorded'));
  };
}

/** Of a function until its size is chosen: 2048 MiB, which come with a whole processor, or more where the model's file asks for it. */
function memoryMiBSafe(modelBytes: number, sizes: readonly number[]): number {
  const neededMiB = Math.max(2048, (3 * modelBytes) / 2 ** 20);
  return sizes.find((memoryMiB) => memoryMiB >= neededMiB) ?? (sizes.at(-1) as number);
}

/** The name under which a profile of this instance type is kept. */
function executorOf(instanceType: string): string {
  return `instance:${instanceType}`;
}

/** Buckets, and among them one that shows the files of registered models. */
async function openBuckets(
  { registry, audit }: { readonly registry: Registry; readonly audit: Audit },
  startedAtMs: number,
  { db, clock, logs, directory }: Ground,
): Promise<S3Store> {
  const files = new FileObjectStore(directory.buckets);
  const s3 = new S3Store({ db, files, clock, log: logs.platform, audit, given: [new ModelBucket(registry, startedAtMs)] });
  await s3.sweep();
  return s3;
}

/** What is used from now on is kept. */
function openCosts(ledger: Ledger, { db, clock, logs }: Ground): CostHistory {
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'costs could not be written yet');
  const costs = new CostHistory({ db, clock, ledger, onFailure });
  costs.open();
  return costs;
}

/** Metrics are kept in a file of their own, which costs less to write, or in the one database there is. */
async function openMetricsDatabase(config: Config, directory: DataDirectory, db: Database, closers: Closer[]): Promise<Database> {
  if (config.databaseUrl !== null) return db;
  const metrics = await openDatabase({ file: directory.metricsDb, synchronous: 'NORMAL' }, ['metrics']);
  closers.push(metrics.close);
  return metrics.db;
}

/** Who comes from now on is kept. */
function openArrivals(serving: Serving, { metricsDb: db, clock, logs }: Ground): ArrivalHistory {
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'arrivals could not be written yet');
  const arrivals = new ArrivalHistory({ db, clock, arrived: () => serving.arrived(), onFailure });
  arrivals.open();
  return arrivals;
}

/** What decides while all else serves. */
function buildLoops(config: Config, rooms: ReturnType<typeof buildRooms>, { clock, logs, db }: Ground) {
  const { profiles, functionProfiles, tables, serving, deployments, ledger, events } = rooms;
  const prices = rooms.prices.functions;
  const decisions = new Decisions(db, clock, events);
  const chooser = new Chooser({ clock });
  const profilesOf = functionProfiles.of.bind(functionProfiles);
  const batching = new BatchController({
    clock,
    log: logs.platform,
    decisions,
    events,
    chooser,
    variants: () => serving.functionVariants(),
    profilesOf,
    tableOf: (version, memoryMiB) => tables.tableOf(version, functionExecutor(memoryMiB)),
    prices,
    periodMs: config.batchPeriodMs,
  });
  profiles.onMeasured(({ group, version }) => batching.profileMeasured(group, version));
  const planner = new Planner({
    clock,
    chooser,
    prices,
    profilesOf,
    measure: async (version) => {
      await profiles.measure(version, executorOf('local.1'));
      functionProfiles.measureInBackground(version); // all sizes take their time: the plan is made of derived ones
    },
  });
  const tableOf = tables.tableOf.bind(tables);
  const scaling = new ScalingController({
    clock,
    log: logs.platform,
    decisions,
    events,
    states: new ScalingStates(db, clock),
    variants: () => scaledVariants({ clock, deployments, serving, ledger, prices: rooms.prices, tableOf, cores: rooms.cores }),
    scale: deployments.scale.bind(deployments),
    follow: serving.followPlan.bind(serving),
    leadMinMs: Math.max(config.scalingLeadMs ?? 0, config.startDelayMs ?? 0),
  });
  return { decisions, chooser, batching, scaling, planner };
}

type Rooms = ReturnType<typeof buildRooms> & ReturnType<typeof buildLoops>;

interface Front extends Ground {
  readonly costs: CostHistory;
  readonly arrivals: ArrivalHistory;
  readonly s3: S3Store;
  readonly listener: Listener;
  readonly access: Access;
  readonly startedAtMs: number;
}

/** The protocols, each at its paths. */
function mountDoors(
  config: Config,
  { version }: Product,
  rooms: Rooms,
  { clock, logs, directory, db, provider, costs, arrivals, s3, listener, access, startedAtMs }: Front,
): NativeApi {
  const { registry, profiles, functionProfiles, serving, deployments, events, audit, decisions, batching, planner } = rooms;
  const { metrics, ledger, prices, cores } = rooms;
  const log = logs.platform;
  const ready = readiness(deployments);
  const authenticate = listener.authenticate.bind(listener);
  const oip = new OipDoor({
    serving,
    deployed: () => deployments.list(),
    load: async (name, who) => {
      await deployments.load(name, who);
      const { status, reason } = await deployments.waitFor(name, config.timeoutMs);
      if (status !== 'InService') throw new PlatformError('unavailable', `endpoint ${name} did not load: ${reason ?? status}`);
    },
    unload: async (name, who) => {
      await deployments.unload(name, who);
      await deployments.waitFor(name, config.timeoutMs);
    },
    health: () => ({ live: true, ...ready() }),
    listener,
    access,
    clock,
    log,
    version,
  });
  const api = new NativeApi({
    db,
    registry,
    deployments,
    serving,
    access,
    events,
    audit,
    decisions,
    batching,
    scaling: rooms.scaling,
    planner,
    ledger,
    costs,
    arrivals,
    clock,
    prices,
    workers: () => provider.list(),
    profiles,
    functionProfiles,
    authenticate,
    logDirectory: directory.logs,
    flushLogs: () => logs.flush(),
    bodyLimitBytes: config.bodyLimitBytes,
    server: { version, startedAtMs, cores },
  });
  new AwsDoor({
    services: [stsService(), sageMaker(config, rooms, { db, clock, s3 })],
    streams: [
      new S3Service(s3),
      new Runtime({ serving, clock, log, bodyBytesMax: config.invocationLimitBytes, timeoutMs: config.invocationTimeoutMs }),
    ],
    access,
    clock,
    log,
    place: { account: config.awsAccount, region: config.awsRegion },
    hostNames: [config.host],
    limits: { droppedBytesMax: config.bodyLimitBytes, invocationBytesMax: config.invocationLimitBytes },
  }).mount(listener);
  listener.direct('/v2', oip.handle);
  listener.scope('/api', (scope) => api.register(scope));
  listener.scope('', registerFrontPage);
  listener.scope('', (scope) => registerMetrics(scope, { metrics, access, authenticate }));
  return api;
}

/** Groups, packages, Models, endpoint configs and endpoints, as AWS's clients know them. */
function sageMaker(config: Config, rooms: Rooms, ground: Pick<Front, 'db' | 'clock' | 's3'>): AwsService {
  const { registry, deployments, serving, audit, prices } = rooms;
  const { db, clock, s3 } = ground;
  return sagemakerService({
    db,
    clock,
    audit,
    registry,
    deployments,
    prices,
    timeoutMs: config.invocationTimeoutMs,
    objects: s3,
    unpackedBytesMax: config.artifactLimitBytes,
    memoryOf: (endpoint, variant) =>
      serving.endpoint(endpoint)?.variants.find(({ name }) => name === variant)?.functions?.setting.memoryMiB ?? null,
  });
}

/**
 * Ready once each endpoint that was in service when the server last ended is so again, or has failed; from then on it
 * stays ready, whatever becomes of single endpoints.
 */
function readiness(deployments: Deployments): () => { ready: boolean; reason: string | null } {
  const awaited = new Set(deployments.list().map(({ config }) => config.name));
  const settle = ({ config, status }: EndpointView): void => {
    if (status === 'InService' || status === 'Failed' || status === 'Unloaded') awaited.delete(config.name);
  };
  deployments.onChange(settle);
  deployments.onGone((name) => awaited.delete(name));
  for (const view of deployments.list()) settle(view);
  return () => {
    if (awaited.size === 0) return { ready: true, reason: null };
    return { ready: false, reason: `coming back into service: ${[...awaited].join(', ')}` };
  };
}

/** What Prometheus sees besides the requests themselves. */
function meter(metrics: Metrics, serving: Serving, workers: () => readonly WorkerView[]): void {
  const ofVariant = ['endpoint', 'variant'];
  const variants = () =>
    serving.endpoints().flatMap(({ name, variants: all }) => all.map((each) => ({ labels: { endpoint: name, variant: each.name }, each })));
  metrics.gauge('penstock_queue_rows', 'Rows that wait for an executor.', ofVariant, () =>
    variants().map(({ labels, each }) => ({ labels, value: each.rowsWaiting })),
  );
  metrics.gauge('penstock_executors', 'Executors by what they do.', [...ofVariant, 'state'], () =>
    variants().flatMap(({ labels, each }) =>
      [true, false].map((busy) => ({
        labels: { ...labels, state: busy ? 'busy' : 'idle' },
        value: each.executors.filter(({ isBusy }) => isBusy === busy).length,
      })),
    ),
  );
  metrics.gauge('penstock_function_environments', 'Function environments by what they do.', [...ofVariant, 'state'], () =>
    variants().flatMap(({ labels, each: { functions } }) =>
      Object.entries(functions?.environments ?? {}).map(([state, value]) => ({ labels: { ...labels, state }, value })),
    ),
  );
  metrics.gauge('penstock_worker_rss_bytes', 'Memory of a worker process.', ['worker'], () =>
    workers().flatMap(({ spec, rssBytes }) => (rssBytes === null ? [] : [{ labels: { worker: spec.id }, value: rssBytes }])),
  );
  metrics.counter('penstock_worker_restarts_total', 'How often a worker was started anew.', ['worker'], () =>
    workers().map(({ spec, restarts }) => ({ labels: { worker: spec.id }, value: restarts })),
  );
}

/** Mounts all protocols at their paths. */
import { resolve } from 'node:path';
import { Access } from '../access/index.ts';
import type { WebhookPolicy } from '../alerts/index.ts';
import { type ApiServices, NativeApi, registerMetrics } from '../api/index.ts';
import type { Transforms } from '../async-inference/index.ts';
import {
  AwsRouter,
  type AwsService,
  cloudtrailService,
  cloudWatchService,
  eventsService,
  iamService,
  logGroupOfArn,
  logsService,
  Runtime,
  type RuntimeOptions,
  S3Service,
  S3Store,
  stsService,
  type TargetModels,
} from '../aws/index.ts';
import type { Config } from '../config.ts';
import { CostHistory } from '../costs/index.ts';
import { Deployments, type EndpointView } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import type { Evaluations } from '../evaluation/index.ts';
import { type Certificate, Listener, serveConsole } from '../http/index.ts';
import { ArrivalHistory } from '../metrics/index.ts';
import { loadGrpcServer, type OipDeps, OipRouter } from '../oip/index.ts';
import type { Availability } from '../storage/index.ts';
import { type AsyncServices, addressOf } from './async.ts';
import { batchServices } from './batch.ts';
import type { CaptureServices } from './capture.ts';
import type { Controllers } from './controllers.ts';
import type { Foundation, Product } from './foundation.ts';
import { meterBodies } from './meter.ts';
import type { CoreModules } from './modules.ts';
import type { MonitoringServices } from './monitoring.ts';
import { openMultiModels } from './multi-models.ts';
import { registrationSample } from './registration-sample.ts';
import type { StorageHealth } from './storage-health.ts';

type Modules = CoreModules & Controllers & { readonly transforms: Transforms; readonly evaluations: Evaluations };

interface ServersDeps extends Foundation, MonitoringServices, AsyncServices, CaptureServices {
  readonly costs: CostHistory;
  readonly arrivals: ArrivalHistory;
  readonly s3: S3Store;
  readonly listener: Listener;
  readonly access: Access;
  readonly sagemaker: AwsService;
  readonly webhooks: WebhookPolicy;
  readonly health: StorageHealth;
}

interface FrontDeps extends ServersDeps {
  /** The models of multi-model endpoints. */
  readonly targets: TargetModels;
}

export interface Servers {
  readonly api: NativeApi;
  /** `end`: the server is not ready from now on. */
  readonly readiness: { end(): void };
  /** Opens the gRPC port; null if it is off, or if its default port is taken and none was configured. */
  readonly openGrpc: (tls: Certificate | null) => Promise<GrpcPort | null>;
}

export interface GrpcPort {
  /** `127.0.0.1:8001` */
  readonly address: string;
  /** Like `Listener.drain`. */
  drain(time: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void>;
  close(): Promise<void>;
}

/** Mounts HTTP protocols on the listener. gRPC has its own port, opened later by `openGrpc`. */
export function mountServers(config: Config, product: Product, modules: Modules, deps: ServersDeps): Servers {
  const front: FrontDeps = { ...deps, targets: openMultiModels(modules, deps) };
  const { listener, access } = front;
  const { metrics } = modules;
  meterBodies(metrics, listener.bodies.budget);
  const readiness = new Readiness(modules.deployments, front.availability);
  const services = oipServices(config, product, modules, front, readiness);
  const oipRouter = new OipRouter(services);
  let grpc: GrpcPort | null = null;
  const api = nativeApi(product, modules, front, {
    grpc: () => grpc?.address ?? null,
    isDraining: () => readiness.isEnding,
    dataDirectory: resolve(config.dataDir),
    canDeliver: deliversTo(config),
  });
  awsRouter(config, modules, front).mount(listener);
  listener.direct('/v2', oipRouter.handle);
  listener.direct('/v1', oipRouter.handle);
  listener.scope('/api', (scope) => api.register(scope));
  listener.scope('', (scope) => registerMetrics(scope, { metrics, access, authenticate: listener.authenticate.bind(listener) }));
  listener.scope('', (scope) => serveConsole(scope, product.consoleDirectory));
  return {
    api,
    readiness,
    openGrpc: async (tls) => {
      grpc = await openGrpc(config, services, tls);
      return grpc;
    },
  };
}

/** The default gRPC port of Triton. */
const grpcPortDefault = 8001;

async function openGrpc({ host, port, grpcPort }: Config, services: OipDeps, tls: Certificate | null): Promise<GrpcPort | null> {
  if (grpcPort === 'off') return null;
  // With a random HTTP port, the gRPC port is random, too.
  const server = await loadGrpcServer(services, { host, port: grpcPort ?? (port === 0 ? 0 : grpcPortDefault), tls });
  try {
    return { address: await server.listen(), drain: (time) => server.drain(time), close: () => server.close() };
  } catch (error) {
    // Most servers are used over HTTP only: a default port that is taken must not prevent startup.
    if (grpcPort !== null || !(error instanceof PlatformError)) throw error;
    services.log.warn({}, `gRPC is not served: ${error.message}`);
    return null;
  }
}

/** Dependencies of the Open Inference Protocol over REST and gRPC. */
function oipServices(
  config: Config,
  { version }: Product,
  { serving, deployments, refusals }: Modules,
  front: FrontDeps,
  readiness: Readiness,
): OipDeps {
  const { clock, logs, traces, threads, calls, listener, access } = front;
  return {
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
    health: () => ({ live: true, ...readiness.state }),
    onHealthChange: (listener) => readiness.onChange(listener),
    calls,
    listener,
    access,
    threads,
    traces,
    writeAccess: (line) => logs.access(line),
    refusals,
    clock,
    log: logs.platform,
    version,
  };
}

function nativeApi(
  { version }: Product,
  modules: Modules,
  front: FrontDeps,
  { canDeliver, ...server }: Pick<ApiServices['server'], 'grpc' | 'isDraining' | 'dataDirectory'> & Pick<ApiServices, 'canDeliver'>,
): NativeApi {
  const {
    registry,
    environments,
    deployments,
    serving,
    events,
    audit,
    decisions,
    batching,
    scaling,
    planner,
    deploymentPlanner,
    refusals,
  } = modules;
  const { ledger, prices, profiles, functionProfiles, cores } = modules;
  const { clock, logs, traces, threads, logGroups, db, provider, series, alarms, asyncApi, costs, arrivals, listener, access } = front;
  const { calls, drift, truth, capturedValues, s3, rules, deliveries, webhooks, machine, targets, startedAtMs } = front;
  return new NativeApi({
    db,
    availability: front.availability,
    log: logs.platform,
    registry,
    environments,
    deployments,
    serving,
    access,
    events,
    audit,
    refusals,
    decisions,
    batching,
    scaling,
    planner,
    deploymentPlanner,
    ledger,
    costs,
    arrivals,
    series,
    alarms,
    rules,
    canDeliver,
    deliveries,
    machine,
    async: asyncApi,
    webhooks,
    calls,
    targets,
    drift,
    truth,
    capturedValues,
    registrationSample: (version) => registrationSample({ db, clock, registry, s3 }, version),
    ...batchServices(modules, threads),
    traces,
    threads,
    clock,
    prices,
    workers: () => provider.list(),
    tables: modules.tables,
    profiles,
    functionProfiles,
    authenticate: listener.authenticate.bind(listener),
    extendTimeout: listener.extendTimeout.bind(listener),
    connectionOf: listener.connectionOf.bind(listener),
    logGroups,
    bodies: listener.bodies,
    server: { version, startedAtMs, cores, ...reportedBy(provider), notes: front.health.notes, ...server },
  });
}

/** What the server's status says of its provider. */
function reportedBy(provider: Foundation['provider']) {
  return { isolation: () => provider.isolation, forkServers: () => provider.forkServers() };
}

/** Waits until a starting endpoint serves. */
function servedBy({ serving, deployments }: Modules): RuntimeOptions['untilServed'] {
  return async (name, waitMs) => {
    // An endpoint whose update continues after a restart serves long before its status is InService.
    const served = Promise.withResolvers<void>();
    const stopListening = deployments.onServed(() => {
      if (serving.endpoint(name) !== undefined) served.resolve();
    });
    try {
      await Promise.race([served.promise, deployments.waitFor(name, waitMs)]);
    } finally {
      stopListening();
    }
  };
}

/** Whether rules can deliver to this ARN: that of a log group of this account. */
function deliversTo({ awsAccount: account, awsRegion: region }: Config): (arn: string) => boolean {
  return (arn) => logGroupOfArn(arn, { account, region }) !== null;
}

/** Routes AWS calls to services with documents and to services that stream bodies. */
function awsRouter(
  config: Config,
  modules: Modules,
  {
    db,
    clock,
    logs,
    traces,
    threads,
    s3,
    calls,
    asyncHandler,
    logGroups,
    rules,
    series,
    alarms,
    listener,
    access,
    sagemaker,
    webhooks,
    targets,
  }: FrontDeps,
): AwsRouter {
  const { serving, autoScaling, audit, refusals } = modules;
  const untilServed = servedBy(modules);
  const log = logs.platform;
  const awsLocation = { account: config.awsAccount, region: config.awsRegion };
  const checkUrl = webhooks.checkUrl.bind(webhooks);
  const services: readonly AwsService[] = [
    stsService({ access, clock }),
    sagemaker,
    autoScaling,
    cloudWatchService({
      actionTargets: {
        isTopic: (topic) => addressOf(config.asyncTopics, topic) !== null,
        isStepPolicy: (arn) => autoScaling.hasStepPolicy(arn),
        checkUrl,
      },
      db,
      clock,
      log,
      store: series,
      alarms,
      otherAlarms: (location) => autoScaling.trackingAlarms(location, series),
    }),
    eventsService({ rules, clock, canDeliver: deliversTo(config), checkUrl }),
    logsService({ groups: logGroups, clock, db }),
    cloudtrailService({ audit }),
  ];
  const { invocationLimitBytes: bodyBytesMax, invocationTimeoutMs: timeoutMs } = config;
  return new AwsRouter({
    services: [...services, iamService(services)],
    streams: [
      new S3Service(s3),
      new Runtime({ serving, targets, traces, calls, clock, log, threads, bodyBytesMax, timeoutMs, async: asyncHandler, untilServed }),
    ],
    access,
    clock,
    log,
    writeAccess: (line) => logs.access(line),
    awsLocation,
    budget: listener.bodies.budget,
    hostNames: listener.names,
    limits: { droppedBytesMax: config.bodyLimitBytes, invocationBytesMax: bodyBytesMax },
    onDone: (done) => audit.record(db, done),
    onRefused: (who, refused) => refusals.record({ who, ...refused }),
  });
}

/**
 * The server is ready once every endpoint that existed at startup is in service, failed or unloaded. Later failures of single endpoints do
 * not change that; only draining does.
 */
class Readiness {
  readonly #availability: Availability;
  readonly #awaited: Set<string>;
  #isEnding = false;
  readonly #listeners: (() => void)[] = [];

  constructor(deployments: Deployments, availability: Availability) {
    this.#availability = availability;
    this.#awaited = new Set(deployments.list().map(({ config }) => config.name));
    deployments.onChange((view) => this.#settle(view));
    deployments.onDeleted((name) => this.#markSettled(name));
    for (const view of deployments.list()) this.#settle(view);
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  get state(): { readonly ready: boolean; readonly reason: string | null } {
    if (this.#isEnding) return { ready: false, reason: 'the server is shutting down' };
    // Losing the database does not affect readiness, unless another server has taken it over: then this one may serve outdated state.
    const { takenOver } = this.#availability;
    if (takenOver !== null) return { ready: false, reason: takenOver };
    if (this.#awaited.size === 0) return { ready: true, reason: null };
    return { ready: false, reason: `coming back into service: ${[...this.#awaited].join(', ')}` };
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** From now on the server is not ready. */
  end(): void {
    this.#isEnding = true;
    for (const listener of this.#listeners) listener();
  }

  #settle({ config, status }: EndpointView): void {
    if (status === 'InService' || status === 'Failed' || status === 'Unloaded') this.#markSettled(config.name);
  }

  #markSettled(name: string): void {
    if (!this.#awaited.delete(name)) return;
    for (const listener of this.#listeners) listener();
  }
}

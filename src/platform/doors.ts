/** The protocols, each at its paths. */
import { Access } from '../access/index.ts';
import { NativeApi, registerMetrics } from '../api/index.ts';
import type { Transforms } from '../async-inference/index.ts';
import {
  AwsDoor,
  type AwsService,
  cloudtrailService,
  cloudWatchService,
  eventsService,
  logGroupOfArn,
  logsService,
  Runtime,
  type RuntimeOptions,
  S3Service,
  S3Store,
  stsService,
} from '../aws/index.ts';
import type { Config } from '../config.ts';
import { CostHistory } from '../costs/index.ts';
import { Deployments, type EndpointView } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { type Certificate, Listener, serveConsole } from '../http/index.ts';
import { ArrivalHistory } from '../monitoring/index.ts';
import { loadGrpcDoor, OipDoor, type OipServices } from '../oip/index.ts';
import { type AsyncWorks, addressOf } from './async.ts';
import type { Capturing } from './capturing.ts';
import type { Ground, Product } from './ground.ts';
import type { Loops } from './loops.ts';
import { meterBodies } from './meter.ts';
import { registrationSample } from './registration-sample.ts';
import type { BuiltRooms } from './rooms.ts';
import type { Watching } from './watching.ts';

type Rooms = BuiltRooms & Loops & { readonly transforms: Transforms };

interface Front extends Ground, Watching, AsyncWorks, Capturing {
  readonly costs: CostHistory;
  readonly arrivals: ArrivalHistory;
  readonly s3: S3Store;
  readonly listener: Listener;
  readonly access: Access;
  readonly sagemaker: AwsService;
}

export interface Doors {
  readonly api: NativeApi;
  /** Opens the port for gRPC; null where it is off, or where nobody asked for it and its usual port is taken. */
  readonly openGrpc: (tls: Certificate | null) => Promise<GrpcPort | null>;
}

export interface GrpcPort {
  /** `127.0.0.1:8001` */
  readonly address: string;
  close(): Promise<void>;
}

export function mountDoors(config: Config, product: Product, rooms: Rooms, front: Front): Doors {
  const { listener, access } = front;
  const { metrics } = rooms;
  meterBodies(metrics, listener.bodies.budget);
  const services = oipServices(config, product, rooms, front);
  const oip = new OipDoor(services);
  let grpc: GrpcPort | null = null;
  const api = nativeApi(config, product, rooms, front, () => grpc?.address ?? null);
  awsDoor(config, rooms, front).mount(listener);
  listener.direct('/v2', oip.handle);
  listener.direct('/v1', oip.handle);
  listener.scope('/api', (scope) => api.register(scope));
  listener.scope('', (scope) => registerMetrics(scope, { metrics, access, authenticate: listener.authenticate.bind(listener) }));
  listener.scope('', (scope) => serveConsole(scope, product.consoleDirectory));
  return {
    api,
    openGrpc: async (tls) => {
      grpc = await openGrpc(config, services, tls);
      return grpc;
    },
  };
}

const usualGrpcPort = 8001;

async function openGrpc({ host, port, grpcPort }: Config, services: OipServices, tls: Certificate | null): Promise<GrpcPort | null> {
  if (grpcPort === 'off') return null;
  const door = await loadGrpcDoor(services, { host, port: grpcPort ?? (port === 0 ? 0 : usualGrpcPort), tls });
  try {
    return { address: await door.listen(), close: () => door.close() };
  } catch (error) {
    // Most servers are used over HTTP only: a port that nobody asked for is no reason not to start.
    if (grpcPort !== null || !(error instanceof PlatformError)) throw error;
    services.log.warn({}, `gRPC is not served: ${error.message}`);
    return null;
  }
}

function oipServices(config: Config, { version }: Product, { serving, deployments, refusals }: Rooms, front: Front): OipServices {
  const { clock, logs, traces, calls, listener, access } = front;
  const readiness = new Readiness(deployments);
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
    traces,
    writeAccess: (line) => logs.access(line),
    refusals,
    clock,
    log: logs.platform,
    version,
  };
}

function nativeApi(config: Config, { version }: Product, rooms: Rooms, front: Front, grpc: () => string | null): NativeApi {
  const { registry, deployments, serving, events, audit, decisions, batching, scaling, planner, deploymentPlanner, refusals } = rooms;
  const { ledger, prices, profiles, functionProfiles, cores } = rooms;
  const { clock, logs, traces, logGroups, db, provider, series, alarms, asyncApi, costs, arrivals, listener, access, startedAtMs } = front;
  const { calls, drift, truth, capturedValues, s3, rules, deliveries } = front;
  return new NativeApi({
    db,
    log: logs.platform,
    registry,
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
    deliveries,
    async: asyncApi,
    calls,
    drift,
    truth,
    capturedValues,
    registrationSample: (version) => registrationSample({ db, clock, registry, s3 }, version),
    transforms: rooms.transforms,
    traces,
    clock,
    prices,
    workers: () => provider.list(),
    tables: rooms.tables,
    profiles,
    functionProfiles,
    authenticate: listener.authenticate.bind(listener),
    connectionOf: listener.connectionOf.bind(listener),
    logGroups,
    bodies: listener.bodies,
    server: { version, startedAtMs, cores, grpc },
  });
}

function awsDoor(
  config: Config,
  rooms: Rooms,
  { db, clock, logs, traces, s3, calls, asyncDoor, logGroups, rules, series, alarms, listener, access, sagemaker }: Front,
): AwsDoor {
  const { serving, autoScaling, audit, refusals, deployments } = rooms;
  const untilServed: RuntimeOptions['untilServed'] = async (name, waitMs) => {
    // An endpoint whose update goes on after a restart serves long before it is in service again.
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
  const log = logs.platform;
  const place = { account: config.awsAccount, region: config.awsRegion };
  const watchers = [
    cloudWatchService({
      heard: {
        isTopic: (topic) => addressOf(config.asyncTopics, topic) !== null,
        isStepPolicy: (arn) => autoScaling.hasStepPolicy(arn),
      },
      db,
      clock,
      log,
      audit,
      store: series,
      alarms,
      otherAlarms: (place) => autoScaling.trackingAlarms(place, series),
    }),
    eventsService({ rules, clock, audit, db, canDeliver: (arn) => logGroupOfArn(arn, place) !== null }),
    logsService({ groups: logGroups, clock, audit, db }),
    cloudtrailService({ audit }),
  ];
  const { invocationLimitBytes: bodyBytesMax, invocationTimeoutMs: timeoutMs } = config;
  return new AwsDoor({
    services: [stsService(), sagemaker, autoScaling, ...watchers],
    streams: [
      new S3Service(s3),
      new Runtime({ serving, traces, calls, clock, log, bodyBytesMax, timeoutMs, async: asyncDoor, untilServed }),
    ],
    access,
    clock,
    log,
    writeAccess: (line) => logs.access(line),
    place,
    budget: listener.bodies.budget,
    hostNames: listener.names,
    limits: { droppedBytesMax: config.bodyLimitBytes, invocationBytesMax: bodyBytesMax },
    onDone: (done) => audit.record(db, done),
    onRefused: (who, refused) => refusals.record({ who, ...refused }),
  });
}

/** Groups, packages, Models, endpoint configs and endpoints, as AWS's clients know them. */
/**
 * Ready once each endpoint that was in service when the server last ended is so again, or has failed; from then on it
 * stays ready, whatever becomes of single endpoints.
 */
class Readiness {
  readonly #awaited: Set<string>;
  readonly #listeners: (() => void)[] = [];

  constructor(deployments: Deployments) {
    this.#awaited = new Set(deployments.list().map(({ config }) => config.name));
    deployments.onChange((view) => this.#settle(view));
    deployments.onGone((name) => this.#forget(name));
    for (const view of deployments.list()) this.#settle(view);
  }

  get state(): { readonly ready: boolean; readonly reason: string | null } {
    if (this.#awaited.size === 0) return { ready: true, reason: null };
    return { ready: false, reason: `coming back into service: ${[...this.#awaited].join(', ')}` };
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #settle({ config, status }: EndpointView): void {
    if (status === 'InService' || status === 'Failed' || status === 'Unloaded') this.#forget(config.name);
  }

  #forget(name: string): void {
    if (!this.#awaited.delete(name)) return;
    for (const listener of this.#listeners) listener();
  }
}

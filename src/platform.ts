/** Creates all modules in dependency order, starts them and stops them. */
import { availableParallelism, uptime } from 'node:os';
import { resolve } from 'node:path';
import { Access, type KeyChanges, openKeys } from './access/index.ts';
import { topicUrl, webhookPolicy } from './alerts/index.ts';
import { NativeApi, registerMetrics } from './api/index.ts';
import { openTransforms } from './async-inference/index.ts';
import { openControllers, type ScaledVariantDeps, scalingPolicy } from './autoscaling/index.ts';
import {
  type AlertDeps,
  deliversTo,
  eventEnvelopes,
  openAlerts,
  openAsync,
  openAutoScaling,
  openAws,
  openBuckets,
  openCapture,
  openMultiModels,
  openSageMaker,
  registrationSample,
} from './aws/index.ts';
import { Closers } from './closers.ts';
import { type Config, isLoopback } from './config.ts';
import { acceleratorTable, Ledger, priceTable } from './costs/index.ts';
import { checkDestination } from './data-quality/index.ts';
import { Deployments, foreignCodeCheck, Readiness } from './deployment/index.ts';
import { buildEnvironments, LateInterpreters, pythonModels, startEnvironments } from './environments/index.ts';
import { messageOf } from './errors.ts';
import { openEvaluations, openSelections } from './evaluation/index.ts';
import {
  type Foundation,
  openFoundation,
  openHistories,
  openStorageHealth,
  type Product,
  type StandByOptions,
} from './foundation/index.ts';
import { Fronts, NodeFronts } from './gateways/index.ts';
import { type HomeProvider, type NodeLink, openCluster, openHosts, type PlacedProvider } from './hosts/index.ts';
import {
  drainServers,
  type Listener,
  loadCertificate,
  meterBodies,
  openGuards,
  openListener,
  reachableUrl,
  serveConsole,
} from './http/index.ts';
import { recordAbruptEnd } from './logs/index.ts';
import { Metrics } from './metrics/index.ts';
import { type GrpcPort, isInferPath, isPredictPath, OipRouter, oipServices, openGrpc } from './oip/index.ts';
import { FunctionProfiles, Profiles, ServiceTables } from './profiling/index.ts';
import { inspectionBy, type LocalProvider, openProvider, workerExitsTo } from './providers/index.ts';
import { SystemRandom } from './random.ts';
import { Audit, Decisions, Events, RejectionAudit } from './records/index.ts';
import { imageEntries, Registry } from './registry/index.ts';
import { meterServing, openServing } from './serving/index.ts';
import { openPipelines, openTraining, openTuning, type Pipelines } from './training/index.ts';

/** A running server. `close` stops accepting requests, drains, and closes modules in reverse order. */
export interface Platform {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** `127.0.0.1:8001`; null if gRPC is not served. */
  readonly grpc: string | null;
  readonly ledger: Ledger;
  /** Resolves, with the reason, when another node has taken the place of this one: it must end. */
  readonly replaced: Promise<string>;
  /** After `replaced`: resolves when its clients have the answers to what they sent, from the other node. */
  leave(): Promise<void>;
  /** A one-time sign-in link to the console; null on loopback, where sign-in is not needed. */
  signInLink(): string | null;
  /**
   * Prepares a graceful shutdown: reports not ready and finishes open requests. Resolves when all are done or the drain time is over. Call
   * `close` afterwards.
   */
  drain(): Promise<void>;
  /** Stops accepting requests, finishes the current ones, ends the workers and releases the data directory. */
  close(): Promise<void>;
}

/** What a server that stands by needs. */
export interface StandBy {
  /** Ends it. */
  readonly interrupted?: AbortSignal;
  /** Called once another node serves, with the URL of this one, whose requests go there. */
  readonly onStandBy?: (url: string) => void;
}

/** Starts a server and resolves when it serves. On failure it stops everything and throws `PlatformError`. */
export async function startPlatform(config: Config, product: Product, standBy: StandBy = {}): Promise<Platform> {
  const closers = new Closers();
  try {
    return await build(config, product, { closers, ...standBy });
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function build(
  config: Config,
  product: Product,
  { closers, interrupted, onStandBy }: StandBy & { readonly closers: Closers },
): Promise<Platform> {
  const interpreters = new LateInterpreters();
  const workers = new LateWorkers(config, (environment) => interpreters.find(environment));
  let nodeFronts: NodeFronts | null = null;
  const standBy: StandByOptions['standBy'] = async (parts) => {
    closers.add(workers);
    const [fronts] = await Promise.all([NodeFronts.open(config, parts, closers), workers.open(parts)]);
    fronts.onStandBy = onStandBy;
    nodeFronts = fronts;
    return fronts;
  };
  const foundation = await openFoundation(config, { version: product.version, interrupted, standBy }, closers);
  const { clock, directory, logs, startedAtMs } = foundation;
  const local = await workers.open(foundation);
  workers.use(foundation);
  closers.add(workers);
  const { provider, placed } = await openHosts(config, { ...foundation, log: logs.platform, local, interpreters }, closers);
  const access = Access.open(directory.keysFile, clock, provider);
  const keys = await openKeys(config, { ...foundation, access }, closers);
  const tls = loadCertificate(config, directory.path, startedAtMs);
  const { processes = null } = (nodeFronts ?? {}) as { readonly processes?: NodeFronts['processes'] };
  const fronts = Fronts.open(config, { clock, log: logs.platform, tls, processes }, foundation.node?.epoch);
  const listener = openListener(config, { tls, access, fronts, logs, clock });
  const linksOfNodes = (): ReadonlyMap<string, NodeLink> => fronts?.nodeLinks() ?? new Map();
  const opened = { interpreters, provider, placed, access, keys, listener, linksOfNodes };
  const modules = await openModules(config, product, { ...foundation, ...opened }, closers);
  const { webhooks, ledger } = modules;
  const { api, aws, readiness, openGrpcPort } = mountServers(config, product, modules);
  // From the start of the fronts on, this node is the home: links of other kinds are registered by now.
  const node = foundation.node === null ? {} : { node: { awaiting: readiness, links: foundation.node.links.port } };
  fronts?.connect({ listener, serving: modules.serving, metrics: modules.metrics, hasTraces: foundation.traces !== null, ...node });
  const url = await listener.listen();
  modules.startGuards();
  modules.training.serve(reachableUrl(url, listener.names));
  modules.tuning.serve();
  webhooks.addOwnAddress(url);
  for (const server of [listener, api]) closers.add(server);
  const grpc = await openGrpcPort({ tls, fronts });
  if (grpc !== null) {
    webhooks.addOwnAddress(grpc.address);
    closers.add(grpc);
  }
  // Closed first, because worker exits from here on are caused by the shutdown and must not be recorded.
  closers.add(modules.workerEnds);
  directory.announce(url);
  const addresses = { url, grpc: grpc?.address ?? null };
  logs.platform.info({ ...addresses, dataDirectory: directory.path, version: product.version }, 'penstock serves');
  const signInLink = (): string | null =>
    isLoopback(config.host) ? null : `${reachableUrl(url, listener.names)}/sign-in#${access.signInLink()}`;
  const drain = () => drainServers(config, { log: logs.platform, clock, readiness, listener, api, grpc, aws });
  const replaced = foundation.node?.replaced ?? new Promise<never>(() => undefined);
  const leave = async (): Promise<void> => nodeFronts?.leave();
  return { ...addresses, ledger, replaced, leave, signInLink, drain, close: () => closers.close() };
}

/** The provider of a node is opened while it stands by, with workers that wait for a model, and gets the rest once the node serves. */
class LateWorkers {
  readonly #config: Config;
  readonly #interpreterOf: LateInterpreters['find'];
  readonly #closers = new Closers();
  #provider: Promise<LocalProvider> | null = null;
  #foundation: Foundation | null = null;

  constructor(config: Config, interpreterOf: LateInterpreters['find']) {
    this.#config = config;
    this.#interpreterOf = interpreterOf;
  }

  /** Opens it once. */
  open({ clock, logs, directory }: Pick<Foundation, 'clock' | 'logs' | 'directory'>): Promise<LocalProvider> {
    const parts = { clock, log: logs.platform, stateDirectory: directory.path, interpreterOf: this.#interpreterOf };
    this.#provider ??= openProvider(this.#config, { ...parts, modelDeps: () => this.#foundation }, this.#closers);
    return this.#provider;
  }

  use(foundation: Foundation): void {
    this.#foundation = foundation;
  }

  /** Once: a second call does nothing. */
  close(): Promise<void> {
    return this.#closers.close();
  }
}

interface Base extends Foundation {
  readonly interpreters: LateInterpreters;
  readonly provider: HomeProvider;
  /** Null without a cluster. */
  readonly placed: PlacedProvider | null;
  readonly access: Access;
  readonly keys: KeyChanges;
  readonly listener: Listener;
  /** The links of other nodes to this one, by name. */
  readonly linksOfNodes: () => ReadonlyMap<string, NodeLink>;
}

/** All modules below the servers, started in this order. */
async function openModules(config: Config, product: Product, base: Base, closers: Closers) {
  const { directory, logs, startedAtMs, listener } = base;
  const log = logs.platform;
  const hasBucket = async (bucket: string) => (await s3.bucket(bucket)) !== null;
  const core = { ...base, ...buildCore(config, product, { ...base, hasBucket }) };
  const { registry, deployments, metrics } = core;
  const { overload, start: startGuards } = openGuards(config, listener, metrics, base, closers);
  const health = await openStorageHealth(config, core, closers);
  const machineStartedAtMs = startedAtMs - 1000 * uptime();
  await recordAbruptEnd({ events: core.events, log, lastSignMs: directory.abandonedAtMs, machineStartedAtMs });
  directory.markReported();
  await startEnvironments(core.environments, metrics, closers);
  await registry.open(base.trash.sweepOptions('objects'));
  base.trash.sweepHourly('objects', (options) => registry.sweep(options));
  const s3 = await openBuckets(core);
  const histories = openHistories(core, closers);
  for (const part of [core.refusals, registry, core.profiles]) closers.add(part);
  const ofCluster = { ...core, log, nodeLinks: base.linksOfNodes };
  const cluster = (await openCluster(config, base.placed, ofCluster, closers))?.view ?? null;
  await deployments.open();
  closers.add(deployments);
  let backlogOf: ScaledVariantDeps['backlogOf'] = () => null; // until asynchronous inference is open
  const controllers = openControllers(config, { ...core, backlogOf: (endpoint) => backlogOf(endpoint) }, closers);
  const autoScaling = openAutoScaling({ ...core, log }, closers);
  closers.add(core.serving);
  const capture = await openCapture({ ...core, s3, overload }, closers);
  const async = await openAsync(config, { ...core, ...capture, s3 }, closers);
  backlogOf = async.backlogOf;
  const transforms = await openTransforms(config, { ...core, s3 }, closers);
  const evaluations = await openEvaluations({ ...core, transforms }, closers);
  const training = await openTraining(config, { ...core, ...histories, ...capture, s3 }, closers);
  const tuning = openTuning({ ...core, training, random: new SystemRandom() }, closers);
  const selections = await openSelections({ ...core, ...controllers, ...capture, evaluations }, closers);
  const sagemaker = openSageMaker(config, { ...core, ...controllers, ...selections, transforms, training, tuning, s3 });
  const webhooks = webhookPolicy(config);
  let pipelines: Pipelines | null = null; // opened after rules, whose events they match
  const runPipeline: AlertDeps['runPipeline'] = async (name, parameters, rule, delivery) => {
    if (!(await sagemaker.startPipeline(name, parameters, rule, delivery))) await pipelines?.runByEvent(name, parameters, rule);
  };
  const settings = alertSettings(config, base, overload);
  const alertDeps = { ...core, ...async, ...capture, ...selections, ...settings, autoScaling, sagemaker, webhooks, runPipeline };
  const alerts = await openAlerts(alertDeps, closers);
  const ofPipelines = { ...core, host: config.host, evaluations, training, s3, webhooks, envelopesOf: eventEnvelopes(alertDeps) };
  pipelines = await openPipelines(ofPipelines, closers);
  await sagemaker.executions.open();
  closers.add(sagemaker.executions);
  base.availability.onUncertain(async () => {
    await deployments.refresh();
    await alerts.alarms.refresh();
    await alerts.rules.refresh();
  });
  const batch = { transforms, evaluations, ...selections, training, tuning, pipelines };
  const nodeLinks = base.node?.links ?? null;
  const others = { nodeLinks, s3, autoScaling, sagemaker, webhooks, cluster };
  return { ...core, ...histories, ...controllers, ...capture, ...async, ...batch, ...alerts, ...others, startGuards, health };
}

function alertSettings(config: Config, { logs, provider }: Base, overload: { readonly pressure: string; readonly reason: string | null }) {
  return {
    log: logs.platform,
    webhookSecret: config.webhookSecret,
    awsLocation: { account: config.awsAccount, region: config.awsRegion },
    addressOf: (topic: string) => topicUrl(config.asyncTopics, topic),
    workers: () => provider.list(),
    shortOfMemory: () => (overload.pressure === 'normal' ? null : overload.reason),
  };
}

/** Mounts all protocols at their paths. gRPC has its own port, opened later. */
function mountServers(config: Config, product: Product, modules: Awaited<ReturnType<typeof openModules>>) {
  const { deployments, metrics, logs, provider, listener, access, startedAtMs, cores, health } = modules;
  const readiness = new Readiness(deployments, modules.availability);
  const targets = openMultiModels(modules);
  meterBodies(metrics, listener.bodies.budget);
  const oip = oipServices(config, { ...modules, readiness, version: product.version });
  const oipRouter = new OipRouter(oip);
  const authenticate = listener.authenticate.bind(listener);
  let grpc: GrpcPort | null = null;
  const api = new NativeApi({
    ...modules,
    targets,
    log: logs.platform,
    canDeliver: deliversTo(config),
    async: modules.asyncApi,
    sageMakerPipelines: modules.sagemaker.pipelineViews,
    registrationSample: (version) => registrationSample(modules, version),
    workers: () => provider.list(),
    authenticate,
    extendTimeout: listener.extendTimeout.bind(listener),
    connectionOf: listener.connectionOf.bind(listener),
    bodies: listener.bodies,
    server: {
      version: product.version,
      startedAtMs,
      cores,
      dataDirectory: resolve(config.dataDir),
      grpc: () => grpc?.address ?? null,
      isDraining: () => readiness.isEnding,
      isolation: () => provider.isolation,
      forkServers: () => provider.forkServers(),
      notes: () => [...health.notes(), ...(modules.cluster?.notes ?? [])],
    },
  });
  const aws = openAws(config, { ...modules, targets });
  aws.mount(listener);
  listener.direct('/v2', oipRouter.handle, isInferPath);
  listener.direct('/v1', oipRouter.handle, isPredictPath);
  listener.scope('/api', (scope) => api.register(scope));
  listener.scope('', (scope) => registerMetrics(scope, { metrics, access, authenticate }));
  listener.scope('', (scope) => serveConsole(scope, product.consoleDirectory));
  const openGrpcPort = async (ports: Parameters<typeof openGrpc>[2]): Promise<GrpcPort | null> =>
    (grpc = await openGrpc(config, oip, ports));
  return { api, aws, readiness, openGrpcPort };
}

interface CoreDeps extends Omit<Base, 'listener'> {
  readonly hasBucket: (bucket: string) => Promise<boolean>;
}

/** The modules that know each other: records, registry, environments, profiles, serving and deployments. They start later. */
function buildCore(config: Config, product: Product, deps: CoreDeps) {
  const { clock, db, objects, files, series, provider, access, interpreters, threads } = deps;
  const log = deps.logs.platform;
  const cores = config.cores ?? availableParallelism();
  const prices = priceTable(config.prices, acceleratorTable(config.accelerators));
  const random = new SystemRandom();
  const checkForeignCode = foreignCodeCheck(() => provider.isolation, access);
  const metrics = new Metrics({ store: series });
  const events = new Events(db, clock);
  const audit = new Audit(db, clock);
  const decisions = new Decisions(db, clock, events);
  const recording = { db, clock, log, events, audit, decisions };
  const onFailure = (error: unknown): void => log.error({ error: messageOf(error) }, 'failed to record a rejected call in the audit');
  const refusals = new RejectionAudit({ audit, clock, onFailure });
  const workerEnds = workerExitsTo(events, { clock, log, provider });
  const ledger = new Ledger(clock);
  const registry: Registry = new Registry({
    ...recording,
    objects,
    checkArtifact: (path) => files.check(path),
    ...inspectionBy(provider, config.artifactLimitBytes),
    ...pythonModels(config, { provider, threads, interpreters, filesOf: (version) => registry.verifiedModelFiles(version) }),
    images: imageEntries(config.images),
    checkForeignCode,
    catalogueDirectory: product.catalogueDirectory,
    inUse: (group, number, tx) => deployments.usersOf(group, number, tx),
    removeGroup: (group, tx) => deployments.removeGroup(group, tx),
  });
  const environments = buildEnvironments(config, { ...deps, ...recording, registry });
  const isCpuHeld = () => provider.limits.cpu;
  const measuring = { budgetMs: config.profileBudgetMs, borrow: provider.borrow.bind(provider), isCpuHeld };
  const profiles = new Profiles({ ...recording, ...measuring, random, registry, prices, cores });
  const functionProfiles = new FunctionProfiles({ profiles, prices, cores, isCpuHeld, log });
  registry.onRegistered((registered) => profiles.measureOpened(registered));
  const tables = new ServiceTables({ profiles, functions: functionProfiles, log });
  const measured = { profiles, functionProfiles, tables, prices, cores };
  const serving = openServing(config, {
    ...deps,
    ...measured,
    random,
    metrics,
    ledger,
    workerEnds,
    events,
    deployments: () => deployments,
  });
  const checkCaptureDestination = (to: string) => checkDestination(to, deps.hasBucket);
  const foreign = { checkForeignCode, checkPolicy: scalingPolicy, checkCaptureDestination };
  const deployments: Deployments = new Deployments({ ...recording, ...measured, ...foreign, registry, provider, serving });
  deployments.onDeleted((name) => ledger.stopped(name));
  meterServing(metrics, serving, provider, deps);
  const records = { events, audit, decisions, refusals, workerEnds };
  return { registry, environments, ...measured, serving, deployments, ...records, metrics, ledger, checkForeignCode };
}

export type { Product };

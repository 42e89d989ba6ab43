/** Creates the modules from monitoring to deployment, in dependency order. */

import { availableParallelism } from 'node:os';
import type { Access } from '../access/index.ts';
import { scalingPolicy } from '../autoscaling/index.ts';
import type { Config } from '../config.ts';
import { Ledger, type PriceTable, priceTable, remainingCores } from '../costs/index.ts';
import { captureBucketDefault, parseCaptureDestination } from '../data-quality/index.ts';
import { Deployments } from '../deployment/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { type Logs, logFailure } from '../logs/index.ts';
import { Metrics } from '../metrics/index.ts';
import { FunctionProfiles, functionSizes, Profiles, ServiceTables } from '../profiling/index.ts';
import { loadLimits } from '../providers/index.ts';
import { SystemRandom } from '../random.ts';
import { Audit, Decisions, Events, RejectionAudit, WorkerExits } from '../records/index.ts';
import { imageEntries, type ModelVersion, Registry, type RegistryOptions } from '../registry/index.ts';
import { Serving, type ServingOptions } from '../serving/index.ts';
import { buildEnvironments } from './environments.ts';
import { foreignCodeCheck } from './foreign-code.ts';
import type { Foundation, Product } from './foundation.ts';
import { meter } from './meter.ts';
import { openingBy, recognitionBy } from './python.ts';
import { pythonSettings } from './python-settings.ts';

/** Timeout that suffices to inspect an archive of the maximum size on a slow disk. */
const bundleTimeoutMs = 600_000;

/** Dependencies of the modules. */
interface ModuleDeps {
  readonly hasBucket: (bucket: string) => Promise<boolean>;
  readonly access: Access;
}

/** The modules from monitoring to deployment. */
export function buildModules(config: Config, product: Product, foundation: Foundation, { hasBucket, access }: ModuleDeps) {
  const { clock, db, objects, files, series, provider } = foundation;
  const log = foundation.logs.platform;
  const cores = config.cores ?? availableParallelism();
  const prices = priceTable(config.prices);
  const random = new SystemRandom();
  const checkForeignCode = foreignCodeCheck(() => provider.isolation, access);
  const metrics = new Metrics({ store: series });
  const events = new Events(db, clock);
  const audit = new Audit(db, clock);
  const recording = { db, clock, log, events, audit, decisions: new Decisions(db, clock, events) };
  const workerEnds = workerExitsTo(events, foundation);
  const ledger = new Ledger(clock);
  const registry: Registry = new Registry({
    ...recording,
    objects,
    checkArtifact: (path) => files.check(path),
    ...inspectionBy(provider, config),
    ...pythonBy(config, foundation, (version) => registry.modelFiles(version)),
    images: imageEntries(config.images),
    checkForeignCode,
    catalogueDirectory: product.catalogueDirectory,
    inUse: (group, number, tx) => deployments.usersOf(group, number, tx),
    removeGroup: (group, tx) => deployments.removeGroup(group, tx),
  });
  const environments = buildEnvironments(config, foundation, { ...recording, registry });
  const isCpuHeld = () => provider.limits.cpu;
  const profiles = new Profiles({ ...recording, random, registry, prices, cores, borrow: provider.borrow.bind(provider), isCpuHeld });
  const functionProfiles = new FunctionProfiles({ profiles, prices, cores, isCpuHeld, log });
  registry.onRegistered((registered) => measureOpened(profiles, registered));
  const tables = new ServiceTables({ profiles, functions: functionProfiles, log });
  const serving = new Serving({
    clock,
    random,
    metrics,
    ledger,
    log,
    lines: linesOf(foundation),
    queueRowsMax: config.queueRowsMax,
    replyBytesMax: config.bodyLimitBytes,
    serviceTable: (model, executor) => tables.tableOf(model, executor),
    restart: (workerId, reason) => provider.restart(workerId, reason),
    onWorkerLost: (workerId, requests) => workerEnds.recordLost(workerId, requests),
    onOverflowShut: overflowReporter(log, events),
    functions: {
      ...functionSettings(prices, cores),
      start: (request) => deployments.startFunction(request),
      stop: (id) => deployments.stopFunction(id),
    },
  });
  tables.onChange(({ group, version: number }) => serving.profileMeasured(group, number));
  const deployments: Deployments = new Deployments({
    ...recording,
    registry,
    provider,
    profiles,
    functionProfiles,
    prices,
    cores,
    serving,
    checkPolicy: scalingPolicy,
    checkForeignCode,
    checkCaptureDestination: (to) => checkDestination(to, hasBucket),
  });
  deployments.onDeleted((name) => ledger.stopped(name));
  meter(metrics, serving, provider, foundation);
  const records = { events, audit, decisions: recording.decisions, refusals: rejectionsTo(audit, foundation), workerEnds };
  const measured = { profiles, functionProfiles, tables };
  return { registry, environments, ...measured, serving, deployments, ...records, metrics, ledger, prices, cores, checkForeignCode };
}

/** Reads Python models, and opens them unless this server runs none. */
function pythonBy(config: Config, { provider, threads, interpreters }: Foundation, filesOf: Registry['modelFiles']) {
  const settings = pythonSettings(config.python, config);
  const openPython = settings.run === 'off' ? {} : { openPython: openingBy(provider, settings, { filesOf, environments: interpreters }) };
  const expectEnvironment = (name: string): Promise<void> => interpreters.expectNamed(name);
  return { recognise: recognitionBy(threads, config.artifactLimitBytes), expectEnvironment, ...openPython };
}

/** A Python model is measured once it was opened, because that is the first run of its code. */
function measureOpened(profiles: Profiles, version: ModelVersion): void {
  if (version.python === undefined || version.python.state === 'opened') profiles.measureInBackground(version, 'instance:local.1');
}

/** Inspects model files in borrowed workers. */
function inspectionBy(provider: Foundation['provider'], { artifactLimitBytes: modelBytesMax }: Config) {
  const inspect: RegistryOptions['inspect'] = (model, rewriteTo, sample) => {
    const dataBytes = (model.data ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
    return provider.borrow((link) => link.inspect(model, rewriteTo, sample), loadLimits(dataBytes));
  };
  const inspectBundle: RegistryOptions['inspectBundle'] = (path) =>
    provider.borrow((link) => link.inspectBundle(path, modelBytesMax), { timeoutMs: bundleTimeoutMs });
  return { inspect, inspectBundle, modelBytesMax };
}

/** Prices, memory sizes and core budget of functions. */
function functionSettings(prices: PriceTable, cores: number): Omit<ServingOptions['functions'], 'start' | 'stop'> {
  return {
    prices: prices.functions,
    memoryMiBSafe: ({ artifact }) => memoryMiBSafe(artifact.bytes, functionSizes(prices.functions)),
    remainingCores: (instanceTypes) => remainingCores(prices, instanceTypes, cores),
  };
}

/** Throws if the bucket is missing: every captured call would be lost, and only the log would show it. */
async function checkDestination(to: string, hasBucket: (bucket: string) => Promise<boolean>): Promise<void> {
  const { bucket } = parseCaptureDestination(to);
  if (bucket === captureBucketDefault || (await hasBucket(bucket))) return;
  throw new PlatformError(
    'invalid_request',
    `capture: bucket '${bucket}' does not exist: create it first, or capture to s3://${captureBucketDefault}`,
  );
}

/** Records rejected calls in the audit log, rate-limited. */
function rejectionsTo(audit: Audit, { clock, logs }: Foundation): RejectionAudit {
  const onFailure = (error: unknown): void =>
    logs.platform.error({ error: messageOf(error) }, 'failed to record a rejected call in the audit');
  return new RejectionAudit({ audit, clock, onFailure });
}

/** Publishes unexpected worker exits as events, rate-limited. */
function workerExitsTo(events: Events, { clock, logs, provider }: Foundation): WorkerExits {
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'failed to record a worker exit');
  const ends = new WorkerExits({ events, clock, onFailure });
  provider.onEnded((worker, end) => ends.ended(worker, end));
  return ends;
}

/** Writes request lines. */
function linesOf({ logs, logGroups, traces }: Foundation): ServingOptions['lines'] {
  return {
    weightOf: (endpoint, end) => logs.requests.weightOf(endpoint, end),
    isTraced: (requestId) => traces?.has(requestId) === true,
    write(line, weight) {
      if (weight > 0) logs.requests.add(line, weight);
      logFailure(logGroups, line);
      traces?.end(line);
    },
  };
}

/** Reports when overflow to functions is suspended or resumed. */
function overflowReporter(log: Logs['platform'], events: Events): NonNullable<ServingOptions['onOverflowShut']> {
  return ({ endpoint, variant }, reason) => {
    log.warn({ endpoint, variant, reason }, reason === null ? 'overflow to functions resumed' : 'overflow to functions suspended');
    const kind = reason === null ? 'overflow.resumed' : 'overflow.suspended';
    const event = { kind, subject: endpoint, detail: { variant, reason } } as const;
    events.recordAndPublish(event).catch((error: unknown) => log.error({ event, error: messageOf(error) }, 'failed to record an event'));
  };
}

/** Memory of a function until a size is chosen: 2048 MiB, which include a full processor, or more if the model file needs it. */
function memoryMiBSafe(modelBytes: number, sizes: readonly number[]): number {
  const neededMiB = Math.max(2048, (3 * modelBytes) / 2 ** 20);
  return sizes.find((memoryMiB) => memoryMiB >= neededMiB) ?? (sizes.at(-1) as number);
}

export type CoreModules = ReturnType<typeof buildModules>;

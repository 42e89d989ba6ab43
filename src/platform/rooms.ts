/** The rooms from monitoring to deployment, each on those below it. */

import { availableParallelism } from 'node:os';
import { scalingPolicy } from '../autoscaling/index.ts';
import type { Config } from '../config.ts';
import { coresLeft, Ledger, priceTable } from '../costs/index.ts';
import { Deployments } from '../deployment/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import {
  Audit,
  captureBucketDefault,
  capturePlace,
  Events,
  type Logs,
  Metrics,
  Refusals,
  tellFailure,
  WorkerEnds,
} from '../monitoring/index.ts';
import { FunctionProfiles, functionSizes, Profiles, ServiceTables } from '../profiling/index.ts';
import { SystemRandom } from '../random.ts';
import { imageEntries, Registry } from '../registry/index.ts';
import { Serving, type ServingOptions } from '../serving/index.ts';
import { FileObjectStore } from '../storage/index.ts';
import type { Ground, Product } from './ground.ts';
import { meter } from './meter.ts';

/** An archive of the largest size, from a slow disk. */
const bundleTimeoutMs = 600_000;

/** The rooms from monitoring to deployment. */
export function buildRooms(config: Config, product: Product, ground: Ground, hasBucket: (bucket: string) => Promise<boolean>) {
  const { clock, logs, directory, db, series, provider } = ground;
  const log = logs.platform;
  const cores = config.cores ?? availableParallelism();
  const prices = priceTable(config.prices);
  const random = new SystemRandom();
  const metrics = new Metrics({ store: series });
  const events = new Events(db, clock);
  const audit = new Audit(db, clock);
  const written = { db, clock, log, events, audit };
  const refusals = refusalsIn(audit, ground);
  const workerEnds = workerEndsIn(events, ground);
  const ledger = new Ledger(clock);
  const registry: Registry = new Registry({
    ...written,
    objects: new FileObjectStore(directory.objects),
    inspect: (path, rewriteTo) => provider.borrow((link) => link.inspect(path, rewriteTo)),
    inspectBundle: (path) => provider.borrow((link) => link.inspectBundle(path, config.artifactLimitBytes), { timeoutMs: bundleTimeoutMs }),
    images: imageEntries(config.images),
    catalogueDirectory: product.catalogueDirectory,
    inUse: (group, number, tx) => deployments.usersOf(group, number, tx),
    forgetGroup: (group, tx) => deployments.forgetGroup(group, tx),
    modelBytesMax: config.artifactLimitBytes,
  });
  const borrow = provider.borrow.bind(provider);
  const isCpuHeld = () => provider.limits.cpu;
  const profiles = new Profiles({ db, clock, random, log, events, registry, prices, cores, borrow, isCpuHeld });
  const functionProfiles = new FunctionProfiles({ profiles, prices, cores, isCpuHeld, log });
  registry.onRegistered((registered) => profiles.measureInBackground(registered, 'instance:local.1'));
  const tables = new ServiceTables({ profiles, functions: functionProfiles, log });
  const serving = new Serving({
    clock,
    random,
    metrics,
    ledger,
    log,
    lines: linesOf(ground),
    queueRowsMax: config.queueRowsMax,
    replyBytesMax: config.bodyLimitBytes,
    serviceTable: (model, executor) => tables.tableOf(model, executor),
    restart: (workerId, reason) => provider.restart(workerId, reason),
    onLost: (workerId, requests) => workerEnds.lost(workerId, requests),
    onOverflowShut: overflowTeller(log, events),
    functions: {
      prices: prices.functions,
      memoryMiBSafe: ({ artifact }) => memoryMiBSafe(artifact.bytes, functionSizes(prices.functions)),
      coresLeft: (instanceTypes) => coresLeft(prices, instanceTypes, cores),
      start: (wish) => deployments.startFunction(wish),
      stop: (workerId) => deployments.stopFunction(workerId),
    },
  });
  tables.onChange(({ group, version: number }) => serving.profileMeasured(group, number));
  const deployments: Deployments = new Deployments({
    ...written,
    registry,
    provider,
    profiles,
    functionProfiles,
    prices,
    cores,
    serving,
    checkPolicy: scalingPolicy,
    checkCapturePlace: (to) => checkPlace(to, hasBucket),
  });
  deployments.onGone((name) => ledger.left(name));
  meter(metrics, serving, provider, ground);
  const records = { events, audit, refusals, workerEnds };
  return { registry, profiles, functionProfiles, tables, serving, deployments, ...records, metrics, ledger, prices, cores };
}

/** Every call would be lost, one by one, with nobody to tell but the log. */
async function checkPlace(to: string, hasBucket: (bucket: string) => Promise<boolean>): Promise<void> {
  const { bucket } = capturePlace(to);
  if (bucket === captureBucketDefault || (await hasBucket(bucket))) return;
  throw new PlatformError(
    'invalid_request',
    `capture: there is no bucket '${bucket}': make it first, or capture to s3://${captureBucketDefault}`,
  );
}

/** Who is refused, is told of in the audit, within bounds. */
function refusalsIn(audit: Audit, { clock, logs }: Ground): Refusals {
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'a refused call is not in the audit');
  return new Refusals({ audit, clock, onFailure });
}

/** Workers that end without having been asked to are told as events, within bounds. */
function workerEndsIn(events: Events, { clock, logs, provider }: Ground): WorkerEnds {
  const onFailure = (error: unknown): void =>
    logs.platform.error({ error: messageOf(error) }, 'the end of a worker is not among the events');
  const ends = new WorkerEnds({ events, clock, onFailure });
  provider.onEnded((worker, end) => ends.ended(worker, end));
  return ends;
}

/** Where the line that tells how a request went is written. */
function linesOf({ logs, logGroups, traces }: Ground): ServingOptions['lines'] {
  return {
    weightOf: (endpoint, end) => logs.requests.weightOf(endpoint, end),
    isTraced: (requestId) => traces?.has(requestId) === true,
    write(line, weight) {
      if (weight > 0) logs.requests.add(line, weight);
      tellFailure(logGroups, line);
      traces?.end(line);
    },
  };
}

/** Who tells that functions take nothing more beside instances, or do again. */
function overflowTeller(log: Logs['platform'], events: Events): NonNullable<ServingOptions['onOverflowShut']> {
  return ({ endpoint, variant }, reason) => {
    log.warn({ endpoint, variant, reason }, reason === null ? 'overflow goes to functions again' : 'overflow goes to functions no more');
    const kind = reason === null ? 'overflow.resumed' : 'overflow.suspended';
    const event = { kind, subject: endpoint, detail: { variant, reason } } as const;
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

export type BuiltRooms = ReturnType<typeof buildRooms>;

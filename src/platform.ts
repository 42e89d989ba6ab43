/** Creates all modules in dependency order, starts them and stops them. */
import { uptime } from 'node:os';
import { Access } from './access/index.ts';
import { type Config, isLoopback } from './config.ts';
import type { Ledger } from './costs/index.ts';
import { type Listener, loadCertificate } from './http/index.ts';
import { recordAbruptEnd } from './logs/index.ts';
import { type AsyncServices, addressOf, openAsync } from './platform/async.ts';
import { openBatch } from './platform/batch.ts';
import { openCapture } from './platform/capture.ts';
import { openControllers } from './platform/controllers.ts';
import { drainServers } from './platform/drain.ts';
import { openEnvironments } from './platform/environments.ts';
import { type Closer, openFoundation, type Product } from './platform/foundation.ts';
import { openGuards } from './platform/guards.ts';
import { buildListener } from './platform/listener.ts';
import { buildModules } from './platform/modules.ts';
import { openMonitoring, webhookPolicy } from './platform/monitoring.ts';
import { buildSageMaker } from './platform/sagemaker.ts';
import { mountServers } from './platform/servers.ts';
import { openArrivals, openBuckets, openCosts } from './platform/storage.ts';
import { openStorageHealth } from './platform/storage-health.ts';

export interface Platform {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** `127.0.0.1:8001`; null if gRPC is not served. */
  readonly grpc: string | null;
  readonly ledger: Ledger;
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

/** Starts a server and resolves when it serves. On failure it stops everything and throws `PlatformError`. */
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
  const foundation = await openFoundation(config, closers);
  const { clock, directory, logs, provider, startedAtMs } = foundation;
  const access = Access.open(directory.keysFile, clock, provider);
  const tls = loadCertificate(config, directory.path, startedAtMs);
  const listener = buildListener(config, { tls, access, logs, clock });
  const modules = buildModules(config, product, foundation, { access, hasBucket: async (bucket) => (await s3.bucket(bucket)) !== null });
  const { overload, start: startGuards } = openGuards(config, listener, modules.metrics, foundation, closers);
  const health = await openStorageHealth(config, { ...foundation, ...modules }, closers);
  const machineStartedAtMs = startedAtMs - 1000 * uptime();
  await recordAbruptEnd({ events: modules.events, log: logs.platform, lastSignMs: directory.abandonedAtMs, machineStartedAtMs });
  directory.markReported();
  await openEnvironments(modules.environments, modules.metrics, closers);
  await modules.registry.open(foundation.trash.sweepOptions('objects'));
  const s3 = await openBuckets(modules, startedAtMs, foundation);
  const costs = openCosts(modules.ledger, foundation);
  const arrivals = openArrivals(modules.serving, foundation);
  closers.push(...[costs, arrivals].map((each) => () => each.close()));
  closers.push(...[modules.refusals, modules.registry, modules.profiles].map((each) => () => each.close()));
  await modules.deployments.open();
  closers.push(() => modules.deployments.close());
  let backlogOf: AsyncServices['backlogOf'] = () => null; // until asynchronous inference is open
  const controllers = openControllers(config, modules, { ...foundation, backlogOf: (endpoint) => backlogOf(endpoint) }, closers);
  closers.push(() => modules.serving.close());
  const capture = await openCapture({ ...foundation, ...modules, s3, overload, listener }, closers);
  const async = await openAsync(config, modules, { ...foundation, ...capture, s3 }, closers);
  backlogOf = async.backlogOf;
  const { transforms, evaluations } = await openBatch(config, modules, { ...foundation, s3 }, closers);
  const sagemaker = buildSageMaker(config, { ...modules, transforms }, { ...foundation, s3 });
  const workers = () => provider.list();
  const awsLocation = { account: config.awsAccount, region: config.awsRegion };
  const webhooks = webhookPolicy(config);
  const topicUrl = (topic: string) => addressOf(config.asyncTopics, topic);
  const shortOfMemory = () => (overload.pressure === 'normal' ? null : overload.reason);
  const shared = { log: logs.platform, workers, webhookSecret: config.webhookSecret, awsLocation, addressOf: topicUrl, sagemaker };
  const monitoring = await openMonitoring(
    { ...foundation, ...modules, ...controllers, ...async, ...capture, ...shared, webhooks, shortOfMemory },
    closers,
  );

  foundation.availability.onUncertain(async () => {
    await modules.deployments.refresh();
    await monitoring.alarms.refresh();
    await monitoring.rules.refresh();
  });

  const { api, openGrpc, readiness } = mountServers(
    config,
    product,
    { ...modules, ...controllers, transforms, evaluations },
    { ...foundation, ...monitoring, ...async, ...capture, costs, arrivals, s3, listener, access, sagemaker, webhooks, health },
  );
  const url = await listener.listen();
  startGuards();
  webhooks.addOwnAddress(url);
  closers.push(...[listener, api].map((server) => () => server.close()));
  const grpc = await openGrpc(tls);
  if (grpc !== null) {
    webhooks.addOwnAddress(grpc.address);
    closers.push(() => grpc.close());
  }
  // Closed first, because worker exits from here on are caused by the shutdown and must not be recorded.
  closers.push(() => modules.workerEnds.close());
  directory.announce(url);
  const addresses = { url, grpc: grpc?.address ?? null };
  logs.platform.info({ ...addresses, dataDirectory: directory.path, version: product.version }, 'penstock serves');
  const signInLink = (): string | null => (isLoopback(config.host) ? null : `${reachable(url, listener)}/sign-in#${access.signInLink()}`);
  const drain = () => drainServers(config, { log: logs.platform, clock, readiness, listener, api, grpc });
  return { ...addresses, ledger: modules.ledger, signInLink, drain, close };
}

/** Replaces a wildcard address (0.0.0.0, ::) by a name from the certificate, which a browser can open. */
function reachable(url: string, { names }: Listener): string {
  if (!/\/\/(?:0\.0\.0\.0|\[::\]):/.test(url)) return url;
  const name = names.find((other) => !isLoopback(other) && !['0.0.0.0', '::', '[::]'].includes(other)) ?? 'localhost';
  return `https://${name.includes(':') ? `[${name}]` : name}:${new URL(url).port}`;
}

export type { Product };

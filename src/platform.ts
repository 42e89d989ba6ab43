/** Builds every room with `new`, in the order in which they stand on each other, starts them and stops them. */
import { uptime } from 'node:os';
import { Access } from './access/index.ts';
import { type Config, isLoopback } from './config.ts';
import type { Ledger } from './costs/index.ts';
import { Listener, loadCertificate } from './http/index.ts';
import { tellAbruptEnd } from './monitoring/index.ts';
import { addressOf, openAsync } from './platform/async.ts';
import { openCapturing } from './platform/capturing.ts';
import { mountDoors } from './platform/doors.ts';
import { type Closer, openGround, type Product } from './platform/ground.ts';
import { openArrivals, openBuckets, openCosts } from './platform/histories.ts';
import { openLoops } from './platform/loops.ts';
import { buildRooms } from './platform/rooms.ts';
import { buildSageMaker } from './platform/sagemaker.ts';
import { openTransforms } from './platform/transforms.ts';
import { openWatching } from './platform/watching.ts';

export interface Platform {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** `127.0.0.1:8001`; null where gRPC is not served. */
  readonly grpc: string | null;
  readonly ledger: Ledger;
  /** A link that opens the console, once; null on loopback, where none is needed. */
  signInLink(): string | null;
  /** Stops taking requests, answers those under way, ends the workers, lets go of the data directory. */
  close(): Promise<void>;
}

/** So many of the largest bodies may be held at once. */
const bodiesHeldMax = 16;

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
  const ground = await openGround(config, closers);
  const { clock, directory, logs, provider, startedAtMs } = ground;
  const access = Access.open(directory.keysFile, clock);
  const tls = loadCertificate(config, directory.path, startedAtMs);
  const listener = new Listener({
    host: config.host,
    port: config.port,
    tls,
    limits: {
      bodyLimitBytes: config.bodyLimitBytes,
      bodiesBytesMax: bodiesHeldMax * Math.max(config.bodyLimitBytes, config.invocationLimitBytes),
      connectionsMax: config.connectionsMax,
    },
    access,
    log: logs.platform,
    writeAccess: (line) => logs.access(line),
    clock,
  });
  const rooms = buildRooms(config, product, ground, async (bucket) => (await s3.bucket(bucket)) !== null);
  const machineStartedAtMs = startedAtMs - 1000 * uptime();
  await tellAbruptEnd({ events: rooms.events, log: logs.platform, lastSignMs: directory.abandonedAtMs, machineStartedAtMs });
  directory.told();
  await rooms.registry.open();
  const s3 = await openBuckets(rooms, startedAtMs, ground);
  const costs = openCosts(rooms.ledger, ground);
  closers.push(() => costs.close());
  const arrivals = openArrivals(rooms.serving, ground);
  closers.push(() => arrivals.close());
  closers.push(() => rooms.refusals.close());
  closers.push(() => rooms.profiles.close());
  await rooms.deployments.open();
  closers.push(() => rooms.deployments.close());
  const loops = openLoops(config, rooms, ground, closers);
  closers.push(() => rooms.serving.close());
  const capturing = await openCapturing({ ...ground, ...rooms, s3, log: logs.platform }, closers);
  const async = await openAsync(config, rooms, { ...ground, ...capturing, s3 }, closers);
  const transforms = await openTransforms(config, rooms, { ...ground, s3 }, closers);
  const sagemaker = buildSageMaker(config, { ...rooms, transforms }, { ...ground, s3 });
  const workers = () => provider.list();
  const place = { account: config.awsAccount, region: config.awsRegion };
  const { webhookSecret } = config;
  const topicUrl = (topic: string) => addressOf(config.asyncTopics, topic);
  const around = { log: logs.platform, workers, webhookSecret, place, addressOf: topicUrl, sagemaker };
  const watching = await openWatching({ ...ground, ...rooms, ...loops, ...async, ...capturing, ...around }, closers);

  const { api, openGrpc } = mountDoors(
    config,
    product,
    { ...rooms, ...loops, transforms },
    { ...ground, ...watching, ...async, ...capturing, costs, arrivals, s3, listener, access, sagemaker },
  );
  const url = await listener.listen();
  closers.push(() => listener.close());
  closers.push(() => api.close());
  const grpc = await openGrpc(tls);
  if (grpc !== null) closers.push(() => grpc.close());
  // Closed first: from then on workers end because the server does.
  closers.push(() => rooms.workerEnds.close());
  directory.announce(url);
  const addresses = { url, grpc: grpc?.address ?? null };
  logs.platform.info({ ...addresses, dataDirectory: directory.path, version: product.version }, 'penstock serves');
  const signInLink = (): string | null => (isLoopback(config.host) ? null : `${reachable(url, listener)}/sign-in#${access.signInLink()}`);
  return { ...addresses, ledger: rooms.ledger, signInLink, close };
}

/** An address that listens for all has no name that a browser could go to: one that the certificate holds has. */
function reachable(url: string, { names }: Listener): string {
  if (!/\/\/(?:0\.0\.0\.0|\[::\]):/.test(url)) return url;
  const name = names.find((other) => !isLoopback(other) && !['0.0.0.0', '::', '[::]'].includes(other)) ?? 'localhost';
  return `https://${name.includes(':') ? `[${name}]` : name}:${new URL(url).port}`;
}

export type { Product };

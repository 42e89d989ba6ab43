/** The foundation of all modules: clock, data directory, databases, object stores, metrics, logs and threads. */

import { randomBytes } from 'node:crypto';
import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../clock.ts';
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import { type DataDirectory, openDataDirectory } from '../data-directory/index.ts';
import { messageOf } from '../errors.ts';
import {
  accessLogGroup,
  FileGroup,
  LogGroups,
  type Logs,
  logFileCount,
  openLogs,
  platformLogGroup,
  RequestTraces,
  requestsLogGroup,
  TraceExporter,
} from '../logs/index.ts';
import { MetricBudget, MetricStore } from '../metrics/index.ts';
import { SystemRandom } from '../random.ts';
import {
  type Availability,
  bindInstallation,
  Checkpointer,
  type CheckpointOptions,
  type Database,
  Jobs,
  type OpenDatabase,
  openDatabase,
  rejectMissingDatabase,
  removeUnfinishedCopies,
} from '../storage/index.ts';
import { ThreadPool } from '../threads/index.ts';
import { type HomeFollower, ServerNode } from './server-node.ts';
import { type ObjectStores, openStores } from './stores.ts';

/** Facts about the installed program. */
export interface Product {
  /** `0.1.0` */
  readonly version: string;
  /** Folder of the catalogue's models. */
  readonly catalogueDirectory: string;
  /** Folder of the built browser console. */
  readonly consoleDirectory: string;
}

/** Opened first and closed last. Everything here can be used until the last module has closed. */
export interface Foundation extends ObjectStores {
  readonly clock: SystemClock;
  readonly logs: Logs;
  readonly directory: DataDirectory;
  readonly db: Database;
  readonly availability: Availability;
  /** Null if this server is alone on its database. */
  readonly node: ServerNode | null;
  readonly jobs: Jobs;
  readonly metricsDb: Database;
  readonly series: MetricStore;
  /** Null with PostgreSQL, whose size is not managed here. */
  readonly metricBudget: MetricBudget | null;
  readonly logGroups: LogGroups;
  /** For work that is too long for the event loop. */
  readonly threads: ThreadPool;
  /** Null if tracing is off. */
  readonly traces: RequestTraces | null;
  /** Dropped values, lines and traces since the start, by kind. */
  readonly dropped: DroppedCounts;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
}

/** Counts of values, lines and traces that were discarded instead of written, since the start of the server. */
export type DroppedCounts = () => Readonly<
  Record<'metric_values' | 'log_lines' | 'platform_log_lines' | 'request_log_lines' | 'access_log_lines' | 'traces', number>
>;

/** One thread for large bodies, one for bodies that must not wait behind them. */
const threadsMin = 2;

function openThreads(clock: SystemClock, closers: Closers): ThreadPool {
  return closers.add(new ThreadPool({ clock, threadsMax: Math.max(threadsMin, Math.floor(availableParallelism() / 2)) }));
}

/** What a node needs before it serves. */
export interface StandByOptions {
  readonly version: string;
  /** Ends a server that stands by. */
  readonly interrupted: AbortSignal | undefined;
  /** Called before a node joins its cluster. */
  readonly standBy: (parts: Pick<Foundation, 'clock' | 'logs' | 'directory' | 'startedAtMs'>) => Promise<HomeFollower>;
}

/** Opens the foundation, and adds a closer for each part as it opens. Throws `PlatformError`. */
export async function openFoundation(
  config: Config,
  { version, interrupted, standBy }: StandByOptions,
  closers: Closers,
): Promise<Foundation> {
  const clock = new SystemClock();
  const startedAtMs = clock.wallMs();
  const directory = await openDataDirectory(config.dataDir);
  closers.push(() => directory.release());
  await removeUnfinishedCopies(config.dataDir); // they hold keys
  const logs = openLogs(directory.logs, config.logLevel, { clock, requestLinesPerSecond: config.requestLinesPerSecond });
  closers.add(logs);
  const log = logs.platform;
  const checkpointer = new Checkpointer();
  closers.add(checkpointer);
  const onCheckpointFailure = (error: unknown): void =>
    log.warn({ error: messageOf(error) }, 'failed to checkpoint the database log, will retry');
  const checkpoints = { checkpointer, clock, onFailure: onCheckpointFailure };
  const node =
    config.node === null
      ? null
      : await ServerNode.open(
          config,
          { clock, log, version, interrupted, ...(await standBy({ clock, logs, directory, startedAtMs })) },
          closers,
        );
  const state = await openStateDatabase(config, directory, { log, clock, checkpoints, node });
  closers.push(state.close);
  await node?.serve();
  const { db, dialect, availability } = state;
  await bindInstallation({ directory, db, databaseUrl: config.databaseUrl, clock });
  const stores = await openStores(config, { directory, db, clock, log }, closers);
  const metricsDb = await openMetricsDatabase(config, directory, { db, checkpoints }, closers);
  const onFailure = (error: unknown): void => log.error({ error: messageOf(error) }, 'failed to write metrics, will retry');
  const series = new MetricStore({ db: metricsDb, clock, onFailure });
  await series.open();
  closers.add(series);
  const metricBudget = await openMetricBudget(config, { clock, log, metricsDb, series }, closers);
  const logGroups = await openLogGroups({ clock, logs, directory, metricsDb }, closers);
  const exporter = openTraceExporter(config, clock, log, closers);
  const traces = exporter === null ? null : new RequestTraces(exporter, clock, new SystemRandom(), config.traceShare);
  const dropped: DroppedCounts = () => {
    const { platform, requests, access } = logs.dropped();
    const lines = { log_lines: logGroups.dropped, platform_log_lines: platform, request_log_lines: requests, access_log_lines: access };
    return { metric_values: series.dropped, ...lines, traces: exporter?.dropped ?? 0 };
  };
  const threads = openThreads(clock, closers);
  return {
    clock,
    threads,
    logs,
    directory,
    db,
    ...stores,
    availability,
    node,
    jobs: new Jobs({ db, dialect, clock }),
    metricsDb,
    series,
    metricBudget,
    logGroups,
    traces,
    dropped,
    startedAtMs,
  };
}

interface StateDatabaseDeps {
  readonly log: Logs['platform'];
  readonly clock: SystemClock;
  readonly checkpoints: CheckpointOptions;
  readonly node: ServerNode | null;
}

async function openStateDatabase(
  { databaseUrl: url }: Config,
  directory: DataDirectory,
  { log, clock, checkpoints, node }: StateDatabaseDeps,
): Promise<OpenDatabase> {
  if (url === null) {
    await rejectMissingDatabase(directory);
    return openDatabase({ file: directory.stateDb, synchronous: 'FULL', checkpoints }, ['state']);
  }
  const server = { host: hostname(), pid: process.pid, dataDirectory: directory.path, node: node ?? undefined };
  const onAvailability = (problem: string | null): void => {
    if (problem === null) log.warn({}, 'the database is available again');
    else log.error({ problem }, 'the database is unavailable: control calls fail, inference continues');
  };
  return openDatabase({ url, clock, server, onAvailability }, ['state', 'metrics']);
}

/** Limits the size of metrics.db. Null with PostgreSQL, whose size its administrators manage. */
async function openMetricBudget(
  { databaseUrl, metricsLimitBytes: bytesMax }: Config,
  { clock, log, metricsDb: db, series }: Pick<Foundation, 'clock' | 'metricsDb' | 'series'> & { readonly log: Logs['platform'] },
  closers: Closers,
): Promise<MetricBudget | null> {
  if (databaseUrl !== null) return null;
  const budget = new MetricBudget({
    db,
    clock,
    bytesMax,
    onDropped: (resolution, before) => series.lostValues(resolution, before),
    onFull: ({ usedBytes }) =>
      log.warn({ usedBytes, bytesMax }, 'metrics.db has reached metricsLimit: the oldest data of the finest resolution is deleted'),
    onFailure: (error) => log.error({ error: messageOf(error) }, 'failed to shrink metrics.db to its limit'),
  });
  await budget.open();
  closers.add(budget);
  return budget;
}

/** Log groups are stored with the metrics. The server's own log files are readable as groups. */
async function openLogGroups(
  { clock, logs, directory, metricsDb }: Pick<Foundation, 'clock' | 'logs' | 'directory' | 'metricsDb'>,
  closers: Closers,
): Promise<LogGroups> {
  const files = [
    { name: platformLogGroup, path: join(directory.logs, 'platform.log') },
    { name: requestsLogGroup, path: join(directory.logs, 'requests.log') },
    { name: accessLogGroup, path: join(directory.logs, 'access.log') },
  ].map((file) => new FileGroup({ ...file, files: logFileCount, flush: () => logs.flush() }));
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'failed to write log groups, will retry');
  const logGroups = new LogGroups({ db: metricsDb, clock, files, onFailure });
  await logGroups.open();
  closers.add(logGroups);
  return logGroups;
}

/** Exports traces to a collector. Null if none is configured. */
function openTraceExporter({ otlpEndpoint }: Config, clock: SystemClock, log: Logs['platform'], closers: Closers): TraceExporter | null {
  if (otlpEndpoint === null) return null;
  const onFailure = (error: unknown): void =>
    log.warn({ error: messageOf(error) }, 'failed to export traces to the collector: some are lost');
  const newSpanId = (): string => randomBytes(8).toString('hex');
  const exporter = new TraceExporter({ endpoint: otlpEndpoint, clock, version: '', newSpanId, onFailure });
  closers.add(exporter);
  return exporter;
}

/** With SQLite, metrics have a separate file with cheaper writes; with PostgreSQL they share the database. */
async function openMetricsDatabase(
  config: Config,
  directory: DataDirectory,
  { db, checkpoints }: { readonly db: Database; readonly checkpoints: CheckpointOptions },
  closers: Closers,
): Promise<Database> {
  if (config.databaseUrl !== null) return db;
  const metrics = await openDatabase({ file: directory.metricsDb, synchronous: 'NORMAL', checkpoints }, ['metrics']);
  closers.push(metrics.close);
  return metrics.db;
}

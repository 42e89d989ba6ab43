/** The foundation of all modules: clock, data directory, databases and workers. */

import { randomBytes } from 'node:crypto';
import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { type DataDirectory, openDataDirectory } from '../data-directory/index.ts';
import { defined } from '../defined.ts';
import { messageOf } from '../errors.ts';
import {
  accessLogGroup,
  FileGroup,
  LogGroups,
  type Logs,
  logFileCount,
  logWorkerLine,
  openLogs,
  platformLogGroup,
  RequestTraces,
  requestsLogGroup,
  TraceExporter,
} from '../logs/index.ts';
import { MetricBudget, MetricStore } from '../metrics/index.ts';
import { isolationSettings, LocalProvider, type LocalProviderOptions, type PythonHost } from '../providers/index.ts';
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
} from '../storage/index.ts';
import { ThreadPool } from '../threads/index.ts';
import { LateInterpreters } from './python.ts';
import { pythonSettings } from './python-settings.ts';
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

/** Stops a started part. Closers run in reverse order. */
export type Closer = () => Promise<void> | void;

export interface Foundation extends ObjectStores {
  readonly clock: SystemClock;
  readonly logs: Logs;
  readonly directory: DataDirectory;
  readonly db: Database;
  readonly availability: Availability;
  readonly jobs: Jobs;
  readonly metricsDb: Database;
  readonly series: MetricStore;
  /** Null with PostgreSQL, whose size is not managed here. */
  readonly metricBudget: MetricBudget | null;
  readonly logGroups: LogGroups;
  readonly provider: LocalProvider;
  /** Of Python models; the environments are added once they are built. */
  readonly interpreters: LateInterpreters;
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

function openThreads(clock: SystemClock, closers: Closer[]): ThreadPool {
  const threads = new ThreadPool({ clock, threadsMax: Math.max(threadsMin, Math.floor(availableParallelism() / 2)) });
  closers.push(() => threads.close());
  return threads;
}

/** Opens the foundation, and adds a closer for each part as it opens. Throws `PlatformError`. */
export async function openFoundation(config: Config, closers: Closer[]): Promise<Foundation> {
  const clock = new SystemClock();
  const startedAtMs = clock.wallMs();
  const directory = await openDataDirectory(config.dataDir);
  closers.push(() => directory.release());
  const logs = openLogs(directory.logs, config.logLevel, { clock, requestLinesPerSecond: config.requestLinesPerSecond });
  closers.push(() => logs.close());
  const log = logs.platform;
  const checkpointer = new Checkpointer();
  closers.push(() => checkpointer.close());
  const onCheckpointFailure = (error: unknown): void =>
    log.warn({ error: messageOf(error) }, 'failed to checkpoint the database log, will retry');
  const checkpoints = { checkpointer, clock, onFailure: onCheckpointFailure };
  const state = await openStateDatabase(config, directory, { log, clock, checkpoints });
  closers.push(state.close);
  const { db, dialect, availability } = state;
  await bindInstallation({ directory, db, databaseUrl: config.databaseUrl, clock });
  const stores = openStores(directory, clock, log, closers);
  const metricsDb = await openMetricsDatabase(config, directory, { db, checkpoints }, closers);
  const onFailure = (error: unknown): void => log.error({ error: messageOf(error) }, 'failed to write metrics, will retry');
  const series = new MetricStore({ db: metricsDb, clock, onFailure });
  await series.open();
  closers.push(() => series.close());
  const metricBudget = await openMetricBudget(config, { clock, log, metricsDb, series }, closers);
  const logGroups = await openLogGroups({ clock, logs, directory, metricsDb }, closers);
  const onLine: LocalProviderOptions['onLine'] = (spec, line, requestIds) => logWorkerLine(logGroups, spec, line, requestIds);
  const checkModel = (path: string): Promise<void> => stores.files.check(path);
  const changeModel: LocalProviderOptions['changeModel'] = (path, change) => stores.files.change(path, change);
  const models = { checkModel, changeModel };
  const interpreters = new LateInterpreters();
  const provider = await openProvider(
    config,
    pythonHost(config, interpreters),
    { clock, log, stateDirectory: directory.path, onLine, ...models },
    closers,
  );
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
    jobs: new Jobs({ db, dialect, clock }),
    metricsDb,
    series,
    metricBudget,
    logGroups,
    provider,
    interpreters,
    traces,
    dropped,
    startedAtMs,
  };
}

async function openStateDatabase(
  { databaseUrl: url }: Config,
  directory: DataDirectory,
  { log, clock, checkpoints }: { readonly log: Logs['platform']; readonly clock: SystemClock; readonly checkpoints: CheckpointOptions },
): Promise<OpenDatabase> {
  if (url === null) {
    await rejectMissingDatabase(directory);
    return openDatabase({ file: directory.stateDb, synchronous: 'FULL', checkpoints }, ['state']);
  }
  const server = { host: hostname(), pid: process.pid, dataDirectory: directory.path };
  const onAvailability = (problem: string | null): void => {
    if (problem === null) log.warn({}, 'the database is available again');
    else log.error({ problem }, 'the database is unavailable: control calls fail, inference continues');
  };
  return openDatabase({ url, clock, server, onAvailability }, ['state', 'metrics']);
}

function pythonHost(config: Config, interpreters: LateInterpreters): PythonHost | undefined {
  const { run, network, forkServer: forks } = pythonSettings(config.python, config);
  return run === 'off'
    ? undefined
    : { interpreterOf: (environment) => interpreters.find(environment), hasNetwork: network === 'host', forks };
}

/** Opens the provider that runs workers. */
async function openProvider(
  { warmWorkers, startDelayMs, isolation }: Config,
  python: PythonHost | undefined,
  deps: Pick<LocalProviderOptions, 'clock' | 'log' | 'stateDirectory' | 'onLine' | 'checkModel' | 'changeModel'>,
  closers: Closer[],
): Promise<LocalProvider> {
  const settings = { warmWorkers, startDelayMs: startDelayMs ?? 0, isolation: isolationSettings(isolation) };
  const provider = new LocalProvider({ ...deps, ...settings, ...defined({ python }) });
  await provider.open();
  closers.push(() => provider.close());
  return provider;
}

/** Limits the size of metrics.db. Null with PostgreSQL, whose size its administrators manage. */
async function openMetricBudget(
  { databaseUrl, metricsLimitBytes: bytesMax }: Config,
  { clock, log, metricsDb: db, series }: Pick<Foundation, 'clock' | 'metricsDb' | 'series'> & { readonly log: Logs['platform'] },
  closers: Closer[],
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
  closers.push(() => budget.close());
  return budget;
}

/** Log groups are stored with the metrics. The server's own log files are readable as groups. */
async function openLogGroups(
  { clock, logs, directory, metricsDb }: Pick<Foundation, 'clock' | 'logs' | 'directory' | 'metricsDb'>,
  closers: Closer[],
): Promise<LogGroups> {
  const files = [
    { name: platformLogGroup, path: join(directory.logs, 'platform.log') },
    { name: requestsLogGroup, path: join(directory.logs, 'requests.log') },
    { name: accessLogGroup, path: join(directory.logs, 'access.log') },
  ].map((file) => new FileGroup({ ...file, files: logFileCount, flush: () => logs.flush() }));
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'failed to write log groups, will retry');
  const logGroups = new LogGroups({ db: metricsDb, clock, files, onFailure });
  await logGroups.open();
  closers.push(() => logGroups.close());
  return logGroups;
}

/** Exports traces to a collector. Null if none is configured. */
function openTraceExporter({ otlpEndpoint }: Config, clock: SystemClock, log: Logs['platform'], closers: Closer[]): TraceExporter | null {
  if (otlpEndpoint === null) return null;
  const onFailure = (error: unknown): void =>
    log.warn({ error: messageOf(error) }, 'failed to export traces to the collector: some are lost');
  const newSpanId = (): string => randomBytes(8).toString('hex');
  const exporter = new TraceExporter({ endpoint: otlpEndpoint, clock, version: '', newSpanId, onFailure });
  closers.push(() => exporter.close());
  return exporter;
}

/** With SQLite, metrics have a separate file with cheaper writes; with PostgreSQL they share the database. */
async function openMetricsDatabase(
  config: Config,
  directory: DataDirectory,
  { db, checkpoints }: { readonly db: Database; readonly checkpoints: CheckpointOptions },
  closers: Closer[],
): Promise<Database> {
  if (config.databaseUrl !== null) return db;
  const metrics = await openDatabase({ file: directory.metricsDb, synchronous: 'NORMAL', checkpoints }, ['metrics']);
  closers.push(metrics.close);
  return metrics.db;
}

/** What everything stands on: the clock, the data directory, databases, and where workers run. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { SystemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { messageOf } from '../errors.ts';
import {
  accessLogGroup,
  FileGroup,
  LogGroups,
  type Logs,
  logFileCount,
  MetricBudget,
  MetricStore,
  openLogs,
  platformLogGroup,
  RequestTraces,
  requestsLogGroup,
  TraceExporter,
  tellOfWorker,
} from '../monitoring/index.ts';
import { LocalProvider, type LocalProviderOptions } from '../providers/index.ts';
import { SystemRandom } from '../random.ts';
import {
  Checkpointer,
  type CheckpointOptions,
  type Database,
  type DataDirectory,
  Jobs,
  openDatabase,
  openDataDirectory,
} from '../storage/index.ts';

/** What the program knows of itself. */
export interface Product {
  /** `0.1.0` */
  readonly version: string;
  /** Where the models are that come with it. */
  readonly catalogueDirectory: string;
  /** Where the browser console lies, once it is built. */
  readonly consoleDirectory: string;
}

/** Ends what was started, in the opposite order. */
export type Closer = () => Promise<void> | void;

export interface Ground {
  readonly clock: SystemClock;
  readonly logs: Logs;
  readonly directory: DataDirectory;
  readonly db: Database;
  readonly jobs: Jobs;
  readonly metricsDb: Database;
  readonly series: MetricStore;
  /** Null where all is in a database that others look after. */
  readonly metricBudget: MetricBudget | null;
  readonly logGroups: LogGroups;
  readonly provider: LocalProvider;
  /** Null: nothing is traced. */
  readonly traces: RequestTraces | null;
  /** What was watched and could not be kept, since the start: by what it is. */
  readonly dropped: Dropped;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
}

export type Dropped = () => Readonly<
  Record<'metric_values' | 'log_lines' | 'platform_log_lines' | 'request_log_lines' | 'access_log_lines' | 'traces', number>
>;

export async function openGround(config: Config, closers: Closer[]): Promise<Ground> {
  const clock = new SystemClock();
  const startedAtMs = clock.wallMs();
  const directory = await openDataDirectory(config.dataDir);
  closers.push(() => directory.release());
  const logs = openLogs(directory.logs, config.logLevel, { clock, requestLinesPerSecond: config.requestLinesPerSecond });
  closers.push(() => logs.close());
  const log = logs.platform;
  const checkpointer = new Checkpointer();
  closers.push(() => checkpointer.close());
  const onUncopied = (error: unknown): void => log.warn({ error: messageOf(error) }, 'the log of the database could not be copied yet');
  const checkpoints = { checkpointer, clock, onFailure: onUncopied };
  const state = await openDatabase(
    config.databaseUrl === null ? { file: directory.stateDb, synchronous: 'FULL', checkpoints } : { url: config.databaseUrl },
    config.databaseUrl === null ? ['state'] : ['state', 'metrics'],
  );
  closers.push(state.close);
  const { db, dialect } = state;
  const metricsDb = await openMetricsDatabase(config, directory, { db, checkpoints }, closers);
  const onFailure = (error: unknown): void => log.error({ error: messageOf(error) }, 'metrics could not be written yet');
  const series = new MetricStore({ db: metricsDb, clock, onFailure });
  await series.open();
  closers.push(() => series.close());
  const metricBudget = await openMetricBudget(config, { clock, log, metricsDb, series }, closers);
  const logGroups = await openLogGroups({ clock, logs, directory, metricsDb }, closers);
  const heard: LocalProviderOptions['heard'] = (spec, line) => tellOfWorker(logGroups, spec, line);
  const startDelayMs = config.startDelayMs ?? 0;
  const { warmWorkers } = config;
  const provider = new LocalProvider({ clock, log, stateDirectory: directory.path, warmWorkers, startDelayMs, heard });
  await provider.open();
  closers.push(() => provider.close());
  const exporter = openTraceExporter(config, clock, log, closers);
  const traces = exporter === null ? null : new RequestTraces(exporter, clock, new SystemRandom(), config.traceShare);
  const dropped: Dropped = () => {
    const { platform, requests, access } = logs.dropped();
    const lines = { log_lines: logGroups.dropped, platform_log_lines: platform, request_log_lines: requests, access_log_lines: access };
    return { metric_values: series.dropped, ...lines, traces: exporter?.dropped ?? 0 };
  };
  const jobs = new Jobs({ db, dialect, clock });
  return { clock, logs, directory, db, jobs, metricsDb, series, metricBudget, logGroups, provider, traces, dropped, startedAtMs };
}

/** A file is held to its size; the size of a database that is shared is its administrators' affair. */
async function openMetricBudget(
  { databaseUrl, metricsLimitBytes: bytesMax }: Config,
  { clock, log, metricsDb: db, series }: Pick<Ground, 'clock' | 'metricsDb' | 'series'> & { readonly log: Logs['platform'] },
  closers: Closer[],
): Promise<MetricBudget | null> {
  if (databaseUrl !== null) return null;
  const budget = new MetricBudget({
    db,
    clock,
    bytesMax,
    onDropped: (resolution, before) => series.lost(resolution, before),
    onFull: ({ usedBytes }) =>
      log.warn(
        { usedBytes, bytesMax },
        'metrics.db is as large as metricsLimit lets it: the oldest of the finest measurements are dropped',
      ),
    onFailure: (error) => log.error({ error: messageOf(error) }, 'what is too much of metrics.db could not be dropped'),
  });
  await budget.open();
  closers.push(() => budget.close());
  return budget;
}

/** What is logged in groups is kept with the metrics; the server's own logs are files, and read as groups. */
async function openLogGroups(
  { clock, logs, directory, metricsDb }: Pick<Ground, 'clock' | 'logs' | 'directory' | 'metricsDb'>,
  closers: Closer[],
): Promise<LogGroups> {
  const files = [
    { name: platformLogGroup, path: join(directory.logs, 'platform.log') },
    { name: requestsLogGroup, path: join(directory.logs, 'requests.log') },
    { name: accessLogGroup, path: join(directory.logs, 'access.log') },
  ].map((file) => new FileGroup({ ...file, files: logFileCount, flush: () => logs.flush() }));
  const onFailure = (error: unknown): void => logs.platform.error({ error: messageOf(error) }, 'log groups could not be written yet');
  const logGroups = new LogGroups({ db: metricsDb, clock, files, onFailure });
  await logGroups.open();
  closers.push(() => logGroups.close());
  return logGroups;
}

/** Traces go to a collector, where one is named. */
function openTraceExporter({ otlpEndpoint }: Config, clock: SystemClock, log: Logs['platform'], closers: Closer[]): TraceExporter | null {
  if (otlpEndpoint === null) return null;
  const onFailure = (error: unknown): void =>
    log.warn({ error: messageOf(error) }, 'the collector of traces does not take them: some are lost');
  const newSpanId = (): string => randomBytes(8).toString('hex');
  const exporter = new TraceExporter({ endpoint: otlpEndpoint, clock, version: '', newSpanId, onFailure });
  closers.push(() => exporter.close());
  return exporter;
}

/** Metrics are kept in a file of their own, which costs less to write, or in the one database there is. */
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

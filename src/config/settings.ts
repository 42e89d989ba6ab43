/** The settings of a server, all of them: one table gives their flags, variables, keys in config.json, checks and documentation. */
import { bytes, choice, duration, integer, list, object, pattern, portOrOff, share, text } from './kinds.ts';
import type { Setting } from './setting.ts';

export interface Config {
  readonly host: string;
  readonly port: number;
  /** Null where nobody said: 8001, or any free one where that is how `port` was chosen. See `grpcPort`. */
  readonly grpcPort: number | 'off' | null;
  readonly dataDir: string;
  readonly tls: 'off' | 'files' | 'self-signed';
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly databaseUrl: string | null;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly bodyLimitBytes: number;
  readonly artifactLimitBytes: number;
  /** Of `metrics.db`. */
  readonly metricsLimitBytes: number;
  readonly requestLinesPerSecond: number;
  readonly queueRowsMax: number;
  readonly timeoutMs: number;
  readonly invocationLimitBytes: number;
  readonly invocationTimeoutMs: number;
  /** Of a body that an asynchronous request is read from, and of all that are read at once. */
  readonly asyncBodyLimitBytes: number;
  /** The URLs that notifications of asynchronous requests go to, by topic. */
  readonly asyncTopics: Readonly<Record<string, unknown>> | null;
  readonly batchPeriodMs: number;
  readonly scalingLeadMs: number | null;
  readonly startDelayMs: number | null;
  readonly connectionsMax: number;
  readonly warmWorkers: number;
  readonly cores: number | null;
  /** 12 digits: what ARNs bear. */
  readonly awsAccount: string;
  readonly awsRegion: string;
  /** Where traces go; null: nowhere. */
  readonly otlpEndpoint: string | null;
  /** 0..1: of the requests whose callers trace nothing. */
  readonly traceShare: number;
  /** A secret: it is shown nowhere. */
  readonly webhookSecret: string | null;
  /** Overrides of the price table, as `costs` reads them. */
  readonly prices: Readonly<Record<string, unknown>> | null;
  /** What container images stand for, as `registry` reads them. */
  readonly images: readonly unknown[] | null;
}

/** One entry for each property of `Config`: the compiler names the one that is missing. */
export const settings: { readonly [Property in keyof Config]: Setting<Config[Property]> } = {
  host: { name: 'host', default: '127.0.0.1', help: 'address to listen on; any other than loopback needs TLS', ...text('A') },
  port: { name: 'port', default: 8080, help: 'port to listen on; 0 takes any free one', ...integer(0, 65_535) },
  grpcPort: {
    name: 'grpcPort',
    default: null,
    help: 'port for gRPC; 0 takes any free one (default: 8001, or any free one with --port 0)',
    ...portOrOff(),
  },
  dataDir: {
    name: 'dataDir',
    default: './penstock-data',
    help: 'directory that holds all state',
    only: ['flag', 'environment'], // the file lies inside it
    ...text('D'),
  },
  tls: {
    name: 'tls',
    default: 'off',
    help: 'off, a certificate from files, or one made at start',
    ...choice(['off', 'files', 'self-signed']),
  },
  tlsCert: { name: 'tlsCert', default: null, help: 'certificate chain, PEM', ...text('F') },
  tlsKey: { name: 'tlsKey', default: null, help: 'private key of the certificate, PEM', ...text('F') },
  databaseUrl: {
    name: 'databaseUrl',
    default: null,
    help: 'PostgreSQL instead of SQLite: postgres://user:password@host/db',
    ...text('URL'),
  },
  logLevel: {
    name: 'logLevel',
    default: 'info',
    help: 'what is shown on standard error',
    ...choice(['debug', 'info', 'warn', 'error', 'silent']),
  },
  bodyLimitBytes: { name: 'bodyLimit', default: 64 * 2 ** 20, help: 'largest request body, also once unpacked', ...bytes() },
  artifactLimitBytes: { name: 'artifactLimit', default: 4 * 2 ** 30, help: 'largest model file', ...bytes() },
  metricsLimitBytes: {
    name: 'metricsLimit',
    default: 4 * 2 ** 30,
    help: 'largest file of what was measured and of log groups: beyond, the oldest of the finest is dropped',
    ...bytes(),
  },
  requestLinesPerSecond: {
    name: 'requestLines',
    default: 1000,
    help: "lines a second in the log of requests for an endpoint's plain ones: of more, one in so many is logged",
    ...integer(1, 1_000_000_000),
  },
  queueRowsMax: { name: 'queueRowsMax', default: 10_000, help: 'rows that may wait for one variant', ...integer(1, 10_000_000) },
  timeoutMs: { name: 'timeout', default: 60_000, help: 'longest time a request may take', ...duration() },
  invocationLimitBytes: {
    name: 'invocationLimit',
    default: 6 * 2 ** 20,
    help: 'largest body of an InvokeEndpoint by AWS tools',
    ...bytes(),
  },
  invocationTimeoutMs: {
    name: 'invocationTimeout',
    default: 60_000,
    help: "longest time an InvokeEndpoint by AWS tools may take; an endpoint's own timeout may be shorter",
    ...duration(),
  },
  asyncBodyLimitBytes: {
    name: 'asyncBodyLimit',
    default: 32 * 2 ** 20,
    help: 'largest body of an asynchronous request that a model is given, and of all that are in memory at once',
    ...bytes(),
  },
  asyncTopics: { name: 'asyncTopics', default: null, help: 'the URLs that topics stand for', only: ['file'], ...object() },
  batchPeriodMs: {
    name: 'batchPeriod',
    default: 30_000,
    help: 'how often the setting of serverless variants is chosen anew',
    ...duration(10_000, 60_000),
  },
  scalingLeadMs: {
    name: 'scalingLead',
    default: null,
    help: 'how long instances take to start at least, for those who decide on their number',
    ...duration(),
  },
  startDelayMs: {
    name: 'startDelay',
    default: null,
    help: 'hold each instance back so long when it starts, as machines of a cloud would: to try out scaling',
    ...duration(1, 3_600_000),
  },
  connectionsMax: { name: 'connectionsMax', default: 20_000, help: 'connections that may be open', ...integer(1, 1_000_000) },
  warmWorkers: { name: 'warmWorkers', default: 2, help: 'workers kept ready without a model', ...integer(0, 64) },
  cores: { name: 'cores', default: null, help: 'cores that workers may use; all unless given', ...integer(1, 4096) },
  awsAccount: {
    name: 'awsAccount',
    default: '000000000000',
    help: 'AWS account that ARNs name',
    ...pattern('ID', /^\d{12}$/, '12 digits'),
  },
  awsRegion: {
    name: 'awsRegion',
    default: 'us-east-1',
    help: 'AWS region that ARNs name',
    // So long that the patterns of AWS's own models take the ARNs.
    ...pattern('R', /^(?=.{9,16}$)[a-z]+(?:-[a-z0-9]+)+$/, 'a region of 9 to 16 characters such as us-east-1'),
  },
  otlpEndpoint: {
    name: 'otlpEndpoint',
    default: null,
    help: 'collector of traces, OTLP over HTTP, such as http://127.0.0.1:4318',
    ...pattern('URL', /^https?:\/\/\S{1,500}$/, 'a URL such as http://127.0.0.1:4318'),
  },
  traceShare: {
    name: 'traceShare',
    default: 0.01,
    help: 'share of the requests that begin a trace of their own; callers decide for theirs',
    ...share(),
  },
  webhookSecret: {
    name: 'webhookSecret',
    default: null,
    help: 'what receivers of webhooks check signatures with; unsigned without one',
    only: ['environment', 'file'], // arguments of a process are seen by everybody
    ...text('S'),
  },
  prices: { name: 'prices', default: null, help: 'overrides of the price table', only: ['file'], ...object() },
  images: { name: 'images', default: null, help: 'what container images stand for', only: ['file'], ...list() },
};

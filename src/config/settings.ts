/** All settings of a server. This table defines their flags, environment variables, keys in config.json, validation and help. */
import {
  bytesKind,
  choiceKind,
  durationKind,
  gatewaysKind,
  integerKind,
  listKind,
  type MachineSize,
  machineSizeKind,
  type NumberRange,
  objectKind,
  objectTextKind,
  patternKind,
  portKind,
  rangeKind,
  shareKind,
  textKind,
} from './kinds.ts';
import type { Setting } from './setting.ts';

/** The settings in force, after all sources were merged and validated. Immutable while the server runs. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Null if not set: 8001, or any free port if `port` is 0. */
  readonly grpcPort: number | 'off' | null;
  /** Processes that accept connections; 1: the server itself. */
  readonly gateways: number;
  readonly dataDir: string;
  readonly tls: 'off' | 'files' | 'self-signed';
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly databaseUrl: string | null;
  /** With it, keys are in PostgreSQL, encrypted. */
  readonly clusterKeyFile: string | null;
  /** The name of this server among those that share the database; null if it is alone. */
  readonly node: string | null;
  /** `HOST:PORT` where this node accepts links; null without a node. */
  readonly link: string | null;
  /** Where objects are; null for the folders of the data directory. */
  readonly objects: string | null;
  /** The size limit of the copies of objects that are elsewhere. */
  readonly objectCacheBytes: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly bodyLimitBytes: number;
  readonly artifactLimitBytes: number;
  /** The size limit of `metrics.db`. */
  readonly metricsLimitBytes: number;
  readonly requestLinesPerSecond: number;
  readonly queueRowsMax: number;
  readonly timeoutMs: number;
  readonly invocationLimitBytes: number;
  readonly invocationTimeoutMs: number;
  /** The limit of one asynchronous request body, and of all bodies in memory together. */
  readonly asyncBodyLimitBytes: number;
  /** The URLs that receive notifications of asynchronous requests, by topic. */
  readonly asyncTopics: Readonly<Record<string, unknown>> | null;
  readonly batchPeriodMs: number;
  readonly scalingLeadMs: number | null;
  readonly startDelayMs: number | null;
  readonly connectionsMax: number;
  /** How long requests in flight may take to finish after SIGTERM. */
  readonly drainMs: number;
  /** The limit of the server process; null: 90 % of the memory of the machine or container. */
  readonly memoryLimitBytes: number | null;
  readonly warmWorkers: number;
  /** Processor time for measuring one profile. */
  readonly profileBudgetMs: number;
  readonly cores: number | null;
  /** Whether the home of a cluster runs workers that hosts could run. */
  readonly localWorkers: 'always' | 'when-needed' | 'never';
  /** The set of hosts that the home scales; null: none. */
  readonly scaleHosts: string | null;
  readonly scaleHostsRange: NumberRange;
  /** What runs the set; null: Kubernetes. */
  readonly scaleHostsExec: string | null;
  /** `NAME/KEY` of a secret of Kubernetes in which the home keeps a join token; null: none. */
  readonly joinSecret: string | null;
  /** Of the service account of Kubernetes; null: where Kubernetes mounts it. */
  readonly serviceAccount: string | null;
  /** Of the hosts that are wanted; null: that of most hosts. */
  readonly hostSize: MachineSize | null;
  /** The account ID in ARNs: 12 digits. */
  readonly awsAccount: string;
  readonly awsRegion: string;
  /** The OTLP collector of traces; null: tracing is off. */
  readonly otlpEndpoint: string | null;
  /** The share, 0 to 1, of requests without a caller's trace to sample. */
  readonly traceShare: number;
  /** Secret: never logged or returned. */
  readonly webhookSecret: string | null;
  readonly webhookPrivate: 'refuse' | 'allow';
  /** Overrides of the price table, as `costs` reads them. */
  readonly prices: Readonly<Record<string, unknown>> | null;
  /** Instance types with a device of this machine, as `costs` reads them. */
  readonly accelerators: Readonly<Record<string, unknown>> | null;
  /** How to run the processes of images, as `registry` reads them. */
  readonly images: readonly unknown[] | null;
  /** Python environments: their builds and the operator's interpreters, as `environments` reads them. */
  readonly environments: Readonly<Record<string, unknown>> | null;
  /** Whether and how Python models run, as `platform` reads it. */
  readonly python: Readonly<Record<string, unknown>> | null;
  /** How workers are isolated, as `providers` reads it. */
  readonly isolation: Readonly<Record<string, unknown>> | null;
  /** Whether training jobs run, and how many, as `training` reads it. */
  readonly training: Readonly<Record<string, unknown>> | null;
}

/** One entry for each property of `Config`; the compiler reports missing ones. */
export const settings: { readonly [Property in keyof Config]: Setting<Config[Property]> } = {
  host: {
    name: 'host',
    default: '127.0.0.1',
    help: 'address to listen on; any address other than loopback requires TLS',
    ...textKind('A'),
  },
  port: { name: 'port', default: 8080, help: 'port to listen on; 0 chooses any free port', ...integerKind(0, 65_535) },
  grpcPort: {
    name: 'grpcPort',
    default: null,
    help: 'port for gRPC; 0 chooses any free port (default: 8001, or any free port with --port 0)',
    ...portKind(),
  },
  gateways: {
    name: 'gateways',
    default: 1,
    help: 'processes that accept connections, decode and encode; auto: a quarter of the cores (1: the server itself)',
    ...gatewaysKind(),
  },
  dataDir: {
    name: 'dataDir',
    default: './penstock-data',
    help: 'directory for all state',
    only: ['flag', 'environment'], // config.json is inside it
    ...textKind('D'),
  },
  tls: {
    name: 'tls',
    default: 'off',
    help: 'TLS: off, a certificate from files, or a self-signed certificate created at startup',
    ...choiceKind(['off', 'files', 'self-signed']),
  },
  tlsCert: { name: 'tlsCert', default: null, help: 'certificate chain file (PEM)', ...textKind('F') },
  tlsKey: { name: 'tlsKey', default: null, help: 'private key file (PEM)', ...textKind('F') },
  databaseUrl: {
    name: 'databaseUrl',
    default: null,
    help: 'PostgreSQL instead of SQLite: postgres://user:password@host/db',
    ...patternKind('URL', /^postgres(?:ql)?:\/\/./, 'a URL such as postgres://user:password@host/db'),
  },
  clusterKeyFile: {
    name: 'clusterKeyFile',
    default: null,
    help: 'file of 32 bytes in base64: keys are stored in PostgreSQL, encrypted with them, for all servers that have the file; a second line has the key before',
    ...textKind('F'),
  },
  node: {
    name: 'node',
    default: null,
    help: 'name of this server among several on one database: one serves, the others stand by and replace it',
    ...patternKind('NAME', /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/, 'letters, digits and hyphens, at most 63'),
  },
  link: {
    name: 'link',
    default: null,
    help: 'address at which other nodes and hosts reach this node, with TLS; port 0 chooses any free port (default: 127.0.0.1:0)',
    ...patternKind(
      'HOST:PORT',
      /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?):\d{1,5}$/,
      'HOST:PORT such as 10.0.0.1:8002, or [::1]:8002',
    ),
  },
  objects: {
    name: 'objects',
    default: null,
    help: 'models and objects in S3 (s3://bucket/prefix) or in PostgreSQL (postgres) instead of the data directory',
    ...patternKind('URL', /^(?:s3:\/\/.|postgres$)/, 's3://bucket/prefix or postgres'),
  },
  objectCacheBytes: {
    name: 'objectCache',
    default: 50 * 2 ** 30,
    help: 'largest size of the copies that this machine has of objects elsewhere, see --objects',
    ...bytesKind(),
  },
  logLevel: {
    name: 'logLevel',
    default: 'info',
    help: 'minimum level of log lines on stderr',
    ...choiceKind(['debug', 'info', 'warn', 'error', 'silent']),
  },
  bodyLimitBytes: { name: 'bodyLimit', default: 64 * 2 ** 20, help: 'largest request body, also after decompression', ...bytesKind() },
  artifactLimitBytes: { name: 'artifactLimit', default: 4 * 2 ** 30, help: 'largest model file', ...bytesKind() },
  metricsLimitBytes: {
    name: 'metricsLimit',
    default: 4 * 2 ** 30,
    help: 'largest file of metrics and log groups; above it, the oldest data of the finest resolution is deleted',
    ...bytesKind(),
  },
  requestLinesPerSecond: {
    name: 'requestLines',
    default: 1000,
    help: "request log lines per second for an endpoint's ordinary requests; above it, they are sampled",
    ...integerKind(1, 1_000_000_000),
  },
  queueRowsMax: {
    name: 'queueRowsMax',
    default: 10_000,
    help: 'maximum number of rows that wait for one variant',
    ...integerKind(1, 10_000_000),
  },
  timeoutMs: { name: 'timeout', default: 60_000, help: 'longest time for a request', ...durationKind() },
  invocationLimitBytes: {
    name: 'invocationLimit',
    default: 6 * 2 ** 20,
    help: 'largest body of an InvokeEndpoint call by AWS tools',
    ...bytesKind(),
  },
  invocationTimeoutMs: {
    name: 'invocationTimeout',
    default: 60_000,
    help: "longest time for an InvokeEndpoint call by AWS tools; an endpoint's own timeout may be shorter",
    ...durationKind(),
  },
  asyncBodyLimitBytes: {
    name: 'asyncBodyLimit',
    default: 32 * 2 ** 20,
    help: 'largest body of an asynchronous request, and of all such bodies in memory together',
    ...bytesKind(),
  },
  asyncTopics: { name: 'asyncTopics', default: null, help: 'URLs of notification topics', only: ['file'], ...objectKind() },
  batchPeriodMs: {
    name: 'batchPeriod',
    default: 30_000,
    help: 'how often the settings of serverless variants are reviewed',
    ...durationKind(10_000, 60_000),
  },
  scalingLeadMs: {
    name: 'scalingLead',
    default: null,
    help: 'minimum start time of instances that scaling decisions assume',
    ...durationKind(),
  },
  startDelayMs: {
    name: 'startDelay',
    default: null,
    help: 'delay the start of each instance, like cloud machines, to try out scaling',
    ...durationKind(1, 3_600_000),
  },
  connectionsMax: { name: 'connectionsMax', default: 20_000, help: 'maximum number of open connections', ...integerKind(1, 1_000_000) },
  drainMs: {
    name: 'drain',
    default: 10_000,
    help: 'how long requests in flight may take to finish after SIGTERM; new ones are accepted during the first fifth, at most 2s',
    ...durationKind(),
  },
  memoryLimitBytes: {
    name: 'memoryLimit',
    default: null,
    help: 'server memory limit; near it, large bodies are rejected with 503 (default: 90 % of the machine or container)',
    ...bytesKind(),
  },
  warmWorkers: { name: 'warmWorkers', default: 2, help: 'workers kept ready without a model', ...integerKind(0, 64) },
  profileBudgetMs: {
    name: 'profileBudget',
    default: 3000,
    help: 'time for measuring the service times of a model version; a slow model has more batch sizes measured with more time',
    // A measurement may take four times as long on a busy machine, and is ended after a minute.
    ...durationKind(100, 10_000),
  },
  cores: { name: 'cores', default: null, help: 'cores that workers may use (default: all)', ...integerKind(1, 4096) },
  localWorkers: {
    name: 'localWorkers',
    default: 'always',
    help: 'whether a node runs workers itself that hosts could run: as any host does, only if no host has room, or never',
    ...choiceKind(['always', 'when-needed', 'never']),
  },
  scaleHosts: {
    name: 'scaleHosts',
    default: null,
    help: 'set of hosts NAME-0, NAME-1, … that the node that serves scales to the hosts wanted: a StatefulSet of Kubernetes',
    ...patternKind('NAME', /^[a-z](?:[a-z0-9-]{0,50}[a-z0-9])?$/, 'lower-case letters, digits and hyphens, at most 52'),
  },
  scaleHostsRange: {
    name: 'scaleHostsRange',
    default: { min: 1, max: 10 },
    help: 'fewest and most hosts of the set that is scaled (default: 1..10)',
    ...rangeKind(0, 1000),
  },
  scaleHostsExec: {
    name: 'scaleHostsExec',
    default: null,
    help: 'program that reads and changes the number of hosts of the set, instead of Kubernetes',
    ...textKind('PROGRAM'),
  },
  joinSecret: {
    name: 'joinSecret',
    default: null,
    help: 'secret of Kubernetes in which the node that serves keeps a join token that has not expired',
    ...patternKind(
      'NAME/KEY',
      /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/[A-Za-z0-9._-]{1,253}$/,
      'the name of a secret and a key in it, such as penstock-join-token/token',
    ),
  },
  serviceAccount: {
    name: 'serviceAccount',
    default: null,
    help: 'folder with token, ca.crt and namespace of a service account of Kubernetes (default: where it is in a pod)',
    ...textKind('F'),
  },
  hostSize: {
    name: 'hostSize',
    default: null,
    help: 'size of the hosts that are wanted (default: that of most hosts; none are wanted before one has joined)',
    ...machineSizeKind(),
  },
  awsAccount: {
    name: 'awsAccount',
    default: '000000000000',
    help: 'AWS account ID in ARNs',
    ...patternKind('ID', /^\d{12}$/, '12 digits'),
  },
  awsRegion: {
    name: 'awsRegion',
    default: 'us-east-1',
    help: 'AWS region in ARNs',
    // The length bounds of AWS's own patterns for ARNs.
    ...patternKind('R', /^(?=.{9,16}$)[a-z]+(?:-[a-z0-9]+)+$/, 'a region of 9 to 16 characters such as us-east-1'),
  },
  otlpEndpoint: {
    name: 'otlpEndpoint',
    default: null,
    help: 'trace collector, OTLP over HTTP, such as http://127.0.0.1:4318',
    ...patternKind('URL', /^https?:\/\/\S{1,500}$/, 'a URL such as http://127.0.0.1:4318'),
  },
  traceShare: {
    name: 'traceShare',
    default: 0.01,
    help: 'share of requests that start a new trace; requests with a trace follow the decision of their caller',
    ...shareKind(),
  },
  webhookSecret: {
    name: 'webhookSecret',
    default: null,
    help: 'secret that signs webhooks; without one, they are unsigned',
    only: ['environment', 'file'], // other users can read the arguments of a process
    ...textKind('S'),
  },
  webhookPrivate: {
    name: 'webhookPrivate',
    default: 'refuse',
    help: 'whether webhooks may call private networks and, if the server listens beyond loopback, this machine',
    ...choiceKind(['refuse', 'allow']),
  },
  prices: { name: 'prices', default: null, help: 'overrides of the price table', only: ['file'], ...objectKind() },
  accelerators: {
    name: 'accelerators',
    default: null,
    help: 'instance types whose workers of Python models use a device of this machine: devices, perDevice, memoryMiB, usdPerHour',
    only: ['environment', 'file'],
    ...objectTextKind(),
  },
  images: { name: 'images', default: null, help: 'how to run the processes of container images', only: ['file'], ...listKind() },
  environments: {
    name: 'environments',
    default: null,
    help: 'how Python environments are built, and interpreters of the operator',
    only: ['file'],
    ...objectKind(),
  },
  python: { name: 'python', default: null, help: 'whether and how Python models run', only: ['file'], ...objectKind() },
  isolation: {
    name: 'isolation',
    default: null,
    help: 'isolation of workers: mode, uids and diskMiB',
    only: ['file'],
    ...objectKind(),
  },
  training: { name: 'training', default: null, help: 'whether training jobs run, and how many wait', only: ['file'], ...objectKind() },
};

/**
 * The settings of a server: one table gives their flags, their PENSTOCK_* variables, their keys in config.json, their
 * checks and their documentation. A flag beats the environment, that beats the file, that beats the default.
 */
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { messageOf, PlatformError } from './errors.ts';
import { formatMs, parseDurationMs } from './objective.ts';

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

export interface Setting<Value = unknown> {
  /** As in config.json; `--body-limit` and PENSTOCK_BODY_LIMIT follow from `bodyLimit`. */
  readonly name: string;
  readonly default: Value;
  readonly help: string;
  /** What a value looks like: `N`, `F`, `off|files`. */
  readonly placeholder: string;
  /** Where it may stand; everywhere unless said. */
  readonly only?: readonly Source[];
  /** Reads what was given, a text or a JSON value; answers undefined where it makes no sense. */
  readonly read: (given: unknown) => Value | undefined;
  /** What would make sense, as the error says it. */
  readonly expected: string;
}

export type Source = 'flag' | 'environment' | 'file';

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
    default: 5000,
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

/** Variables that belong to the clients of a server, and to those who simulate and test: where recorded loads lie. */
const clientVariables = ['PENSTOCK_URL', 'PENSTOCK_KEY', 'PENSTOCK_TRACES'];

export interface ConfigSources {
  /** By names as in config.json; what is undefined was not given. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Unless given: `config.json` in the data directory, which need not exist. */
  readonly file?: string | undefined;
}

/** Throws `invalid_request` for anything unknown, of the wrong type or that does not fit together. */
export function loadConfig(sources: ConfigSources): Config {
  const given = allGiven(sources);
  const config: Config = {
    host: valueOf('host', given),
    port: valueOf('port', given),
    grpcPort: valueOf('grpcPort', given),
    dataDir: valueOf('dataDir', given),
    tls: valueOf('tls', given),
    tlsCert: valueOf('tlsCert', given),
    tlsKey: valueOf('tlsKey', given),
    databaseUrl: valueOf('databaseUrl', given),
    logLevel: valueOf('logLevel', given),
    bodyLimitBytes: valueOf('bodyLimitBytes', given),
    artifactLimitBytes: valueOf('artifactLimitBytes', given),
    metricsLimitBytes: valueOf('metricsLimitBytes', given),
    requestLinesPerSecond: valueOf('requestLinesPerSecond', given),
    queueRowsMax: valueOf('queueRowsMax', given),
    timeoutMs: valueOf('timeoutMs', given),
    invocationLimitBytes: valueOf('invocationLimitBytes', given),
    invocationTimeoutMs: valueOf('invocationTimeoutMs', given),
    asyncBodyLimitBytes: valueOf('asyncBodyLimitBytes', given),
    asyncTopics: valueOf('asyncTopics', given),
    batchPeriodMs: valueOf('batchPeriodMs', given),
    scalingLeadMs: valueOf('scalingLeadMs', given),
    startDelayMs: valueOf('startDelayMs', given),
    connectionsMax: valueOf('connectionsMax', given),
    warmWorkers: valueOf('warmWorkers', given),
    cores: valueOf('cores', given),
    awsAccount: valueOf('awsAccount', given),
    awsRegion: valueOf('awsRegion', given),
    otlpEndpoint: valueOf('otlpEndpoint', given),
    traceShare: valueOf('traceShare', given),
    webhookSecret: valueOf('webhookSecret', given),
    prices: valueOf('prices', given),
    images: valueOf('images', given),
  };
  return checkTls(
    config,
    given.some(({ name }) => name === 'tls'),
  );
}

/** One setting alone, for those who do not start a server: whether it fits the others is not their business. */
export function loadSetting<Property extends keyof Config>(property: Property, sources: ConfigSources): Config[Property] {
  return valueOf(property, allGiven(sources));
}

/** `--body-limit`. */
export function flagName(setting: Pick<Setting, 'name'>): string {
  return `--${setting.name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `PENSTOCK_BODY_LIMIT`. */
export function variableName(setting: Pick<Setting, 'name'>): string {
  return `PENSTOCK_${setting.name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Whether only this machine reaches an address: 127.0.0.0/8, ::1 (also as IPv4 in IPv6) and localhost, with nothing around it. */
export function isLoopback(address: string): boolean {
  const bare = address.startsWith('::ffff:') ? address.slice(7) : address;
  return (isIPv4(bare) && bare.startsWith('127.')) || address === '::1' || address.toLowerCase() === 'localhost';
}

/** A value somebody gave, first come first counted. */
interface Given {
  readonly name: string;
  readonly value: unknown;
  /** How the giver knows it: `--port`, `PENSTOCK_PORT`, `port in config.json`. */
  readonly label: string;
}

function allGiven({ flags = {}, env = {}, file }: ConfigSources): Given[] {
  const given = [...fromFlags(flags), ...fromEnvironment(env)];
  return [...given, ...fromFile(file ?? join(valueOf('dataDir', given), 'config.json'), file !== undefined)];
}

function valueOf<Property extends keyof Config>(property: Property, given: readonly Given[]): Config[Property] {
  const setting: Setting<Config[Property]> = settings[property];
  const first = given.find(({ name }) => name === setting.name);
  if (first === undefined) return setting.default;
  const value = setting.read(first.value);
  if (value === undefined)
    throw new PlatformError('invalid_request', `${first.label}: expected ${setting.expected}, got ${show(first.value)}`);
  return value;
}

function fromFlags(flags: Readonly<Record<string, unknown>>): Given[] {
  const known = namesFor('flag');
  return Object.entries(flags).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (!known.includes(name))
      throw unknown(
        flagName({ name }),
        known.map((other) => flagName({ name: other })),
        'flag',
      );
    return [{ name, value, label: flagName({ name }) }];
  });
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Given[] {
  const byVariable = new Map(namesFor('environment').map((name) => [variableName({ name }), name]));
  return Object.entries(env).flatMap(([variable, value]) => {
    if (!variable.startsWith('PENSTOCK_') || clientVariables.includes(variable) || value === undefined || value === '') return [];
    const name = byVariable.get(variable);
    if (name === undefined) throw unknown(variable, [...byVariable.keys(), ...clientVariables], 'environment variable');
    return [{ name, value, label: variable }];
  });
}

function fromFile(path: string, mustExist: boolean): Given[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    // ENOTDIR: whoever opens the data directory says that it is none.
    const isMissing = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
    if (isMissing && !mustExist) return [];
    throw new PlatformError('invalid_request', `${path} cannot be read: ${messageOf(cause)}; expected a JSON object of settings`, {
      cause,
    });
  }
  if (!isObject(content)) throw new PlatformError('invalid_request', `${path}: expected a JSON object of settings, got ${show(content)}`);
  const known = namesFor('file');
  return Object.entries(content).map(([name, value]) => {
    if (name === settings.dataDir.name) {
      throw new PlatformError('invalid_request', `${path}: dataDir cannot stand in a file; give --data-dir or PENSTOCK_DATA_DIR`);
    }
    if (!known.includes(name)) throw unknown(name, known, `setting in ${path}`);
    return { name, value, label: `${name} in ${path}` };
  });
}

/** Whoever gives a certificate means it; whoever listens beyond loopback needs one. */
function checkTls(config: Config, tlsWasGiven: boolean): Config {
  const { host, tlsCert, tlsKey } = config;
  const hasFiles = tlsCert !== null && tlsKey !== null;
  if (!hasFiles && (tlsCert !== null || tlsKey !== null || config.tls === 'files')) {
    throw new PlatformError('invalid_request', 'TLS from files needs both --tls-cert F and --tls-key F');
  }
  if (hasFiles && tlsWasGiven && config.tls !== 'files') {
    throw new PlatformError('invalid_request', `--tls ${config.tls} and --tls-cert do not fit together: leave one of them out`);
  }
  const tls = hasFiles ? 'files' : config.tls;
  if (tls === 'off' && !isLoopback(host)) {
    throw new PlatformError(
      'invalid_request',
      `listening on ${host} lets others in and needs TLS: add --tls self-signed, or --tls-cert F --tls-key F`,
    );
  }
  return { ...config, tls };
}

function namesFor(source: Source): string[] {
  return Object.values(settings)
    .filter(({ only }) => only === undefined || only.includes(source))
    .map(({ name }) => name);
}

function unknown(name: string, known: readonly string[], what: string): PlatformError {
  const nearest = known.map((other) => ({ other, edits: editDistance(name, other) })).sort((a, b) => a.edits - b.edits)[0];
  const suggestion =
    nearest !== undefined && nearest.edits <= Math.max(2, name.length / 3)
      ? `did you mean ${nearest.other}?`
      : `known are ${known.join(', ')}`;
  return new PlatformError('invalid_request', `unknown ${what} ${name}: ${suggestion}`);
}

/** How many letters to add, drop or change to come from one word to the other (Levenshtein), without case. */
function editDistance(from: string, to: string): number {
  const [a, b] = [from.toLowerCase(), to.toLowerCase()];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** A secret in a URL does not belong into an error. */
function show(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).replace(/:\/\/[^@/"]*@/, '://…@').slice(0, 100);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Kind<Value> = Pick<Setting<Value>, 'placeholder' | 'expected' | 'read'>;

function text(placeholder: string): Kind<string> {
  return { placeholder, expected: 'a text', read: (given) => (typeof given === 'string' && given !== '' ? given : undefined) };
}

function pattern(placeholder: string, form: RegExp, expected: string): Kind<string> {
  return { placeholder, expected, read: (given) => (typeof given === 'string' && form.test(given) ? given : undefined) };
}

function integer(min: number, max: number): Kind<number> {
  return {
    placeholder: 'N',
    expected: `a whole number from ${min} to ${max}`,
    read(given) {
      const value = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given;
      return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
    },
  };
}

function portOrOff(): Kind<number | 'off'> {
  const port = integer(0, 65_535);
  return { placeholder: 'N|off', expected: `${port.expected}, or off`, read: (given) => (given === 'off' ? given : port.read(given)) };
}

function share(): Kind<number> {
  return {
    placeholder: 'N',
    expected: 'a number from 0 to 1',
    read(given) {
      const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
      return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
    },
  };
}

function choice<const Word extends string>(words: readonly Word[]): Kind<Word> {
  return {
    placeholder: words.join('|'),
    expected: `one of ${words.join(', ')}`,
    read: (given) => words.find((word) => word === given),
  };
}

function bytes(): Kind<number> {
  const units: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
  return {
    placeholder: 'SIZE',
    expected: 'a number of bytes, or a size such as 64MiB (KiB, MiB, GiB)',
    read(given) {
      const [, amount, unit] = /^\s*(\d+)\s*(KiB|MiB|GiB)?\s*$/.exec(String(given)) ?? [];
      const value = amount === undefined ? Number.NaN : Number(amount) * (unit === undefined ? 1 : (units[unit] as number));
      return Number.isSafeInteger(value) && value > 0 ? value : undefined;
    },
  };
}

function duration(leastMs = 0, mostMs = 86_400_000): Kind<number> {
  const bounds = leastMs === 0 ? 'above 0 and at most a day' : `from ${formatMs(leastMs)} to ${formatMs(mostMs)}`;
  return {
    placeholder: 'TIME',
    expected: `a time such as 500ms, 60s or 5m, ${bounds} (a bare number is seconds)`,
    read(given) {
      try {
        const ms = parseDurationMs(String(given));
        return ms > 0 && ms >= leastMs && ms <= mostMs ? ms : undefined;
      } catch {
        return undefined; // the error of this table says what is expected
      }
    },
  };
}

function object(): Kind<Readonly<Record<string, unknown>>> {
  return { placeholder: 'JSON', expected: 'a JSON object', read: (given) => (isObject(given) ? given : undefined) };
}

function list(): Kind<readonly unknown[]> {
  return { placeholder: 'JSON', expected: 'a JSON array', read: (given) => (Array.isArray(given) ? given : undefined) };
}

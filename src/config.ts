/** Settings of a server. Flags override the environment, which overrides the file, which overrides defaults. */
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import type { Setting } from './config/setting.ts';
import { type Config, settings } from './config/settings.ts';
import { maskedValue, readConfigFile, readEnvironment, readFlags, type SourcedValue } from './config/sources.ts';
import { PlatformError } from './errors.ts';

export { bytesKind, durationKind, integerKind, patternKind, type SettingKind } from './config/kinds.ts';
export { flagName, type Setting, variableName } from './config/setting.ts';
export { type Config, settings } from './config/settings.ts';

/** Where settings come from, in order of precedence. Tests pass their own instead of those of the process. */
export interface ConfigSources {
  /** Keyed by the names used in config.json; undefined members are not set. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: `config.json` in the data directory, which need not exist. */
  readonly file?: string | undefined;
}

/** Throws `invalid_request` for an unknown setting, a wrong type, or settings that contradict each other. */
export function loadConfig(deps: ConfigSources): Config {
  const provided = collectValues(deps);
  const properties = Object.keys(settings) as (keyof Config)[];
  const config = Object.fromEntries(properties.map((property) => [property, valueOf(property, provided)])) as unknown as Config;
  if (config.clusterKeyFile !== null && config.databaseUrl === null) {
    throw new PlatformError('invalid_request', '--cluster-key-file is for keys in PostgreSQL: add --database-url URL, or leave it out');
  }
  if (config.node !== null && (config.databaseUrl === null || config.objects === null || config.clusterKeyFile === null)) {
    const why = 'the server that replaces another one needs its state, its models and its keys';
    throw new PlatformError('invalid_request', `--node needs --database-url, --objects and --cluster-key-file: ${why}`);
  }
  if (config.link !== null && config.node === null) {
    throw new PlatformError('invalid_request', '--link is for the nodes of a cluster: add --node NAME, or leave it out');
  }
  if (config.localWorkers !== 'always' && config.node === null) {
    throw new PlatformError('invalid_request', '--local-workers is for the nodes of a cluster: add --node NAME, or leave it out');
  }
  checkScaling(config);
  return checkTls(
    config,
    provided.some(({ name }) => name === 'tls'),
  );
}

/** Reads a single setting without checking it against the others. */
export function loadSetting<Property extends keyof Config>(property: Property, deps: ConfigSources): Config[Property] {
  return valueOf(property, collectValues(deps));
}

/**
 * Whether only this machine can reach an address: 127.0.0.0/8, ::1 (also as IPv4 in IPv6) and localhost, each without brackets or a port.
 */
export function isLoopback(address: string): boolean {
  const bare = address.startsWith('::ffff:') ? address.slice(7) : address;
  return (isIPv4(bare) && bare.startsWith('127.')) || address === '::1' || address.toLowerCase() === 'localhost';
}

function collectValues({ flags = {}, env = {}, file }: ConfigSources): SourcedValue[] {
  const provided = [...readFlags(flags), ...readEnvironment(env)];
  return [...provided, ...readConfigFile(file ?? join(valueOf('dataDir', provided), 'config.json'), file !== undefined)];
}

function valueOf<Property extends keyof Config>(property: Property, provided: readonly SourcedValue[]): Config[Property] {
  const setting: Setting<Config[Property]> = settings[property];
  const first = provided.find(({ name }) => name === setting.name);
  if (first === undefined) return setting.default;
  const value = setting.read(first.value);
  if (value === undefined)
    throw new PlatformError('invalid_request', `${first.label}: expected ${setting.expected}, got ${maskedValue(first.value)}`);
  return value;
}

/** The set that is scaled is one of hosts, and what runs it is a program or Kubernetes. */
function checkScaling({ node, scaleHosts, scaleHostsExec, joinSecret, serviceAccount, hostSize }: Config): void {
  if (node === null && (scaleHosts !== null || hostSize !== null || joinSecret !== null)) {
    throw new PlatformError(
      'invalid_request',
      '--scale-hosts, --host-size and --join-secret are for the nodes of a cluster: add --node NAME, or leave them out',
    );
  }
  if (scaleHosts === null && scaleHostsExec !== null) {
    throw new PlatformError('invalid_request', '--scale-hosts-exec needs --scale-hosts NAME: it names the set of hosts');
  }
  const callsKubernetes = joinSecret !== null || (scaleHosts !== null && scaleHostsExec === null);
  if (serviceAccount !== null && !callsKubernetes) {
    throw new PlatformError('invalid_request', '--service-account is for --join-secret, and for --scale-hosts without --scale-hosts-exec');
  }
}

/** A certificate implies TLS; listening beyond loopback requires it. */
function checkTls(config: Config, tlsWasGiven: boolean): Config {
  const { host, tlsCert, tlsKey } = config;
  const hasFiles = tlsCert !== null && tlsKey !== null;
  if (!hasFiles && (tlsCert !== null || tlsKey !== null || config.tls === 'files')) {
    throw new PlatformError('invalid_request', 'TLS from files needs both --tls-cert F and --tls-key F');
  }
  if (hasFiles && tlsWasGiven && config.tls !== 'files') {
    throw new PlatformError('invalid_request', `--tls ${config.tls} and --tls-cert conflict. Remove one of them`);
  }
  const tls = hasFiles ? 'files' : config.tls;
  if (tls === 'off' && !isLoopback(host)) {
    throw new PlatformError(
      'invalid_request',
      `listening on ${host} accepts remote clients and requires TLS: add --tls self-signed, or --tls-cert F --tls-key F`,
    );
  }
  return { ...config, tls };
}

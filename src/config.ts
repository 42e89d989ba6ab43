/**
 * The settings of a server, from wherever they were given. A flag beats the environment, that beats the file, that beats
 * the default.
 */
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { fromEnvironment, fromFile, fromFlags, type Given, show } from './config/given.ts';
import type { Setting } from './config/setting.ts';
import { type Config, settings } from './config/settings.ts';
import { PlatformError } from './errors.ts';

export { flagName, type Setting, variableName } from './config/setting.ts';
export { type Config, settings } from './config/settings.ts';

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
  const properties = Object.keys(settings) as (keyof Config)[];
  const config = Object.fromEntries(properties.map((property) => [property, valueOf(property, given)])) as unknown as Config;
  return checkTls(
    config,
    given.some(({ name }) => name === 'tls'),
  );
}

/** One setting alone, for those who do not start a server: whether it fits the others is not their business. */
export function loadSetting<Property extends keyof Config>(property: Property, sources: ConfigSources): Config[Property] {
  return valueOf(property, allGiven(sources));
}

/** Whether only this machine reaches an address: 127.0.0.0/8, ::1 (also as IPv4 in IPv6) and localhost, with nothing around it. */
export function isLoopback(address: string): boolean {
  const bare = address.startsWith('::ffff:') ? address.slice(7) : address;
  return (isIPv4(bare) && bare.startsWith('127.')) || address === '::1' || address.toLowerCase() === 'localhost';
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

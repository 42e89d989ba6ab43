/** `environments` of config.json: how environments are built, and the interpreters of the operator. */
import { bytesKind, durationKind } from '../config.ts';
import { PlatformError } from '../errors.ts';

/** How environments are built. */
export interface BuildSettings {
  /** `uv`, `pip`, or the absolute path of uv; null: uv if it is found, else pip. */
  readonly tool: string | null;
  /** URL of the package index; null: the default of the tool. It may contain credentials, so it is never shown. */
  readonly index: string | null;
  /** A folder with wheels; null if there is none. */
  readonly wheels: string | null;
  /** Whether only the wheels of that folder are used. */
  readonly isOffline: boolean;
  /** Whether source distributions are built, which runs their code. */
  readonly allowsSdist: boolean;
  readonly timeoutMs: number;
  /** Largest size of an environment while it is built, with its downloads. */
  readonly limitBytes: number;
  /** Memory of the processes of one build. */
  readonly memoryBytesMax: number;
}

/** As config.json has them, with defaults. */
export interface EnvironmentSettings {
  readonly build: BuildSettings;
  /** Absolute paths of interpreters by the name of their environment. */
  readonly interpreters: ReadonlyMap<string, string>;
}

/** The name of the environment that models get without naming one. */
export const defaultName = 'default';
/** Keys of `environments` that are not names of environments. */
const reserved = 'build';
const interpretersMax = 1000;
const pathLengthMax = 4096;
const namePattern = /^[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}$/;
const durationText = durationKind(1000);
const bytesText = bytesKind();

const defaults: BuildSettings = {
  tool: null,
  index: null,
  wheels: null,
  isOffline: false,
  allowsSdist: false,
  timeoutMs: 15 * 60_000,
  limitBytes: 20 * 2 ** 30,
  memoryBytesMax: 4 * 2 ** 30,
};

/** Parses `environments` of config.json. Throws `invalid_request`. */
export function environmentSettings(provided: Readonly<Record<string, unknown>> | null): EnvironmentSettings {
  const { [reserved]: build, ...named } = provided ?? {};
  const names = Object.keys(named);
  if (names.length > interpretersMax) throw wrong('environments', `at most ${interpretersMax} environments`, names.length);
  const interpreters = new Map<string, string>();
  for (const name of names) {
    checkEnvironmentName(name, `environments.${name} in config.json`);
    const entry = named[name];
    if (!isObject(entry)) throw wrong(`environments.${name}`, 'an object such as {"python": "/opt/ml/bin/python"}', entry);
    const { python, ...rest } = entry;
    refuseOthers(`environments.${name}`, rest, ['python']);
    interpreters.set(name.toLowerCase(), absolutePath(`environments.${name}.python`, python));
  }
  return { build: build === undefined ? defaults : readBuild(build), interpreters };
}

/** Throws `invalid_request` unless this can be the name of an environment. `where`: begins the message. */
export function checkEnvironmentName(name: string, where: string): void {
  if (namePattern.test(name) && name.toLowerCase() !== reserved) return;
  const expected = 'expected a name of 1 to 63 letters, digits and single hyphens between them, and not build';
  throw new PlatformError('invalid_request', `${where}: ${expected}, got ${JSON.stringify(name.slice(0, 100))}`);
}

function readBuild(provided: unknown): BuildSettings {
  if (!isObject(provided)) throw wrong('environments.build', 'an object', provided);
  const { tool, index, wheels, offline, sdist, timeout, limit, memory, ...rest } = provided;
  refuseOthers('environments.build', rest, ['tool', 'index', 'wheels', 'offline', 'sdist', 'timeout', 'limit', 'memory']);
  return {
    tool: optional(tool, (value) => (value === 'uv' || value === 'pip' ? value : toolPath(value))) ?? defaults.tool,
    index: optional(index, indexUrl) ?? defaults.index,
    wheels: optional(wheels, (value) => absolutePath('environments.build.wheels', value)) ?? defaults.wheels,
    isOffline: optional(offline, (value) => truth('offline', value)) ?? defaults.isOffline,
    allowsSdist: optional(sdist, (value) => truth('sdist', value)) ?? defaults.allowsSdist,
    timeoutMs: optional(timeout, (value) => read('timeout', durationText, value)) ?? defaults.timeoutMs,
    limitBytes: optional(limit, (value) => read('limit', bytesText, value)) ?? defaults.limitBytes,
    memoryBytesMax: optional(memory, (value) => read('memory', bytesText, value)) ?? defaults.memoryBytesMax,
  };
}

function optional<Value>(provided: unknown, parse: (value: unknown) => Value): Value | undefined {
  return provided === undefined || provided === null ? undefined : parse(provided);
}

function read<Value>(name: string, kind: { read: (provided: unknown) => Value | undefined; expected: string }, provided: unknown): Value {
  const value = kind.read(provided);
  if (value === undefined) throw wrong(`environments.build.${name}`, kind.expected, provided);
  return value;
}

function truth(name: string, provided: unknown): boolean {
  if (typeof provided !== 'boolean') throw wrong(`environments.build.${name}`, 'true or false', provided);
  return provided;
}

function toolPath(provided: unknown): string {
  if (typeof provided !== 'string' || !provided.startsWith('/')) {
    throw wrong('environments.build.tool', '"uv", "pip", or the absolute path of uv', provided);
  }
  return absolutePath('environments.build.tool', provided);
}

/** The value is not repeated in the message: it may contain a password. */
function indexUrl(provided: unknown): string {
  if (typeof provided === 'string' && /^https?:\/\/[^\s'"]{1,2000}$/.test(provided)) return provided;
  throw new PlatformError('invalid_request', 'environments.build.index in config.json: expected an http or https URL of a package index');
}

function absolutePath(where: string, provided: unknown): string {
  const isPath = typeof provided === 'string' && provided.startsWith('/') && provided.length <= pathLengthMax && !provided.includes('\0');
  if (!isPath) throw wrong(where, 'an absolute path', provided);
  return provided;
}

function refuseOthers(where: string, rest: object, known: readonly string[]): void {
  const [extra] = Object.keys(rest);
  if (extra === undefined) return;
  throw new PlatformError('invalid_request', `unknown setting ${where}.${extra} in config.json: expected one of ${known.join(', ')}`);
}

function isObject(provided: unknown): provided is Readonly<Record<string, unknown>> {
  return typeof provided === 'object' && provided !== null && !Array.isArray(provided);
}

function wrong(where: string, expected: string, provided: unknown): PlatformError {
  const shown = JSON.stringify(provided)?.slice(0, 100) ?? 'nothing';
  return new PlatformError('invalid_request', `${where} in config.json: expected ${expected}, got ${shown}`);
}

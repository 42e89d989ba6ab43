/**
 * Maps container images to runtimes. No containers are run: an image name selects the built-in ONNX worker, a Python environment, or a
 * command to start that speaks SageMaker's container contract. Pure.
 */
import { normalize } from 'node:path/posix';
import { isDeepStrictEqual } from 'node:util';
import { PlatformError } from '../../errors.ts';
import { checkName } from '../../objective.ts';

/** One entry of `images` in config.json. */
export interface ImageEntry {
  /** An image name in which `*` matches anything; without a tag it matches all tags and digests. */
  readonly match: string;
  readonly runtime: ImageRuntime;
}

/** The runtime that an image name selects. */
export type ImageRuntime =
  | { readonly kind: 'onnx' }
  | {
      readonly kind: 'python';
      /** The environment of its models; null: the default, or that of a model's own requirements. */
      readonly environment: string | null;
    }
  | {
      readonly kind: 'process';
      /** The program and its first arguments; `serve` is appended. */
      readonly command: readonly string[];
      /** Environment of every model of this image; the model's own variables are added. */
      readonly env: Readonly<Record<string, string>>;
      /** Concurrent requests per instance. */
      readonly concurrency: number;
      readonly access: ProcessAccess;
    };

/** What a process can access in addition to its own folder and the system's programs. */
export interface ProcessAccess {
  /** Readable files and folders of the host. */
  readonly paths: readonly string[];
  /** False only for a command whose code is all the operator's own. It then runs with the rights of the server and accepts no archive. */
  readonly isIsolated: boolean;
}

const onnx: ImageRuntime = { kind: 'onnx' };

/** Maximum length of an image name, as in AWS. */
const nameLengthMax = 255;
const entriesMax = 1000;
const wordsMax = 100;
const textLengthMax = 4096;
const concurrencyMax = 1000;
const pathLengthMax = 4096;

/** Parses the entries of config.json. Throws `invalid_request`. */
export function imageEntries(provided: readonly unknown[] | null): readonly ImageEntry[] {
  if (provided === null) return [];
  if (provided.length > entriesMax) throw wrong('images', `at most ${entriesMax} entries`, provided.length);
  return provided.map((entry, index) => readEntry(`images[${index}]`, entry));
}

/**
 * Resolves an image name. `penstock/onnx` and `penstock/python`, with or without a registry prefix, are always the built-in workers: what
 * the model data holds decides between them. Other names select the first matching entry; without one, AWS images that serve ONNX (`onnx` or
 * `triton` in the name) or Python models select the built-in workers. Throws `invalid_request`, naming the table.
 */
export function resolveImage(entries: readonly ImageEntry[], image: string): ImageRuntime {
  const { repository } = partsOf(image);
  if ([builtIn, builtInPython].some((name) => repository === name || repository.endsWith(`/${name}`))) return onnx;
  const entry = entries.find(({ match }) => matches(match, image));
  if (entry !== undefined) return entry.runtime;
  if (isAwsOnnx(repository)) return onnx;
  // The registry recognises what the model data holds.
  if (pythonRepositories.some((name) => repository === name || repository.endsWith(`/${name}`))) return onnx;
  throw unknownImage(entries, image, [builtIn]);
}

/** The runtime of a name in the table, and its repository: the name without tag and digest. */
export function imageEntryOf(
  entries: readonly ImageEntry[],
  image: string,
): { readonly repository: string; readonly runtime: ImageRuntime | null } {
  return { repository: partsOf(image).repository, runtime: entries.find(({ match }) => matches(match, image))?.runtime ?? null };
}

/** `invalid_request`, naming the table. */
export function unknownImage(entries: readonly ImageEntry[], image: string, builtIns: readonly string[]): PlatformError {
  const { repository } = partsOf(image);
  const known = [...builtIns, ...entries.slice(0, 10).map(({ match }) => match)].join(', ');
  return new PlatformError(
    'invalid_request',
    `image '${image.slice(0, nameLengthMax)}' is not in the images table: expected one of ${known}. ` +
      `Add {"match": "${repository.slice(0, nameLengthMax)}", "runtime": "process", "command": [...]} to images in config.json, and restart the server`,
  );
}

/**
 * Access of a registered process under the current images table. A process stays isolated if foreign code could run in it: from an archive,
 * or by a variable such as LD_PRELOAD. So does one that was registered with another command than the table has today.
 */
export function accessOf(entries: readonly ImageEntry[], version: RegisteredProcess): ProcessAccess {
  const entry = entries.find(({ match }) => matches(match, version.image));
  if (entry?.runtime.kind !== 'process') return { paths: [], isIsolated: true };
  const { access, command, env } = entry.runtime;
  const { archiveBytes, ...stored } = version;
  const isOperatorsOwn = archiveBytes === 0 && isDeepStrictEqual([stored.command, stored.environment], [command, env]);
  return { paths: access.paths, isIsolated: access.isIsolated || !isOperatorsOwn };
}

/** The command that an image stands for, as it is stored with the version. */
export interface RegisteredProcess {
  readonly image: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly archiveBytes: number;
}

const builtIn = 'penstock/onnx';
/** The image name that selects the Python worker, also as the last part of a repository's path. */
export const builtInPython = 'penstock/python';
/** Repositories of SageMaker's images whose models the Python worker runs. */
const pythonRepositories = [
  'sagemaker-scikit-learn',
  'sagemaker-xgboost',
  'pytorch-inference',
  'huggingface-pytorch-inference',
  'mlflow-pyfunc',
];

function isAwsOnnx(repository: string): boolean {
  const [, path] = /^(?:\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|public\.ecr\.aws)\/(.+)$/.exec(repository) ?? [];
  return path !== undefined && /onnx|triton/i.test(path);
}

/** Splits off the tag and digest of `host:5000/team/image:1.2@sha256:…`. `isExact`: whether it had a tag or digest. */
function partsOf(image: string): { readonly repository: string; readonly isExact: boolean } {
  const [named = ''] = image.split('@');
  const repository = named.replace(/:[^/:]*$/, '');
  return { repository, isExact: repository !== image };
}

function matches(pattern: string, image: string): boolean {
  return isLike(pattern, partsOf(pattern).isExact ? image : partsOf(image).repository);
}

/** Searches the pieces between stars from left to right without backtracking, so matching takes linear time. */
function isLike(pattern: string, text: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return text === pattern;
  if (!text.startsWith(first)) return false;
  let from = first.length;
  for (const piece of others) {
    const at = text.indexOf(piece, from);
    if (at === -1) return false;
    from = at + piece.length;
  }
  return text.length - last.length >= from && text.endsWith(last);
}

function readEntry(where: string, provided: unknown): ImageEntry {
  if (!isObject(provided)) throw wrong(where, 'an object with match and runtime', provided);
  const { match, runtime, command, env, concurrency, paths, isolation, environment, ...rest } = provided;
  const [extra] = Object.keys(rest);
  if (extra !== undefined) throw new PlatformError('invalid_request', `unknown setting ${where}.${extra} in config.json. Remove it`);
  if (typeof match !== 'string' || match === '' || match.length > nameLengthMax) {
    throw wrong(`${where}.match`, `the name of an image, in which * stands for anything, of at most ${nameLengthMax} characters`, match);
  }
  if (environment !== undefined && runtime !== 'python')
    throw wrong(`${where}.environment`, `no environment beside "runtime": ${JSON.stringify(runtime)}`, environment);
  if (runtime === 'process') {
    const access = { paths: readPaths(where, paths), isIsolated: readIsolation(where, isolation) };
    const process = {
      command: readCommand(where, command),
      env: readEnv(where, env),
      concurrency: readConcurrency(where, concurrency),
      access,
    };
    return { match, runtime: { kind: 'process', ...process } };
  }
  if (runtime !== 'onnx' && runtime !== 'python') throw wrong(`${where}.runtime`, '"onnx", "python" or "process"', runtime);
  for (const [name, value] of Object.entries({ command, concurrency, paths, isolation, env }))
    if (value !== undefined) throw wrong(`${where}.${name}`, `no ${name} beside "runtime": "${runtime}"`, value);
  return { match, runtime: runtime === 'onnx' ? onnx : { kind: 'python', environment: readEnvironmentName(where, environment) } };
}

function readEnvironmentName(where: string, provided: unknown): string | null {
  if (provided === undefined) return null;
  if (typeof provided !== 'string') throw wrong(`${where}.environment`, 'the name of an environment, such as "torch"', provided);
  return checkName('environment', provided);
}

function readCommand(where: string, provided: unknown): readonly string[] {
  const isCommand =
    Array.isArray(provided) &&
    provided.length > 0 &&
    provided.length <= wordsMax &&
    provided.every((word) => isText(word)) &&
    provided[0] !== '';
  if (!isCommand) throw wrong(`${where}.command`, `a list of 1 to ${wordsMax} texts, such as ["python3", "serve.py"]`, provided);
  return provided;
}

function readConcurrency(where: string, provided: unknown = 1): number {
  const isCount = typeof provided === 'number' && Number.isInteger(provided) && provided >= 1 && provided <= concurrencyMax;
  if (!isCount) throw wrong(`${where}.concurrency`, `a whole number from 1 to ${concurrencyMax}`, provided);
  return provided;
}

function readPaths(where: string, provided: unknown = []): readonly string[] {
  const isPath = (path: unknown): boolean =>
    typeof path === 'string' && path.length <= pathLengthMax && path.startsWith('/') && path !== '/' && path === normalize(path);
  const isList = Array.isArray(provided) && provided.length <= wordsMax && provided.every(isPath);
  if (!isList) throw wrong(`${where}.paths`, `a list of at most ${wordsMax} absolute paths, such as ["/srv/scorer"]`, provided);
  return provided as readonly string[];
}

function readIsolation(where: string, provided: unknown): boolean {
  if (provided !== undefined && provided !== 'none') throw wrong(`${where}.isolation`, '"none", or nothing', provided);
  return provided === undefined;
}

function readEnv(where: string, provided: unknown = {}): Readonly<Record<string, string>> {
  if (!isObject(provided)) throw wrong(`${where}.env`, 'an object of texts', provided);
  return checkEnvironment(`${where}.env in config.json`, provided);
}

/** Variables for a process. Throws `invalid_request`, naming the variable and never its value: it may be a secret. */
export function checkEnvironment(where: string, provided: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const names = Object.keys(provided);
  if (names.length > wordsMax)
    throw new PlatformError('invalid_request', `${where}: expected at most ${wordsMax} variables, got ${names.length}`);
  for (const name of names) {
    if (!/^[A-Za-z_]\w{0,1023}$/.test(name)) {
      throw new PlatformError(
        'invalid_request',
        `${where}: '${name.slice(0, 60)}' is not a valid variable name: expected letters, digits and _`,
      );
    }
    if (!isText(provided[name])) {
      throw new PlatformError('invalid_request', `${where}: ${name} must be a text of at most ${textLengthMax} characters, without NUL`);
    }
  }
  return provided as Readonly<Record<string, string>>;
}

function isText(provided: unknown): provided is string {
  return typeof provided === 'string' && provided.length <= textLengthMax && !provided.includes('\0');
}

function isObject(provided: unknown): provided is Readonly<Record<string, unknown>> {
  return typeof provided === 'object' && provided !== null && !Array.isArray(provided);
}

function wrong(where: string, expected: string, provided: unknown): PlatformError {
  const shown = JSON.stringify(provided)?.slice(0, 100) ?? 'nothing';
  return new PlatformError('invalid_request', `${where} in config.json: expected ${expected}, got ${shown}`);
}

/**
 * Which runtime a container image stands for. There are no containers here: an image's name says either that the
 * built-in ONNX worker serves the model, or which command to start, which then speaks the container contract. Pure.
 */
import { PlatformError } from '../errors.ts';

/** One entry of `images` in config.json. */
export interface ImageEntry {
  /** A name in which `*` stands for anything; without a tag it stands for all tags and digests. */
  readonly match: string;
  readonly runtime: ImageRuntime;
}

export type ImageRuntime =
  | { readonly kind: 'onnx' }
  | {
      readonly kind: 'process';
      /** The program and its first arguments; `serve` comes after them. */
      readonly command: readonly string[];
      /** What every model of this image gets; the model's own environment comes on top. */
      readonly env: Readonly<Record<string, string>>;
      /** How many requests it takes at once. */
      readonly concurrency: number;
    };

const onnx: ImageRuntime = { kind: 'onnx' };

/** AWS allows no longer names. */
const nameLengthMax = 255;
const entriesMax = 1000;
const wordsMax = 100;
const textLengthMax = 4096;
const concurrencyMax = 1000;

/** The entries as config.json gives them. Throws `invalid_request` for what makes no sense. */
export function imageEntries(given: readonly unknown[] | null): readonly ImageEntry[] {
  if (given === null) return [];
  if (given.length > entriesMax) throw wrong('images', `at most ${entriesMax} entries`, given.length);
  return given.map((entry, index) => readEntry(`images[${index}]`, entry));
}

/**
 * `penstock/onnx`, with or without a registry before it, is the built-in worker whatever the table says; then the first
 * entry that matches; then images of AWS that serve ONNX (`onnx` or `triton` in their name). Throws `invalid_request`,
 * naming the table.
 */
export function resolveImage(entries: readonly ImageEntry[], image: string): ImageRuntime {
  const { repository } = partsOf(image);
  if (repository === builtIn || repository.endsWith(`/${builtIn}`)) return onnx;
  const entry = entries.find(({ match }) => matches(match, image));
  if (entry !== undefined) return entry.runtime;
  if (isAwsOnnx(repository)) return onnx;
  const known = [builtIn, ...entries.slice(0, 10).map(({ match }) => match)].join(', ');
  throw new PlatformError(
    'invalid_request',
    `image '${image.slice(0, nameLengthMax)}' is not in the images table: known are ${known}; ` +
      `add {"match": "${repository.slice(0, nameLengthMax)}", "runtime": "process", "command": [...]} to images in config.json, and restart the server`,
  );
}

const builtIn = 'penstock/onnx';

function isAwsOnnx(repository: string): boolean {
  const [, path] = /^(?:\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|public\.ecr\.aws)\/(.+)$/.exec(repository) ?? [];
  return path !== undefined && /onnx|triton/i.test(path);
}

/** `host:5000/team/image:1.2@sha256:…` without and with what says which build of it. */
function partsOf(image: string): { readonly repository: string; readonly isExact: boolean } {
  const [named = ''] = image.split('@');
  const repository = named.replace(/:[^/:]*$/, '');
  return { repository, isExact: repository !== image };
}

function matches(pattern: string, image: string): boolean {
  return isLike(pattern, partsOf(pattern).isExact ? image : partsOf(image).repository);
}

/** Each piece between two stars is looked for behind the one before it: no pattern takes long. */
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

function readEntry(where: string, given: unknown): ImageEntry {
  if (!isObject(given)) throw wrong(where, 'an object with match and runtime', given);
  const { match, runtime, command, env, concurrency, ...rest } = given;
  const [stranger] = Object.keys(rest);
  if (stranger !== undefined)
    throw new PlatformError('invalid_request', `unknown setting ${where}.${stranger} in config.json: leave it out`);
  if (typeof match !== 'string' || match === '' || match.length > nameLengthMax) {
    throw wrong(`${where}.match`, `the name of an image, in which * stands for anything, of at most ${nameLengthMax} characters`, match);
  }
  if (runtime === 'process') {
    const process = { command: readCommand(where, command), env: readEnv(where, env), concurrency: readConcurrency(where, concurrency) };
    return { match, runtime: { kind: 'process', ...process } };
  }
  if (runtime !== 'onnx') throw wrong(`${where}.runtime`, '"onnx" or "process"', runtime);
  if (command !== undefined) throw wrong(`${where}.command`, 'no command beside "runtime": "onnx"', command);
  if (concurrency !== undefined) throw wrong(`${where}.concurrency`, 'no concurrency beside "runtime": "onnx"', concurrency);
  if (env !== undefined) throw wrong(`${where}.env`, 'no env beside "runtime": "onnx"', env);
  return { match, runtime: onnx };
}

function readCommand(where: string, given: unknown): readonly string[] {
  const isCommand =
    Array.isArray(given) && given.length > 0 && given.length <= wordsMax && given.every((word) => isText(word)) && given[0] !== '';
  if (!isCommand) throw wrong(`${where}.command`, `a list of 1 to ${wordsMax} texts, such as ["python3", "serve.py"]`, given);
  return given;
}

function readConcurrency(where: string, given: unknown = 1): number {
  const isCount = typeof given === 'number' && Number.isInteger(given) && given >= 1 && given <= concurrencyMax;
  if (!isCount) throw wrong(`${where}.concurrency`, `a whole number from 1 to ${concurrencyMax}`, given);
  return given;
}

function readEnv(where: string, given: unknown = {}): Readonly<Record<string, string>> {
  if (!isObject(given)) throw wrong(`${where}.env`, 'an object of texts', given);
  return checkEnvironment(`${where}.env in config.json`, given);
}

/** Variables for a process. Throws `invalid_request`, naming the variable and never its value: it may be a secret. */
export function checkEnvironment(where: string, given: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const names = Object.keys(given);
  if (names.length > wordsMax)
    throw new PlatformError('invalid_request', `${where}: ${names.length} variables came, at most ${wordsMax} are allowed`);
  for (const name of names) {
    if (!/^[A-Za-z_]\w{0,1023}$/.test(name)) {
      throw new PlatformError(
        'invalid_request',
        `${where}: '${name.slice(0, 60)}' is no name of a variable: expected letters, digits and _`,
      );
    }
    if (!isText(given[name])) {
      throw new PlatformError('invalid_request', `${where}: ${name} must be a text of at most ${textLengthMax} characters, without NUL`);
    }
  }
  return given as Readonly<Record<string, string>>;
}

function isText(given: unknown): given is string {
  return typeof given === 'string' && given.length <= textLengthMax && !given.includes('\0');
}

function isObject(given: unknown): given is Readonly<Record<string, unknown>> {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}

function wrong(where: string, expected: string, given: unknown): PlatformError {
  const shown = JSON.stringify(given)?.slice(0, 100) ?? 'nothing';
  return new PlatformError('invalid_request', `${where} in config.json: expected ${expected}, got ${shown}`);
}

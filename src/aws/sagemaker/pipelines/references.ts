/** References in the arguments of a step: `Get`, `Std:Join` and `Std:JsonGet`, found and resolved. */
import { AwsError } from '../../service.ts';

/** What a reference refers to: a parameter, or a step and possibly one of its files. */
export interface StepReference {
  /** Of a reference to a parameter. */
  readonly parameter: string | null;
  /** Of a reference to a property or property file of a step. */
  readonly step: string | null;
  readonly file: string | null;
}

/** What references stand for in one execution. */
export interface ReferenceValues {
  readonly parameter: (name: string) => unknown;
  /** `PipelineExecutionId` */
  readonly execution: (name: string) => unknown;
  /** What the Describe operation says of the step's job. */
  readonly step: (name: string) => Promise<unknown>;
  /** The content of a property file of a step, parsed. */
  readonly file: (step: string, name: string) => Promise<unknown>;
  /** The content of an object, parsed. */
  readonly object: (uri: string) => Promise<unknown>;
}

const executionNames = ['PipelineName', 'PipelineArn', 'PipelineExecutionId', 'PipelineExecutionArn', 'StartDateTime', 'CurrentDateTime'];
/** `.name`, `[0]`, `['name']` */
const partPattern = /\.?([A-Za-z0-9_-]+)|\[(\d{1,6})\]|\[(?:'([^']*)'|"([^"]*)")\]/gy;

/** Of what the references in one step stand for together: a few KiB can refer to a long text, or to a large object, thousands of times. */
const charactersMax = 2 ** 20;
/** Only short lists, as of channels, are searched for a name. */
const namedListMax = 100;
const shownMax = 200;

type Json = Readonly<Record<string, unknown>>;
type Part = string | number;

/** The operation of an object that is a reference; null for other values. */
function operatorOf(value: unknown): 'Get' | 'Std:Join' | 'Std:JsonGet' | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const [name, ...others] = Object.keys(value);
  if (name === undefined || others.length > 0) return null;
  if (name === 'Get' || name === 'Std:Join' || name === 'Std:JsonGet') return name;
  return null;
}

/** All references in a value. Throws `ValidationException` for one that is malformed or not served. */
export function stepReferencesIn(value: unknown, at: string): StepReference[] {
  if (typeof value !== 'object' || value === null) return [];
  const unknown = Object.keys(value).find((name) => name.startsWith('Std:') && name !== 'Std:Join' && name !== 'Std:JsonGet');
  if (unknown !== undefined) throw invalid(`${unknown} in ${at} is not supported: expected Get, Std:Join or Std:JsonGet.`);
  const operator = operatorOf(value);
  if (operator !== 'Get') {
    if (operator === 'Std:Join') joinOf(value as Json, at);
    if (operator === 'Std:JsonGet') partsOf(jsonGetOf(value as Json, at).path, at);
    return Object.values(value).flatMap((each) => stepReferencesIn(each, at));
  }
  const { kind, name, rest } = getOf((value as Json)['Get'], at);
  if (kind === 'Parameters') return [{ parameter: name, step: null, file: null }];
  if (kind === 'Execution') return [];
  const file = rest[0] === 'PropertyFiles' ? String(rest[1]) : null;
  return [{ parameter: null, step: name, file }];
}

/**
 * The value with all references replaced. Throws `ValidationException` for the first that leads nowhere, and if they stand for more than
 * `charactersMax` together.
 */
export function resolveReferences(value: unknown, values: ReferenceValues, at: string): Promise<unknown> {
  return new Resolution(values, at).resolve(value);
}

/** One after the other, so the first error ends the work. */
class Resolution {
  readonly #values: ReferenceValues;
  readonly #at: string;
  #characters = 0;

  constructor(values: ReferenceValues, at: string) {
    this.#values = values;
    this.#at = at;
  }

  async resolve(value: unknown): Promise<unknown> {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return this.#all(value);
    const operator = operatorOf(value);
    if (operator === null) {
      const names = Object.keys(value);
      const resolved = await this.#all(Object.values(value));
      return Object.fromEntries(names.map((name, index) => [name, resolved[index]] as const));
    }
    const found = await this.#valueOf(operator, value as Json);
    this.#count(found);
    return found;
  }

  async #all(parts: readonly unknown[]): Promise<unknown[]> {
    const resolved: unknown[] = [];
    for (const each of parts) resolved.push(await this.resolve(each));
    return resolved;
  }

  async #valueOf(operator: NonNullable<ReturnType<typeof operatorOf>>, value: Json): Promise<unknown> {
    const [values, at] = [this.#values, this.#at];
    if (operator === 'Get') return getValue(value['Get'], values, at);
    if (operator === 'Std:Join') {
      const { on, parts } = joinOf(value, at);
      return this.#joined(on, await this.#all(parts));
    }
    const { path, file, uri } = jsonGetOf(value, at);
    const content = file === null ? await values.object(asText(await this.resolve(uri))) : await fileOf(file, values, at);
    return walk(content, partsOf(path, at), `JsonGet of ${at}`);
  }

  #joined(on: string, parts: readonly unknown[]): string {
    const texts = parts.map(asText);
    const length = texts.reduce((sum, text) => sum + on.length + text.length, 0);
    if (length > charactersMax) throw invalid(`Std:Join in ${this.#at} has ${length} characters: expected at most ${charactersMax}`);
    return texts.join(on);
  }

  /** Ends at the limit, so it takes no longer than the limit allows, however large the value is. */
  #count(value: unknown): void {
    this.#characters += typeof value === 'string' ? value.length : 8;
    if (this.#characters > charactersMax)
      throw invalid(`the references in ${this.#at} stand for more than ${charactersMax} characters: refer to less, or to shorter values`);
    if (typeof value !== 'object' || value === null) return;
    for (const [name, each] of Object.entries(value)) {
      this.#characters += name.length;
      this.#count(each);
    }
  }
}

async function getValue(path: unknown, values: ReferenceValues, at: string): Promise<unknown> {
  const { kind, name, rest } = getOf(path, at);
  if (kind === 'Parameters') return values.parameter(name);
  if (kind === 'Execution') return values.execution(name);
  return walk(await values.step(name), rest, `${String(path).slice(0, shownMax)} of ${at}`);
}

async function fileOf(file: unknown, values: ReferenceValues, at: string): Promise<unknown> {
  const { name, rest } = getOf((file as Json | undefined)?.['Get'], at);
  return values.file(name, String(rest[1]));
}

/** `Parameters.C`, `Execution.PipelineExecutionId`, `Steps.Train.ModelArtifacts.S3ModelArtifacts` */
function getOf(path: unknown, at: string) {
  const [kind, name, ...rest] = typeof path === 'string' ? partsOf(path, at) : [];
  if (typeof name !== 'string' || (kind !== 'Parameters' && kind !== 'Execution' && kind !== 'Steps'))
    throw invalid(
      `Get ${JSON.stringify(path)?.slice(0, 200)} in ${at} is malformed: expected Parameters.NAME, Execution.NAME or Steps.NAME.PROPERTY`,
    );
  if (kind === 'Execution' && !executionNames.includes(name))
    throw invalid(`Get Execution.${name} in ${at} is not supported: expected one of ${executionNames.join(', ')}.`);
  return { kind, name, rest } as const;
}

function joinOf(value: Json, at: string): { readonly on: string; readonly parts: readonly unknown[] } {
  const { On: on, Values: parts } = (value['Std:Join'] ?? {}) as Json;
  if (typeof on !== 'string' || !Array.isArray(parts)) throw invalid(`Std:Join in ${at} is malformed: expected On and Values`);
  return { on, parts: parts as readonly unknown[] };
}

function jsonGetOf(value: Json, at: string) {
  const { PropertyFile: file = null, S3Uri: uri = null, Path: path } = (value['Std:JsonGet'] ?? {}) as Json;
  if (typeof path !== 'string' || (file === null) === (uri === null))
    throw invalid(`Std:JsonGet in ${at} is malformed: expected PropertyFile or S3Uri, and Path`);
  if (file !== null && getOf((file as Json)['Get'], at).rest[0] !== 'PropertyFiles')
    throw invalid(`Std:JsonGet in ${at} is malformed: expected a PropertyFile {"Get": "Steps.NAME.PropertyFiles.FILE"}`);
  return { path, file, uri } as const;
}

function partsOf(path: string, at: string): Part[] {
  const parts: Part[] = [];
  const text = path.replace(/^\$\.?/, '');
  partPattern.lastIndex = 0;
  while (partPattern.lastIndex < text.length) {
    const [whole, name, index, single, double] = partPattern.exec(text) ?? [];
    if (whole === undefined)
      throw invalid(`the path '${path.slice(0, 200)}' in ${at} is malformed: expected names and indexes, such as a.b[0].c`);
    parts.push(index === undefined ? (name ?? single ?? double ?? '') : Number(index));
  }
  return parts;
}

/** Lists of inputs, outputs and channels are addressed by name, too. */
function walk(start: unknown, parts: readonly Part[], what: string): unknown {
  let value = start;
  for (const part of parts) {
    const own = value as Json | null;
    if (Array.isArray(value) && typeof part === 'string')
      value = value.length > namedListMax ? undefined : (value.find((each) => isNamed(each, part)) as unknown);
    else if (typeof own === 'object' && own !== null && Object.hasOwn(own, part)) value = own[part];
    else value = undefined;
    if (value === undefined) throw invalid(`${what}: there is no '${String(part).slice(0, shownMax)}' in ${shown(own)}`);
  }
  return value;
}

/** The beginning of a value as JSON: the whole can be megabytes. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, shownMax));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'nothing';
  let text = Array.isArray(value) ? '[' : '{';
  for (const name in value) {
    if (text.length >= shownMax) break;
    const each = (value as Json)[name];
    const inner = typeof each === 'object' && each !== null ? (Array.isArray(each) ? '[…]' : '{…}') : shown(each);
    text += `${text.length === 1 ? '' : ','}${Array.isArray(value) ? '' : `${JSON.stringify(name)}:`}${inner}`;
  }
  return `${text}${Array.isArray(value) ? ']' : '}'}`.slice(0, shownMax);
}

function isNamed(value: unknown, name: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { OutputName, InputName, ChannelName, Name } = value as Json;
  return [OutputName, InputName, ChannelName, Name].includes(name);
}

/** The value as `Std:Join` writes it: other values than texts and times as JSON. */
export function asText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function invalid(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

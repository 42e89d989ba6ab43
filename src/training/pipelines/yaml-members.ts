/**
 * Reads YAML from a caller, member by member, with the line of each: unknown and repeated members, aliases and tags are rejected, and the
 * size is bounded before anything is parsed. Pure.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar, type YAMLMap } from 'yaml';
import { PlatformError } from '../../errors.ts';
import { closestName } from '../../names.ts';
import { parseDurationMs } from '../../objective.ts';

/** Size of a file, checked before it is parsed. */
export const yamlBytesMax = 64 * 1024;
/** The parser recurses for each level; no file needs more. */
const depthMax = 20;

/** Throws `invalid_request` with the line, `too_large`. */
export function readYamlMembers(text: string): YamlMembers {
  if (Buffer.byteLength(text) > yamlBytesMax) throw new PlatformError('too_large', `the file is larger than ${yamlBytesMax / 1024} KiB`);
  checkDepth(text);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true, version: '1.2', logLevel: 'silent' });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const line = lines.linePos(error.pos[0]).line;
    throw new PlatformError('invalid_request', `line ${line}: this is not YAML: ${(error.message.split('\n', 1)[0] ?? '').slice(0, 200)}`);
  }
  return YamlMembers.of(document.contents, { path: '', line: 1, lines });
}

/** Brackets and indentation bound the depth of a document; both are counted without parsing. */
function checkDepth(text: string): void {
  const indents: number[] = [];
  let open = 0;
  for (const [index, line] of text.split('\n').entries()) {
    const indent = /^[ ]*/.exec(line)?.[0].length ?? 0;
    while ((indents.at(-1) ?? -1) >= indent) indents.pop();
    indents.push(indent);
    const dashes = /^[ ]*((?:[-?:][ ]+)*)/.exec(line)?.[1]?.length ?? 0;
    let most = 0;
    for (const char of line) {
      if (char === '[' || char === '{') most = Math.max(most, ++open);
      if (char === ']' || char === '}') open = Math.max(0, open - 1);
    }
    if (indents.length + dashes / 2 + most > 3 * depthMax)
      throw new PlatformError('invalid_request', `line ${index + 1}: it is nested deeper than ${depthMax}`);
  }
}

interface Position {
  /** `train.channels`; empty for the whole file. */
  readonly path: string;
  readonly line: number;
  readonly lines: LineCounter;
}

/** The members of one object of the file. Each is read once; `end` rejects what was not read. */
export class YamlMembers {
  readonly path: string;
  readonly line: number;
  readonly #pairs = new Map<string, { readonly value: Node | null; readonly line: number }>();
  readonly #lines: LineCounter;
  readonly #known = new Set<string>();

  private constructor(map: YAMLMap, { path, line, lines }: Position) {
    this.path = path;
    this.line = line;
    this.#lines = lines;
    for (const pair of map.items) {
      const { key, value } = pair;
      const at = lineOf(key as Node, lines) ?? line;
      if (!isScalar(key)) throw wrong(at, path, 'expected names of members', 'another structure');
      plain(key, at, path);
      this.#pairs.set(String(key.value), { value: (value as Node | null) ?? null, line: at });
    }
  }

  /** Throws `invalid_request` unless the node is an object. */
  static of(node: unknown, position: Position): YamlMembers {
    const { path, line, lines } = position;
    const at = lineOf(node as Node, lines) ?? line;
    if (isMap(node)) {
      plain(node, at, path);
      return new YamlMembers(node, { path, line: at, lines });
    }
    throw wrong(at, path, 'expected members, such as name: …', kindOf(node));
  }

  has(name: string): boolean {
    return this.#pairs.has(name);
  }

  /** Names of all members, for an object whose names are free. */
  get names(): readonly string[] {
    return [...this.#pairs.keys()];
  }

  /** Throws `invalid_request` for members that were not read, with the nearest known name. */
  end(): void {
    for (const [name, { line }] of this.#pairs) {
      if (this.#known.has(name)) continue;
      const known = [...this.#known];
      const near = closestName(name, known);
      const where = this.path === '' ? '' : ` of ${this.path}`;
      const meant = near === null ? `expected one of ${known.join(', ')}` : `did you mean '${near}'?`;
      throw new PlatformError('invalid_request', `line ${line}: unknown member '${name.slice(0, 80)}'${where}: ${meant}`);
    }
  }

  /** Throws `invalid_request` at the member, or at the object if the member is missing. */
  fail(name: string, problem: string): never {
    const line = this.#pairs.get(name)?.line ?? this.line;
    throw new PlatformError('invalid_request', `line ${line}: ${this.#pathOf(name)}: ${problem}`);
  }

  /** Runs a check of the value of a member, whose error then names the line. */
  checked<T>(name: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof PlatformError) this.fail(name, error.message);
      throw error;
    }
  }

  text(name: string): string | null {
    const found = this.#take(name);
    if (found === null) return null;
    const { value, line } = found;
    if (isScalar(value) && ['string', 'number', 'boolean'].includes(typeof value.value)) {
      plain(value, line, this.#pathOf(name));
      // As written: 1.0 stays 1.0, and a long number loses no digit.
      return textIn(value);
    }
    throw wrong(line, this.#pathOf(name), 'expected a text', kindOf(value));
  }

  textOf(name: string): string {
    return this.text(name) ?? this.fail(name, 'it is missing');
  }

  number(name: string, least: number, most: number): number | null {
    const text = this.text(name);
    if (text === null) return null;
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= least && value <= most) return value;
    return this.fail(name, `expected a number from ${least} to ${most}, got '${text.slice(0, 80)}'`);
  }

  flag(name: string): boolean | null {
    const text = this.text(name);
    if (text === null || text === 'true' || text === 'false') return text === null ? null : text === 'true';
    return this.fail(name, `expected true or false, got '${text.slice(0, 80)}'`);
  }

  oneOf<Word extends string>(name: string, words: readonly Word[]): Word | null {
    const text = this.text(name);
    if (text === null || words.includes(text as Word)) return text as Word | null;
    return this.fail(name, `expected one of ${words.join(', ')}, got '${text.slice(0, 80)}'`);
  }

  /** `90s`, `1h`, `7d`, in milliseconds. */
  durationMs(name: string): number | null {
    const text = this.text(name);
    return text === null ? null : this.checked(name, () => parseDurationMs(text));
  }

  members(name: string): YamlMembers | null {
    const found = this.#take(name);
    if (found === null) return null;
    return YamlMembers.of(found.value, { path: this.#pathOf(name), line: found.line, lines: this.#lines });
  }

  /** A list of objects. */
  list(name: string, most: number): readonly YamlMembers[] | null {
    const items = this.#items(name, most);
    if (items === null) return null;
    return items.map((node, i) => YamlMembers.of(node, { path: `${this.#pathOf(name)}[${i}]`, line: this.line, lines: this.#lines }));
  }

  /** A list of texts. */
  texts(name: string, most: number): readonly string[] | null {
    const items = this.#items(name, most);
    if (items === null) return null;
    return items.map((node, i) => {
      const line = lineOf(node as Node, this.#lines) ?? this.line;
      const path = `${this.#pathOf(name)}[${i}]`;
      if (!isScalar(node) || node.value === null) throw wrong(line, path, 'expected a text', kindOf(node));
      plain(node, line, path);
      return textIn(node);
    });
  }

  /** Whether the member is an object, and not a text. */
  isObject(name: string): boolean {
    return isMap(this.#pairs.get(name)?.value);
  }

  /** The member as plain JSON, for a pattern. */
  json(name: string): unknown {
    const found = this.#take(name);
    return found === null ? null : jsonOf(found.value, { path: this.#pathOf(name), line: found.line, lines: this.#lines });
  }

  #items(name: string, most: number): readonly unknown[] | null {
    const found = this.#take(name);
    if (found === null) return null;
    const { value, line } = found;
    if (!isSeq(value)) throw wrong(line, this.#pathOf(name), 'expected a list', kindOf(value));
    plain(value, line, this.#pathOf(name));
    if (value.items.length > most) return this.fail(name, `expected at most ${most} items, got ${value.items.length}`);
    return value.items;
  }

  /** An empty or null member counts as omitted. */
  #take(name: string): { readonly value: Node; readonly line: number } | null {
    this.#known.add(name);
    const found = this.#pairs.get(name);
    if (found === undefined || found.value === null || (isScalar(found.value) && found.value.value === null)) return null;
    return { value: found.value, line: lineOf(found.value, this.#lines) ?? found.line };
  }

  #pathOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

function jsonOf(node: unknown, position: Position): unknown {
  const { path, lines } = position;
  const line = lineOf(node as Node, lines) ?? position.line;
  if (node !== null) plain(node as Node, line, path);
  if (isScalar(node)) return node.value;
  if (isSeq(node)) return node.items.map((item) => jsonOf(item, { path, line, lines }));
  if (!isMap(node)) throw wrong(line, path, 'expected texts, lists and members', kindOf(node));
  const pairs = node.items;
  return Object.fromEntries(
    pairs.map(({ key, value }) => {
      if (!isScalar(key)) throw wrong(line, path, 'expected names of members', 'another structure');
      return [String(key.value), jsonOf(value, { path: `${path}.${String(key.value)}`, line, lines })];
    }),
  );
}

const plainTag = /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)$/;

/** Anchors can expand a small file enormously, and tags create values of other types: neither is needed. */
function plain(node: Node, line: number, path: string): void {
  if (isAlias(node)) throw wrong(line, path, 'expected a value', 'an alias: write it out');
  const { anchor, tag } = node as { readonly anchor?: string; readonly tag?: string };
  if (anchor !== undefined) throw wrong(line, path, 'expected a value without an anchor', `&${anchor.slice(0, 40)}`);
  if (tag !== undefined && !plainTag.test(tag)) throw wrong(line, path, 'expected a value without a tag', tag.slice(0, 40));
}

function lineOf(node: Node | null | undefined, lines: LineCounter): number | null {
  const start = node?.range?.[0];
  return start === undefined ? null : lines.linePos(start).line;
}

/** A scalar as written, including numbers and dates. */
function textIn({ value, source }: Scalar): string {
  return typeof value === 'string' ? value : (source ?? JSON.stringify(value));
}

function kindOf(node: unknown): string {
  if (isAlias(node)) return 'an alias: write it out';
  if (isMap(node)) return 'members';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node) || node.value === null) return 'nothing';
  return `'${textIn(node).slice(0, 80)}'`;
}

function wrong(line: number, path: string, expected: string, got: string): PlatformError {
  return new PlatformError('invalid_request', `line ${line}: ${path === '' ? 'the file' : path}: ${expected}, got ${got}`);
}

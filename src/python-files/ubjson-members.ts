/**
 * Reads a few members of a model in Universal Binary JSON, as XGBoost writes it (ubjson.org, draft 12), and skips the others without storing
 * them.
 */
import { PlatformError } from '../errors.ts';
import type { ByteReader } from './byte-reader.ts';
import type { WantedMembers } from './json-members.ts';

const depthMax = 64;
const valuesMax = 50_000_000;
const storedValuesMax = 1_000_000;
const textBytesMax = 1024 * 1024;
const elementBytes: Readonly<Record<string, number>> = { i: 1, U: 1, I: 2, l: 4, L: 8, d: 4, D: 8, C: 1 };
const withoutContent: Readonly<Record<string, unknown>> = { Z: null, T: true, F: false };

/** The wanted values by path. Throws `invalid_request` if the part of the file that is read is malformed. */
export async function readUbjsonMembers(reader: ByteReader, members: WantedMembers): Promise<Map<string, unknown>> {
  const scan = new UbjsonScan(reader, members);
  await scan.value('', false, 0);
  if (await reader.fill(1)) throw damaged('data follows its end');
  return scan.found;
}

class UbjsonScan {
  readonly #reader: ByteReader;
  readonly #members: WantedMembers;
  readonly found = new Map<string, unknown>();
  #values = 0;
  #stored = 0;

  constructor(reader: ByteReader, members: WantedMembers) {
    this.#reader = reader;
    this.#members = members;
  }

  /** Reads the value at a path; returns it if `isStored`. `type` is its marker, if the container names it. */
  async value(path: string | null, isStored: boolean, depth: number, type?: string): Promise<unknown> {
    if (++this.#values > valuesMax) throw damaged(`it has more than ${valuesMax} values`);
    if (isStored && ++this.#stored > storedValuesMax) throw damaged(`its parameters have more than ${storedValuesMax} values`);
    if (depth > depthMax) throw damaged(`it is nested more than ${depthMax} deep`);
    const marker = type ?? (await this.#marker());
    if (Object.hasOwn(withoutContent, marker)) return withoutContent[marker];
    if (marker === '{') return this.#object(path, isStored, depth);
    if (marker === '[') return this.#list(isStored, depth);
    if (marker === 'S') return this.#text(isStored);
    return this.#number(marker);
  }

  async #object(path: string | null, isStored: boolean, depth: number): Promise<Readonly<Record<string, unknown>>> {
    const stored = new Map<string, unknown>();
    const { type, count } = await this.#header();
    for (let i = 0; count === null ? !(await this.#ends('}')) : i < count; i++) {
      const key = await this.#text(true);
      const member = path === null ? null : path === '' ? key : `${path}.${key}`;
      const isWanted = member !== null && this.#members.wanted.has(member);
      const isInside = member !== null && this.#members.inside.has(member);
      const value = await this.value(isInside ? member : null, isStored || isWanted, depth + 1, type);
      if (isStored) stored.set(key, value);
      if (isWanted) this.found.set(member, value);
    }
    return Object.fromEntries(stored);
  }

  async #list(isStored: boolean, depth: number): Promise<readonly unknown[]> {
    const { type, count } = await this.#header();
    const bytes = type === undefined ? undefined : elementBytes[type];
    if (bytes !== undefined && count !== null && !isStored) {
      if (!(await this.#reader.skip(bytes * count))) throw cutOff();
      return [];
    }
    if (type !== undefined && Object.hasOwn(withoutContent, type)) return []; // A count without bytes could be endless.
    const stored: unknown[] = [];
    for (let i = 0; count === null ? !(await this.#ends(']')) : i < count; i++) {
      const value = await this.value(null, isStored, depth + 1, type);
      if (isStored) stored.push(value);
    }
    return stored;
  }

  /** The type and count of all elements, where a container names them. */
  async #header(): Promise<{ readonly type?: string; readonly count: number | null }> {
    if (!(await this.#nextIs('$'))) return { count: (await this.#nextIs('#')) ? await this.#size() : null };
    const type = await this.#marker();
    if (!(await this.#nextIs('#'))) throw damaged('a list with a type has no count');
    return { type, count: await this.#size() };
  }

  async #ends(close: string): Promise<boolean> {
    if (!(await this.#reader.fill(1))) throw cutOff();
    return this.#nextIs(close);
  }

  async #nextIs(marker: string): Promise<boolean> {
    const reader = this.#reader;
    if (reader.available === 0 && !(await reader.fill(1))) return false;
    if (reader.buffer[reader.at] !== marker.charCodeAt(0)) return false;
    reader.at++;
    return true;
  }

  async #marker(): Promise<string> {
    const reader = this.#reader;
    do {
      if (reader.available === 0 && !(await reader.fill(1))) throw cutOff();
    } while (reader.buffer[reader.at++] === 0x4e); // 'N' stands for nothing
    return String.fromCharCode(reader.buffer[reader.at - 1] as number);
  }

  async #size(): Promise<number> {
    const size = await this.#number(await this.#marker());
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw damaged('a size is not a number');
    return size;
  }

  async #text(isStored: boolean): Promise<string> {
    const bytes = await this.#size();
    const reader = this.#reader;
    if (!isStored || bytes > textBytesMax) {
      if (!(await reader.skip(bytes))) throw cutOff();
      return '';
    }
    if (!(await reader.fill(bytes))) throw cutOff();
    reader.at += bytes;
    return reader.buffer.toString('utf8', reader.at - bytes, reader.at);
  }

  async #number(marker: string): Promise<number | null> {
    const bytes = elementBytes[marker];
    if (bytes === undefined) throw damaged(`it has an unknown type at byte ${this.#reader.position}`);
    const reader = this.#reader;
    if (reader.available < bytes && !(await reader.fill(bytes))) throw cutOff();
    const { buffer, at } = reader;
    reader.at += bytes;
    if (marker === 'd') return buffer.readFloatBE(at);
    if (marker === 'D') return buffer.readDoubleBE(at);
    if (marker === 'L') return Number(buffer.readBigInt64BE(at));
    return marker === 'U' || marker === 'C' ? buffer.readUInt8(at) : buffer.readIntBE(at, bytes);
  }
}

function cutOff(): PlatformError {
  return damaged('it is cut off');
}

function damaged(why: string): PlatformError {
  return new PlatformError('invalid_request', `the UBJSON file is damaged: ${why}. Save the model again`);
}

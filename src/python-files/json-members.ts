/**
 * Reads a few members of a large JSON text, and skips the others without storing them: the trees of a model are not needed, and may not
 * fit into memory.
 */
import { PlatformError } from '../errors.ts';
import type { ByteReader } from './byte-reader.ts';

const valueBytesMax = 16 * 2 ** 20;
const depthMax = 1000;
const code = { quote: 0x22, backslash: 0x5c, colon: 0x3a, comma: 0x2c, open: 0x7b, close: 0x7d, openList: 0x5b, closeList: 0x5d };

/** Which members are returned. */
export interface WantedMembers {
  /** Objects to look into, as paths with dots; '' is the whole text. */
  readonly inside: ReadonlySet<string>;
  readonly wanted: ReadonlySet<string>;
}

/** The wanted values by path. Throws `invalid_request` if the part of the text that is read is malformed. */
export async function readJsonMembers(reader: ByteReader, members: WantedMembers): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  const scanner = new JsonScanner(reader);
  await readObject(scanner, '', members, found);
  if ((await scanner.peek()) !== -1) throw damaged('data follows its end');
  return found;
}

async function readObject(scanner: JsonScanner, path: string, members: WantedMembers, found: Map<string, unknown>): Promise<void> {
  await scanner.expect(code.open);
  if ((await scanner.peek()) === code.close) return scanner.expect(code.close);
  for (;;) {
    const key = parsed(await scanner.value(true));
    if (typeof key !== 'string') throw damaged('a member has no name');
    await scanner.expect(code.colon);
    const member = path === '' ? key : `${path}.${key}`;
    const first = members.inside.has(member) ? await scanner.peek() : null;
    // It may be as long as the file.
    if (first === code.openList) throw damaged(`${member} is a list, expected an object`);
    if (first === code.open) await readObject(scanner, member, members, found);
    else {
      const isWanted = members.wanted.has(member);
      const text = await scanner.value(isWanted);
      if (isWanted) found.set(member, parsed(text));
    }
    if ((await scanner.peek()) === code.close) return scanner.expect(code.close);
    await scanner.expect(code.comma);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('invalid_request', 'the JSON file is damaged: a value in it is malformed', { cause });
  }
}

class JsonScanner {
  readonly #reader: ByteReader;
  #depth = 0;
  #isInText = false;
  #isEscaped = false;

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  /** The next byte that is not white space; -1 at the end. */
  async peek(): Promise<number> {
    const reader = this.#reader;
    for (;;) {
      if (reader.available === 0 && !(await reader.fill(1))) return -1;
      const byte = reader.buffer[reader.at] as number;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      reader.at++;
    }
  }

  async expect(byte: number): Promise<void> {
    const next = await this.peek();
    if (next === -1) throw damaged('it is cut off');
    if (next !== byte) throw damaged(`expected '${String.fromCharCode(byte)}' at byte ${this.#reader.position}`);
    this.#reader.at++;
  }

  /** Passes the next value. Returns its text if `isWanted`, else ''. */
  async value(isWanted: boolean): Promise<string> {
    const first = await this.peek();
    const reader = this.#reader;
    const isScalar = first !== code.quote && first !== code.open && first !== code.openList;
    this.#depth = 0;
    this.#isInText = false;
    this.#isEscaped = false;
    const pieces: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      if (reader.available === 0 && !(await reader.fill(1))) throw damaged('it is cut off');
      const start = reader.at;
      const end = isScalar ? this.#scalarEnd(start) : this.#end(start);
      reader.at = end ?? reader.buffer.length;
      bytes += reader.at - start;
      if (isWanted && bytes > valueBytesMax) throw damaged(`a value has more than ${valueBytesMax} bytes`);
      if (isWanted) pieces.push(reader.buffer.subarray(start, reader.at));
      if (end === null) continue;
      if (bytes === 0) throw damaged(`a value is missing at byte ${reader.position}`);
      return Buffer.concat(pieces).toString('utf8');
    }
  }

  /** Where a number or word ends in the window; null if it goes on. */
  #scalarEnd(start: number): number | null {
    const { buffer } = this.#reader;
    for (let at = start; at < buffer.length; at++) {
      if (!/[\w.+-]/.test(String.fromCharCode(buffer[at] as number))) return at;
    }
    return null;
  }

  /** Where a text, list or object ends in the window; null if it goes on. */
  #end(start: number): number | null {
    const { buffer } = this.#reader;
    // Locals: this runs once per byte, and fields would take several times as long.
    let [depth, isInText, isEscaped] = [this.#depth, this.#isInText, this.#isEscaped];
    for (let at = start; at < buffer.length; at++) {
      const byte = buffer[at] as number;
      if (isInText) {
        if (isEscaped) isEscaped = false;
        else if (byte === code.backslash) isEscaped = true;
        else if (byte === code.quote) {
          isInText = false;
          if (depth === 0) return at + 1;
        }
      } else if (byte === code.quote) isInText = true;
      else if (byte === code.open || byte === code.openList) {
        if (++depth > depthMax) throw damaged(`it is nested more than ${depthMax} deep`);
      } else if ((byte === code.close || byte === code.closeList) && --depth === 0) return at + 1;
    }
    this.#depth = depth;
    this.#isInText = isInText;
    this.#isEscaped = isEscaped;
    return null;
  }
}

function damaged(why: string): PlatformError {
  return new PlatformError('invalid_request', `the JSON file is damaged: ${why}. Save the model again`);
}

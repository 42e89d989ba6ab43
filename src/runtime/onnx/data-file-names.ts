/**
 * Finds the data files of an ONNX file without parsing it: weights are skipped, so a file of gigabytes costs a few reads. For clients, which
 * must know what to send; the server's worker parses and checks the model itself.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { dataFileName } from './data-file-name.ts';

/** By message: the kind of message in each field that leads to tensors. The numbers are those of onnx.proto. */
const messagesIn = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node', 11: 'attribute' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'entry' },
  entry: {},
} as const satisfies Record<string, Record<number, string>>;

type Message = keyof typeof messagesIn;

const dataLocationField = 14;
const external = 1;
const depthMax = 64;
const textBytesMax = 4096;
const windowBytes = 64 * 1024;

class Malformed extends Error {}

/**
 * The names of the data files, relative to the folder of the model; empty if the file is not an ONNX file, which only the server can
 * explain. Throws `invalid_request` if a name leads out of the folder.
 */
export function dataFileNames(path: string): string[] {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const names = new Set<string>();
    walk(new FileWindow(fd, size), 'model', { from: 0, to: size }, 0, names);
    return [...names];
  } catch (error) {
    if (error instanceof Malformed) return [];
    throw error;
  } finally {
    closeSync(fd);
  }
}

interface Extent {
  readonly from: number;
  readonly to: number;
}

function walk(file: FileWindow, message: Message, extent: Extent, depth: number, names: Set<string>): void {
  if (depth > depthMax) throw new Malformed();
  if (message === 'tensor') return addNameOf(file, extent, names);
  const fields: Readonly<Record<number, Message>> = messagesIn[message];
  for (const { number, content } of fieldsOf(file, extent)) {
    const inner = fields[number];
    if (inner !== undefined && content !== null) walk(file, inner, content, depth + 1, names);
  }
}

function addNameOf(file: FileWindow, extent: Extent, names: Set<string>): void {
  let isExternal = false;
  let location = '';
  let tensor = '';
  for (const { number, value, content } of fieldsOf(file, extent)) {
    if (number === dataLocationField) isExternal = value === external;
    if (number === 8 && content !== null) tensor = file.text(content);
    if (number === 13 && content !== null) location = locationIn(file, content) ?? location;
  }
  if (isExternal) names.add(dataFileName(location, tensor));
}

/** The value of an entry with the key `location`. */
function locationIn(file: FileWindow, extent: Extent): string | null {
  const texts = ['', '', ''];
  for (const { number, content } of fieldsOf(file, extent)) if (content !== null && number < 3) texts[number] = file.text(content);
  return texts[1] === 'location' ? (texts[2] ?? '') : null;
}

interface Field {
  readonly number: number;
  /** Of a number; 0 for other kinds. */
  readonly value: number;
  /** Of a text, bytes or a message. */
  readonly content: Extent | null;
}

/** The fields of a message: each a key (number * 8 + kind), then by kind a number, 8 bytes, 4 bytes, or a length and that many bytes. */
function* fieldsOf(file: FileWindow, { from, to }: Extent): Generator<Field> {
  for (let at = from; at < to; ) {
    const key = file.varint(at);
    at = key.end;
    const number = Math.floor(key.value / 8);
    const kind = key.value % 8;
    if (kind === 0) {
      const { value, end } = file.varint(at);
      yield { number, value, content: null };
      at = end;
    } else if (kind === 2) {
      const { value, end } = file.varint(at);
      if (end + value > to) throw new Malformed();
      yield { number, value: 0, content: { from: end, to: end + value } };
      at = end + value;
    } else if (kind === 1 || kind === 5) at += kind === 1 ? 8 : 4;
    else throw new Malformed();
  }
}

/** Reads a file at any position through a window. */
class FileWindow {
  readonly #fd: number;
  readonly #size: number;
  readonly #bytes = Buffer.alloc(windowBytes);
  #from = 0;
  #filled = 0;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
  }

  varint(at: number): { readonly value: number; readonly end: number } {
    let value = 0;
    let end = at;
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = this.#byte(end++);
      value += (byte & 127) * scale;
      if (byte < 128) return { value, end };
    }
    throw new Malformed();
  }

  /** The first bytes suffice: longer names are rejected. */
  text({ from, to }: Extent): string {
    const length = Math.min(to - from, textBytesMax);
    return Buffer.from(Array.from({ length }, (_, index) => this.#byte(from + index))).toString('utf8');
  }

  #byte(at: number): number {
    if (at >= this.#size) throw new Malformed();
    if (at < this.#from || at >= this.#from + this.#filled) {
      this.#from = at;
      this.#filled = readSync(this.#fd, this.#bytes, 0, windowBytes, at);
      if (this.#filled === 0) throw new Malformed();
    }
    return this.#bytes[at - this.#from] as number;
  }
}

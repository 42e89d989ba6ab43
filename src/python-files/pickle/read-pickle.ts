/**
 * Reads the pickles of a file, and runs nothing. The file must consist of pickles to its last byte, since what is skipped could hide
 * what Python executes.
 *
 * joblib writes the bytes of an array between the opcodes, right after the BUILD of the object that describes it. To a reader of plain
 * pickles they look like opcodes, and often enough one of them like the end.
 */
import { PlatformError } from '../../errors.ts';
import type { ByteReader } from '../byte-reader.ts';
import { arrayBytes } from './dtype.ts';
import { PickleMachine } from './machine.ts';
import { CutOffPickle, MalformedPickle } from './malformed-pickle.ts';
import { PickleNames } from './names.ts';
import { fixedOperands, lineOperands, op, type SizedOperand, sizedOperands, stackActions } from './opcodes.ts';
import { isKind, type PickleArray, type PickleName, type PickleValue, someBytes } from './values.ts';

/** What the pickles of a file contain, and what opening them would import. */
export interface PickleContents {
  readonly names: readonly PickleName[];
  /** What the file does that no library's file does, as sentences without subject: "calls a function that …". */
  readonly oddities: readonly string[];
  /** The value of the first pickle, as far as it is known. */
  readonly value: PickleValue;
  /** The version of scikit-learn that wrote the file; null if it does not say. */
  readonly sklearnVersion: string | null;
}

/** An opcode with a short operand fits. */
const headBytes = 264;
/** Longer texts are neither names nor datatypes. */
const textBytesMax = 512;
const lineBytesMax = 1024 * 1024;
const nestedMax = 1;
const opcodesMaxDefault = 50_000_000;

/** Throws `invalid_request` if Python could not read the file either, `too_large` beyond the limits. */
export async function readPickles(reader: ByteReader, opcodesMax: number = opcodesMaxDefault): Promise<PickleContents> {
  const run = new PickleRun(reader, opcodesMax);
  try {
    return await run.all();
  } catch (error) {
    if (!(error instanceof MalformedPickle)) throw error;
    throw new PlatformError(
      'invalid_request',
      `the pickle is damaged: ${error.message} (byte ${reader.position} of the unpacked file). Save the model again`,
      { cause: error },
    );
  }
}

class PickleRun {
  readonly #reader: ByteReader;
  readonly #names = new PickleNames();
  readonly #opcodesMax: number;
  #opcodes = 0;
  #hasArrays = false;
  /** Where the frame ends that the next opcode is in; null between frames. */
  #frameEnd: number | null = null;
  #isVersionNext = false;
  #sklearnVersion: string | null = null;

  constructor(reader: ByteReader, opcodesMax: number) {
    this.#reader = reader;
    this.#opcodesMax = opcodesMax;
  }

  async all(): Promise<PickleContents> {
    const value = await this.#first();
    try {
      while (await this.#reader.fill(1)) {
        if (this.#reader.buffer[this.#reader.at] !== op.proto) throw new MalformedPickle('something else follows it');
        await this.#one(0);
      }
    } catch (error) {
      if (!(error instanceof MalformedPickle)) throw error;
      this.#names.odd('has bytes after its end that are not pickle');
    }
    return { names: this.#names.all, oddities: this.#names.oddities, value, sklearnVersion: this.#sklearnVersion };
  }

  /**
   * Another version of joblib could lay out arrays in a way that is not known here. Such a file may open well, so it is not rejected,
   * but it counts as one that may import anything.
   */
  async #first(): Promise<PickleValue> {
    try {
      return await this.#one(0);
    } catch (error) {
      if (!(error instanceof MalformedPickle) || error instanceof CutOffPickle || !this.#hasArrays) throw error;
      this.#names.odd(`is not readable to its end (byte ${this.#reader.position}: ${error.message}), so it may import more`);
      return null;
    }
  }

  /** Reads one pickle to its STOP. Within an array of Python objects (`nested` 1), arrays are plain. */
  async #one(nested: number): Promise<PickleValue> {
    const reader = this.#reader;
    const machine = new PickleMachine(this.#names);
    for (;;) {
      if (reader.available < headBytes) await reader.fill(headBytes);
      if (reader.available === 0) throw new CutOffPickle();
      if (++this.#opcodes > this.#opcodesMax) {
        throw new PlatformError('too_large', `the pickle has more than ${this.#opcodesMax} opcodes, too many to list what it imports`);
      }
      const at = reader.position;
      const opcode = reader.buffer[reader.at++] as number;
      const action = stackActions[opcode];
      if (action !== undefined) action(machine);
      else if (opcode === op.stop) break;
      else if (opcode === op.build) await this.#build(machine, nested);
      else if (fixedOperands[opcode] !== undefined) this.#fixed(machine, opcode, fixedOperands[opcode]);
      else if (sizedOperands[opcode] !== undefined) await this.#sized(machine, sizedOperands[opcode]);
      else if (lineOperands.has(opcode)) await this.#line(machine, opcode);
      else throw new MalformedPickle(`it has an unknown opcode 0x${opcode.toString(16).padStart(2, '0')}`);
      if (this.#frameEnd !== null && opcode !== op.frame) this.#checkFrame(at);
    }
    if (this.#frameEnd !== null && reader.position !== this.#frameEnd) throw new MalformedPickle('its end is not the end of its frame');
    this.#frameEnd = null;
    return machine.result();
  }

  /** Python reads a frame as a whole, so what crosses its end would be read differently. */
  #checkFrame(start: number): void {
    const end = this.#frameEnd as number;
    const { position } = this.#reader;
    if (position < end) return;
    if (position > end && start < end) throw new MalformedPickle('an opcode crosses the end of its frame');
    this.#frameEnd = null;
  }

  #fixed(machine: PickleMachine, opcode: number, bytes: number): void {
    const { buffer, at, available } = this.#reader;
    if (available < bytes) throw new CutOffPickle();
    this.#reader.at += bytes;
    const number = bytes === 8 ? 0 : opcode === 0x4a ? buffer.readInt32LE(at) : buffer.readUIntLE(at, bytes);
    if (opcode === 0x4a || opcode === 0x4b || opcode === 0x4d) machine.push(number);
    else if (opcode === 0x47) machine.push(null);
    else if (opcode === 0x68 || opcode === 0x6a) machine.recall(number);
    else if (opcode === 0x71 || opcode === 0x72) machine.memoize(number);
    else if (opcode === op.proto) this.#checkProtocol(number);
    else if (opcode === op.frame) this.#beginFrame(buffer.readBigUInt64LE(at));
    else {
      this.#names.odd('refers to the registry of extensions of the program that opens it');
      machine.push(null);
    }
  }

  #checkProtocol(protocol: number): void {
    if (protocol > 5) throw new MalformedPickle(`it has protocol ${protocol}: expected at most 5`);
  }

  #beginFrame(bytes: bigint): void {
    if (this.#frameEnd !== null && this.#reader.position - 9 < this.#frameEnd) throw new MalformedPickle('a frame begins within another');
    if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw new MalformedPickle('it has a frame of impossible size');
    this.#frameEnd = this.#reader.position + Number(bytes);
  }

  async #sized(machine: PickleMachine, { sizeBytes, what }: SizedOperand): Promise<void> {
    const reader = this.#reader;
    if (reader.available < sizeBytes) throw new CutOffPickle();
    const bytes = sizeBytes === 8 ? Number(reader.buffer.readBigUInt64LE(reader.at)) : reader.buffer.readUIntLE(reader.at, sizeBytes);
    reader.at += sizeBytes;
    if (!Number.isSafeInteger(bytes)) throw new MalformedPickle('it has a value of impossible size');
    if (bytes > textBytesMax || what === 'bytes') {
      if (!(await reader.skip(bytes))) throw new CutOffPickle();
      machine.push(what === 'bytes' ? someBytes : null);
      return;
    }
    if (!(await reader.fill(bytes))) throw new CutOffPickle();
    const { buffer, at } = reader;
    reader.at += bytes;
    if (what === 'text') this.#pushText(machine, buffer.toString('utf8', at, at + bytes));
    else machine.push(bytes > 6 ? null : bytes === 0 ? 0 : buffer.readIntLE(at, bytes));
  }

  #pushText(machine: PickleMachine, text: string): void {
    if (this.#isVersionNext && /^[\w.+]{1,40}$/.test(text)) this.#sklearnVersion ??= text;
    this.#isVersionNext = text === '_sklearn_version';
    machine.push(text);
  }

  async #line(machine: PickleMachine, opcode: number): Promise<void> {
    const text = await this.#nextLine();
    const letter = String.fromCharCode(opcode);
    if (letter === 'g') machine.recall(this.#index(text));
    else if (letter === 'p') machine.memoize(this.#index(text));
    else if (letter === 'c') machine.push(this.#names.add(text, await this.#nextLine()));
    else if (letter === 'i') {
      const name = this.#names.add(text, await this.#nextLine());
      machine.call(name, { kind: 'tuple', items: machine.popMark() });
    } else if (letter === 'P') {
      machine.push(null);
      machine.persistent();
    } else if (letter === 'S') this.#pushLineText(machine, text.slice(1, -1));
    else if (letter === 'V') this.#pushLineText(machine, text);
    else machine.push(letter === 'F' || !/^-?\d{1,15}L?$/.test(text) ? null : Number.parseInt(text, 10));
  }

  /** A text with escapes is not a name that a library writes. */
  #pushLineText(machine: PickleMachine, text: string): void {
    if (text.includes('\\') || text.length > textBytesMax) machine.push(null);
    else this.#pushText(machine, text);
  }

  async #nextLine(): Promise<string> {
    const line = await this.#reader.line(lineBytesMax);
    if (line === null) throw new MalformedPickle('a line of text in it does not end');
    return line;
  }

  #index(text: string): number {
    if (!/^\d{1,9}$/.test(text)) throw new MalformedPickle('it has a reference that is not a number');
    return Number(text);
  }

  async #build(machine: PickleMachine, nested: number): Promise<void> {
    const array = machine.build();
    if (array === null || nested > 0) return;
    this.#hasArrays = true;
    if (this.#frameEnd !== null) {
      if (this.#reader.position !== this.#frameEnd) throw new MalformedPickle('the bytes of an array begin within a frame');
      this.#frameEnd = null;
    }
    await this.#skipArray(array, nested);
    machine.replaceTop(this.#names.ndarray);
  }

  /** `NumpyArrayWrapper.read_array` of joblib. */
  async #skipArray({ fields }: PickleArray, nested: number): Promise<void> {
    const dtype = fields.get('dtype');
    const shape = fields.get('shape');
    const bytes = isKind(dtype, 'dtype') && isKind(shape, 'tuple') ? arrayBytes(dtype, shape) : null;
    if (!isKind(dtype, 'dtype') || bytes === null) throw new MalformedPickle('it has an array whose datatype or shape is not understood');
    if (dtype.hasObjects) {
      if (nested >= nestedMax) throw new MalformedPickle('it has arrays of objects within each other');
      await this.#one(nested + 1);
      return;
    }
    // Files of joblib before 1.2 have no alignment, and no padding.
    if (typeof fields.get('numpy_array_alignment_bytes') === 'number') await this.#skipPadding();
    if (!(await this.#reader.skip(bytes))) throw new CutOffPickle();
  }

  async #skipPadding(): Promise<void> {
    if (!(await this.#reader.fill(1))) throw new CutOffPickle();
    const padding = this.#reader.buffer[this.#reader.at++] as number;
    if (!(await this.#reader.skip(padding))) throw new CutOffPickle();
  }
}

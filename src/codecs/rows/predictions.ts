/** Formats the outputs of a model row by row as JSON and CSV, in one pass, with exact 64-bit integers. */
import { messageOf, PlatformError } from '../../errors.ts';
import { decodeStrings, elementCount, rowCount, type Tensor, type TensorSpec } from '../../tensor.ts';
import { type Element, unpackElements } from './elements.ts';
import { floatText, joinFloats, numberBytesMax, writeFloat, writeText } from './float-text.ts';
import { checkedJson } from './json-rows.ts';

/**
 * One prediction per row: the value itself if the model has one output, `{"label": …, "probabilities": […]}` if it has several.
 * Outputs that do not count rows make one prediction for the whole request. NaN and infinities, which JSON cannot represent,
 * become null; integers beyond 2^53 are written in full, 32-bit floats with the fewest digits that identify them.
 */
export function predictionsJson(outputs: readonly Tensor[], rows: number, specs?: readonly TensorSpec[]): string {
  return `[${predictionTexts(outputs, rows, specs).join(',')}]`;
}

/**
 * Like `predictionsJson`, but with a separate text for each prediction. An output whose elements are JSON texts, according to `specs`, is
 * the predictions itself. Throws `model_failed` if an element is not JSON.
 */
export function predictionTexts(outputs: readonly Tensor[], rows: number, specs: readonly TensorSpec[] = []): readonly string[] {
  if (specs.length === 1 && specs[0]?.content === 'json') return jsonTexts(outputs[0] as Tensor);
  const byRow = outputs.every((output) => output.shape.length > 0 && rowCount(output.shape) === rows);
  const writers = outputs.map((output) => new OutputWriter(output, byRow));
  const predictions: string[] = [];
  for (let row = 0; row < (byRow ? rows : 1); row++) {
    const [only] = writers;
    predictions.push(
      writers.length === 1 && only !== undefined
        ? only.next()
        : `{${writers.map((writer) => `${JSON.stringify(writer.name)}:${writer.next()}`).join(',')}}`,
    );
  }
  return predictions;
}

function jsonTexts({ name, data }: Tensor): readonly string[] {
  const texts = decodeStrings(data);
  for (const [row, text] of texts.entries()) {
    try {
      checkedJson(text, `row ${row} of output '${name}'`);
    } catch (error) {
      throw new PlatformError('model_failed', messageOf(error), { cause: error });
    }
  }
  return texts;
}

/**
 * One line per row: the elements of all outputs, in the model's order. Outputs that do not count rows make one line for the whole
 * request. Text is quoted as required by RFC 4180. Each line ends with a line break.
 */
export function predictionsCsv(outputs: readonly Tensor[], rows: number): string {
  const bytesMax = predictionsCsvBytesMax(outputs, rows);
  if (bytesMax === null) return linesWithText(outputs, rows);
  const bytes = scratchFor(bytesMax);
  return bytes.toString('latin1', 0, writePredictionsCsv(outputs, rows, bytes));
}

function linesWithText(outputs: readonly Tensor[], rows: number): string {
  const lineCount = outputs.every((output) => output.shape.length > 0 && rowCount(output.shape) === rows) ? rows : 1;
  const columns = outputs.map(({ datatype, shape, data }) => ({
    elements: unpackElements(datatype, data),
    width: elementCount(shape) / Math.max(lineCount, 1),
    textOf: (datatype === 'FP32' ? floatText : cellOf) as (element: Element) => string,
  }));
  let text = '';
  for (let row = 0; row < lineCount; row++) {
    let separator = '';
    for (const { elements, width, textOf } of columns) {
      for (let index = row * width; index < (row + 1) * width; index++) {
        text += separator + textOf(elements[index] as Element);
        separator = ',';
      }
    }
    text += '\n';
  }
  return text;
}

/** Buffer for lines being written; reused, because allocating it costs as much as filling it. */
let scratch = Buffer.alloc(0);
const scratchBytesMax = 8 * 2 ** 20;

/** Like `predictionsCsv`, as bytes, for whole files. */
export function predictionsCsvBytes(outputs: readonly Tensor[], rows: number): Buffer {
  const bytesMax = predictionsCsvBytesMax(outputs, rows);
  if (bytesMax === null) return Buffer.from(linesWithText(outputs, rows));
  const bytes = scratchFor(bytesMax);
  return Buffer.from(bytes.subarray(0, writePredictionsCsv(outputs, rows, bytes)));
}

/** Maximum size of these lines; null if they contain text, whose quoted size is unknown. */
export function predictionsCsvBytesMax(outputs: readonly Tensor[], rows: number): number | null {
  if (outputs.some(({ datatype }) => datatype === 'BYTES')) return null;
  return outputs.reduce((sum, { shape }) => sum + elementCount(shape) * (numberBytesMax + 1), rows + 1);
}

/** Writes lines of numbers at the start of `into`, which must be large enough, and returns their end. */
export function writePredictionsCsv(outputs: readonly Tensor[], rows: number, into: Uint8Array): number {
  const lineCount = outputs.every((output) => output.shape.length > 0 && rowCount(output.shape) === rows) ? rows : 1;
  const columns = outputs.map(({ datatype, shape, data }) => ({
    elements: unpackElements(datatype, data),
    width: elementCount(shape) / Math.max(lineCount, 1),
    write: datatype === 'FP32' ? writeFloat : writeNumber,
  }));
  let at = 0;
  for (let row = 0; row < lineCount; row++) {
    const start = at;
    for (const { elements, width, write } of columns) {
      for (let index = row * width; index < (row + 1) * width; index++) {
        if (at > start) into[at++] = 0x2c;
        at = write(into, at, elements[index] as number);
      }
    }
    into[at++] = 0x0a;
  }
  return at;
}

/** Writes a number of another datatype with all its digits. Whole numbers are usually small. */
function writeNumber(into: Uint8Array, at: number, element: Element): number {
  const small = typeof element === 'bigint' ? Number(element) : element;
  if (typeof small === 'number' && Math.abs(small) < 1e9 && Math.trunc(small) === small) return writeFloat(into, at, small);
  return writeText(into, at, String(element));
}

function scratchFor(bytes: number): Buffer {
  if (bytes > scratchBytesMax) return Buffer.allocUnsafe(bytes);
  if (scratch.length < bytes) scratch = Buffer.allocUnsafeSlow(bytes);
  return scratch;
}

function cellOf(element: Element): string {
  if (typeof element !== 'string') return String(element);
  return /[",\r\n]/.test(element) ? `"${element.replaceAll('"', '""')}"` : element;
}

class OutputWriter {
  readonly name: string;
  readonly #shape: readonly number[];
  readonly #elements: ArrayLike<Element>;
  readonly #isFloats: boolean;
  #at = 0;

  constructor(output: Tensor, byRow: boolean) {
    this.name = output.name;
    this.#shape = byRow ? output.shape.slice(1) : output.shape;
    this.#elements = unpackElements(output.datatype, output.data);
    this.#isFloats = output.datatype === 'FP32';
  }

  /** The next row, as nested lists. */
  next(): string {
    return this.#write(0);
  }

  #write(axis: number): string {
    const size = this.#shape[axis];
    if (size === undefined) return this.#isFloats ? this.#floats(1) : elementJson(this.#elements[this.#at++] as Element);
    if (this.#isFloats && axis === this.#shape.length - 1) return `[${this.#floats(size)}]`;
    let text = '[';
    for (let index = 0; index < size; index++) text += index === 0 ? this.#write(axis + 1) : `,${this.#write(axis + 1)}`;
    return `${text}]`;
  }

  /** The next `count` 32-bit floats. */
  #floats(count: number): string {
    const text = joinFloats(this.#elements as ArrayLike<number>, this.#at, this.#at + count);
    this.#at += count;
    return /[NI]/.test(text) ? text.replaceAll(/NaN|-?Infinity/g, 'null') : text;
  }
}

function elementJson(element: Element): string {
  if (typeof element === 'string') return JSON.stringify(element);
  return typeof element === 'number' && !Number.isFinite(element) ? 'null' : String(element);
}

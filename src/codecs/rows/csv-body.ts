/**
 * Decodes the bytes of a CSV. Plain numbers for a model of 32-bit floats are parsed without intermediate text. `decodeCsv` decodes
 * everything else and reports the errors.
 */
import { PlatformError } from '../../errors.ts';
import { elementCount, type Signature } from '../../tensor.ts';
import { type CsvOptions, columnsMaxOf, csvHeader, decodeCsv, isInOrder } from './csv.ts';
import { csvFloats } from './csv-floats.ts';
import { CsvLines } from './csv-lines.ts';
import { anyRows, hasRows, type RowInvocation, rowsMaxOf, tensorOfFloats, tooManyRows } from './invocation.ts';
import { utf8Text } from './utf8-text.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
/** A longer first line is not a header of plain numbers. */
const headerBytesMax = 1024 * 1024;
/** At the beginning. */
const emptyLinesMax = 1024 * 1024;

/** Like `decodeCsv`. Throws `invalid_request`, `too_large`. */
export function decodeCsvBody(signature: Signature, body: Buffer, options: CsvOptions = {}): readonly RowInvocation[] {
  checkBeginning(body);
  return plainNumbers(signature, body, options) ?? decodeCsv(signature, utf8Text(body), options);
}

/**
 * Throws what `decodeCsvBody` would, as far as it can be known without building rows: of the first line, and of the number of lines. Takes
 * a fraction of the time.
 */
export function checkCsvBody(signature: Signature, body: Buffer, options: CsvOptions = {}): void {
  checkBeginning(body);
  const end = body.subarray(0, headerBytesMax).indexOf(newline);
  const line = end === -1 ? body : body.subarray(0, end);
  // A quoted cell can have several lines.
  if (end === -1 || line.includes('"')) {
    new CsvLines(utf8Text(body), columnsMaxOf(signature.inputs)).next();
    return;
  }
  const text = utf8Text(line);
  if (text.trim() === '' || options.label !== undefined || csvHeader(signature, text) !== null) return;
  decodeCsv(signature, text, options);
  const rowsMax = rowsMaxOf(signature.inputs, options.limits ?? anyRows);
  if (countLines(body, 0, rowsMax) > rowsMax && !body.includes('"')) throw tooManyRows(rowsMax);
}

function checkBeginning(body: Buffer): void {
  let breaks = 0;
  while (breaks < emptyLinesMax && (body[breaks] === newline || body[breaks] === carriageReturn)) breaks++;
  if (breaks === emptyLinesMax)
    throw new PlatformError('invalid_request', `the CSV begins with ${emptyLinesMax} empty lines or more: send one line a row`);
}

/** Null unless the CSV consists of numbers for a single input with rows of 32-bit floats. */
function plainNumbers(signature: Signature, body: Buffer, options: CsvOptions): readonly RowInvocation[] | null {
  const [spec, ...others] = signature.inputs;
  if (spec === undefined || others.length > 0 || spec.datatype !== 'FP32' || !hasRows(spec) || spec.shape.includes(-1, 1)) return null;
  if (options.label !== undefined || options.header !== undefined || options.source !== undefined) return null;
  const width = elementCount(spec.shape.slice(1));
  const from = afterHeader(signature, body, width);
  if (from === -1) return null;
  const rowsMax = rowsMaxOf(signature.inputs, options.limits ?? anyRows);
  const rows = countLines(body, from, rowsMax);
  if (rows > rowsMax && from === 0 && !body.includes('"')) {
    // Quotes could hide ends of lines. The first line may have a problem of its own, which says more.
    const end = body.indexOf(newline);
    if (end !== -1 && end <= headerBytesMax) decodeCsv(signature, utf8Text(body.subarray(0, end)), options);
    throw tooManyRows(rowsMax);
  }
  // Each number has a digit and a terminating character.
  if (rows === 0 || rows > rowsMax || width === 0 || rows * width * 2 > body.length - from + 1) return null;
  const values = csvFloats(body.subarray(from), width, rows);
  return values === null ? null : [{ inputs: [tensorOfFloats(spec, rows, values)], rows }];
}

/** Start of the first row; -1 if the first line is neither a header of `width` plain names nor a row. */
function afterHeader(signature: Signature, body: Buffer, width: number): number {
  const end = body.subarray(0, headerBytesMax).indexOf(newline);
  if (end === -1) return body.length <= headerBytesMax ? 0 : -1;
  const line = body.toString('latin1', 0, end);
  if (line.includes('"') || body[0] === 0xef) return -1;
  const header = csvHeader(signature, line);
  if (header === null) return 0;
  return header.length === width && isInOrder(signature, header) ? end + 1 : -1;
}

/** Number of non-empty lines: at most one more than `most`. */
function countLines(body: Buffer, from: number, most: number): number {
  let lines = 0;
  let isEmpty = true;
  for (let at = from; at < body.length; at++) {
    const byte = body[at] as number;
    if (byte === newline) {
      if (!isEmpty && ++lines > most) return lines;
      isEmpty = true;
    } else if (byte !== carriageReturn) isEmpty = false;
  }
  return isEmpty ? lines : lines + 1;
}

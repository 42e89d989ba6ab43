/** Recorded loads as CSV: one count of a slot a line, or one request a line where the first column is `t_s` or `t_ms`. */
import { PlatformError } from '../errors.ts';

export type Trace =
  /** Requests of each slot; fractions are rates in a unit of their own, for a scale other than 1. */
  | { readonly kind: 'counts'; readonly counts: readonly number[] }
  /** When each request came, in milliseconds from the beginning of the recording, rising. */
  | { readonly kind: 'times'; readonly timesMs: Float64Array };

const countMost = 1e9;
/** A hundred years. */
const msMost = 3.2e12;

/**
 * Reads the text of a trace; `file` names it in errors. Throws `invalid_request` with file, line and column for what is no number, is
 * negative, too large, or earlier than the line before, and for a file without data.
 */
export function parseTrace(text: string, file: string): Trace {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  while (lines.length > 0 && (lines.at(-1) as string).trim() === '') lines.pop();
  const [header, ...rows] = lines;
  const name = header?.split(',')[0]?.trim() ?? '';
  if (header === undefined) throw wrong(file, 1, 1, 'expected a header line, and below it a number a line: the file is empty');
  if (isNumber(name)) throw wrong(file, 1, 1, `expected a header such as 'requests' or 't_s', got the number ${name}`);
  if (rows.length === 0) throw wrong(file, 2, 1, 'expected a number a line below the header: there is none');
  const unitMs = name === 't_s' ? 1000 : name === 't_ms' ? 1 : null;
  if (unitMs === null) return { kind: 'counts', counts: rows.map((row, i) => numberIn(row, file, i + 2, countMost)) };
  const timesMs = Float64Array.from(rows, (row, i) => numberIn(row, file, i + 2, msMost / unitMs) * unitMs);
  for (let i = 1; i < timesMs.length; i++) {
    if ((timesMs[i] as number) < (timesMs[i - 1] as number))
      throw wrong(file, i + 2, 1, `this request came before the one of the line above: sort the file by ${name}`);
  }
  return { kind: 'times', timesMs };
}

function numberIn(row: string, file: string, line: number, most: number): number {
  const end = row.indexOf(',');
  const cell = end < 0 ? row : row.slice(0, end);
  const text = cell.trim();
  const column = cell.length - cell.trimStart().length + 1;
  const value = isNumber(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= most) return value;
  const got = text === '' ? 'nothing' : `'${text.slice(0, 40)}'`;
  throw wrong(file, line, column, `expected a number from 0 to ${most}, got ${got}`);
}

function isNumber(text: string): boolean {
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text);
}

function wrong(file: string, line: number, column: number, what: string): PlatformError {
  return new PlatformError('invalid_request', `${file}, line ${line}, column ${column}: ${what}`);
}

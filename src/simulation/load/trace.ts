/**
 * Recorded loads as CSV: one count per slot and line, or one request per line if a column is named `t_s` or `t_ms`. With several
 * columns the name decides: in `minute,requests` the first column would be read as counts.
 */
import { PlatformError } from '../../errors.ts';
import { threadTask } from '../../threads/index.ts';

/** A recorded load: counts of slots, or times of requests. */
export type Trace =
  /** Requests of each slot. Fractions are rates in another unit and need a scale other than 1. */
  | { readonly kind: 'counts'; readonly counts: readonly number[] }
  /** Arrival time of each request, in milliseconds from the beginning of the recording, ascending. */
  | { readonly kind: 'times'; readonly timesMs: Float64Array };

const countMost = 1e9;
const unitsMs: ReadonlyMap<string, number> = new Map([
  ['t_s', 1000],
  ['t_ms', 1],
]);
const countNames = ['requests', 'request_count', 'count', 'counts', 'arrivals', 'invocations', 'calls'];
/** Latest accepted time in milliseconds: a hundred years. */
const msMost = 3.2e12;

/**
 * Parses a trace; `file` is its name in errors. Throws `invalid_request` if the file has no data, or a value is not a number,
 * negative, too large, or earlier than the line before. The error has file, line and column.
 */
export function parseTrace(text: string, file: string): Trace {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  while (lines.length > 0 && (lines.at(-1) as string).trim() === '') lines.pop();
  const [header, ...rows] = lines;
  if (header === undefined) throw wrong(file, 1, 1, 'expected a header line and one number per line below it, the file is empty');
  const names = header.split(',').map(unquoted);
  const [first = ''] = names;
  if (isNumber(first)) throw wrong(file, 1, 1, `expected a header such as 'requests' or 't_s', got the number ${first}`);
  if (rows.length === 0) throw wrong(file, 2, 1, 'expected one number per line below the header, got none');
  const column = columnIn(names, file);
  const name = names[column]?.toLowerCase() ?? '';
  const unitMs = unitsMs.get(name);
  if (unitMs === undefined)
    return { kind: 'counts', counts: rows.map((row, i) => numberIn(row, { file, line: i + 2, column }, countMost)) };
  const timesMs = Float64Array.from(rows, (row, i) => numberIn(row, { file, line: i + 2, column }, msMost / unitMs) * unitMs);
  for (let i = 1; i < timesMs.length; i++) {
    if ((timesMs[i] as number) < (timesMs[i - 1] as number))
      throw wrong(file, i + 2, 1, `this request is before that of the previous line. Sort the file by ${name}`);
  }
  return { kind: 'times', timesMs };
}

/** Runs `parseTrace` in a thread. */
export const parseTraceTask = threadTask(
  import.meta.url,
  'parseTraceTask',
  ({ text, file }: { readonly text: string; readonly file: string }): Trace => parseTrace(text, file),
);

/** The requests of each second, for traces that are scaled. Within a second their times are lost. */
export function countsPerSecond(trace: Trace): readonly number[] | null {
  if (trace.kind !== 'times') return null;
  const counts = new Array<number>(Math.floor((trace.timesMs.at(-1) ?? 0) / 1000) + 1).fill(0);
  for (const ms of trace.timesMs) counts[Math.floor(ms / 1000)] = (counts[Math.floor(ms / 1000)] as number) + 1;
  return counts;
}

/** Index of the data column: the only column, or the only one with a known name. */
function columnIn(names: readonly string[], file: string): number {
  if (names.length === 1) return 0;
  const known = names.flatMap((name, i) => (countNames.includes(name.toLowerCase()) || unitsMs.has(name.toLowerCase()) ? [i] : []));
  const [column] = known;
  if (column !== undefined && known.length === 1) return column;
  const are = names.map((name) => `'${name.slice(0, 40)}'`).slice(0, 20);
  const which = column === undefined ? 'none of them' : `more than one of them, ${known.map((i) => `'${names[i]}'`).join(' and ')},`;
  throw wrong(
    file,
    1,
    1,
    `the columns are ${are.join(', ')}, and ${which} could be replayed. Keep one, named requests (per slot), or t_s or t_ms (per request)`,
  );
}

function unquoted(name: string): string {
  return name.trim().replace(/^"(.*)"$/, '$1');
}

interface Cell {
  readonly file: string;
  readonly line: number;
  /** Column index, from 0. */
  readonly column: number;
}

function numberIn(row: string, { file, line, column }: Cell, most: number): number {
  const cells = row.split(',', column + 1);
  const cell = cells[column] ?? '';
  const text = cell.trim();
  const value = isNumber(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= most) return value;
  const got = text === '' ? 'nothing' : `'${text.slice(0, 40)}'`;
  const at = cells.slice(0, column).reduce((sum, { length }) => sum + length + 1, 0) + cell.length - cell.trimStart().length + 1;
  throw wrong(file, line, at, `expected a number from 0 to ${most}, got ${got}`);
}

function isNumber(text: string): boolean {
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text);
}

function wrong(file: string, line: number, column: number, what: string): PlatformError {
  return new PlatformError('invalid_request', `${file}, line ${line}, column ${column}: ${what}`);
}

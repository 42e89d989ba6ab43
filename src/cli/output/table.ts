/** Aligned tables for people. Programs use `--output json`. */
import { stripVTControlCharacters } from 'node:util';

/** A null cell is empty. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string | number | null;
  /** Numbers are aligned to the right. */
  readonly align?: 'left' | 'right';
}

/** A line of titles, then one line per row. Omits empty columns. Returns an empty string if there are no rows. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  if (rows.length === 0) return '';
  const shown = columns
    .map(({ title, align, cell }) => ({ title, align, cells: rows.map((row) => oneLine(cell(row))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
    .map((column) => ({ ...column, width: Math.max(...[column.title, ...column.cells].map(widthOf)) }));
  const line = (texts: readonly string[]): string =>
    shown
      .map(({ align, width }, index) => pad(texts[index] as string, width, align ?? 'left'))
      .join('  ')
      .trimEnd();
  const lines = [
    line(shown.map((column) => column.title)),
    ...rows.map((_, index) => line(shown.map(({ cells }) => cells[index] as string))),
  ];
  return `${lines.join('\n')}\n`;
}

/** A column of a table whose rows arrive one by one. */
export interface SteadyColumn<Row> extends Column<Row> {
  /** The initial width in characters: the widths of later cells are unknown. */
  readonly width: number;
}

/** Like `table`, for rows that arrive one by one. A column grows with the first cell that needs it and never shrinks. */
export class SteadyTable<Row> {
  readonly #columns: readonly SteadyColumn<Row>[];
  readonly #widths: number[];

  constructor(columns: readonly SteadyColumn<Row>[]) {
    this.#columns = columns;
    this.#widths = columns.map(({ title, width }) => Math.max(width, widthOf(title)));
  }

  get titles(): string {
    return this.#line(this.#columns.map(({ title }) => title));
  }

  lineOf(row: Row): string {
    const cells = this.#columns.map(({ cell }) => oneLine(cell(row)));
    for (const [i, cell] of cells.entries()) this.#widths[i] = Math.max(this.#widths[i] as number, widthOf(cell));
    return this.#line(cells);
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, i) => pad(cell, this.#widths[i] as number, this.#columns[i]?.align ?? 'left'));
    return `${padded.join('  ').trimEnd()}\n`;
  }
}

/** One `name  value` per line, for a single resource. Multi-line values are indented. */
export function fields(pairs: readonly (readonly [string, string | number | null | undefined])[]): string {
  const shown = pairs.filter(
    (pair): pair is readonly [string, string | number] => pair[1] !== null && pair[1] !== undefined && pair[1] !== '',
  );
  const width = Math.max(0, ...shown.map(([name]) => widthOf(name)));
  const indent = ' '.repeat(width + 2);
  return shown.map(([name, value]) => `${pad(name, width, 'left')}  ${String(value).replaceAll('\n', `\n${indent}`)}\n`).join('');
}

function oneLine(value: string | number | null): string {
  return value === null ? '' : String(value).replaceAll(/\s*\n\s*/g, ' ');
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? space + text : text + space;
}

function widthOf(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

/**
 * Maps CSV columns to model inputs. The initial mapping follows names, and positions only if the file has exactly the columns that the
 * model takes: the first columns of another model's file would give predictions that mean nothing.
 */
import { plural } from '../kit/format/format.ts';
import { isNumber } from '../kit/format/write-csv.ts';
import type { Csv } from './csv.ts';
import { isText, type SignatureTensor, valuesPerRow } from './signature.ts';

export interface Mapping {
  /** Columns by input, in the order of its values. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** The label column; null if there is none. */
  readonly truth: number | null;
}

/** Usual names of label columns. */
const truthName = /^(label|labels|target|truth|class|y|species|outcome|quality|diagnosis|digit|category)$/i;

/** The label column is found by its name; a single surplus column at the end counts as the label, too. */
export function mappingFor(csv: Csv, inputs: readonly SignatureTensor[]): Mapping {
  const { header } = csv;
  const wanted = inputs.reduce((sum, input) => sum + (valuesPerRow(input) ?? 1), 0);
  const named = csv.hasHeader ? header.findIndex((name) => truthName.test(name)) : -1;
  const truth =
    named >= 0 && header.length > wanted
      ? named
      : header.length === wanted + 1
        ? header.length - 1
        : named >= 0 && inputs.length > 1
          ? named
          : null;
  const free = header.map((_, index) => index).filter((index) => index !== truth);
  const [only] = inputs;
  if (inputs.length === 1 && only !== undefined) {
    return { inputs: { [only.name]: free }, truth };
  }
  const isWhole = free.length === wanted;
  const taken = new Set<number>();
  const found = inputs.map((input, place): readonly [string, readonly number[]] => {
    const size = valuesPerRow(input) ?? 1;
    const byName = header.findIndex((name) => name.toLowerCase() === input.name.toLowerCase());
    if (byName < 0 && !isWhole) return [input.name, []];
    const start = byName >= 0 ? byName : (free.filter((index) => !taken.has(index))[0] ?? free[place] ?? 0);
    const columns = Array.from({ length: size }, (_, offset) => start + offset).filter((index) => index < header.length);
    for (const column of columns) taken.add(column);
    return [input.name, columns];
  });
  return { inputs: Object.fromEntries(found), truth };
}

/** The problem of a mapping; null if the rows can be sent. */
export function mappingFault(csv: Csv, inputs: readonly SignatureTensor[], mapping: Mapping): string | null {
  if (csv.rows.length === 0) return 'The file has no rows.';
  for (const input of inputs) {
    const columns = mapping.inputs[input.name] ?? [];
    const size = valuesPerRow(input);
    if (columns.length === 0) return `No column is mapped to ${input.name}.`;
    if (size !== null && columns.length !== size)
      return `${input.name} takes ${plural(size, 'column')} a row, but ${columns.length} of the file are mapped to it. Choose a file that fits, or map its columns.`;
    if (isText(input)) continue;
    for (const [number, row] of csv.rows.entries()) {
      const wrong = columns.find((column) => !isNumber(row[column] ?? ''));
      if (wrong !== undefined)
        return `Row ${number + 1} has “${(row[wrong] ?? '').slice(0, 40)}” in column ${csv.header[wrong]}, but ${input.name} requires numbers.`;
    }
  }
  return null;
}

export type RowValues = Readonly<Record<string, readonly (number | string)[]>>;

/** The values of a row, by input. */
export function rowValues(row: readonly string[], inputs: readonly SignatureTensor[], mapping: Mapping): RowValues {
  return Object.fromEntries(
    inputs.map((input) => {
      const cells = (mapping.inputs[input.name] ?? []).map((column) => row[column] ?? '');
      return [input.name, isText(input) ? cells : cells.map(Number)];
    }),
  );
}

/** An instance for the API, nested by shape: the value itself for one input, an object by name for several. */
export function instanceOf(values: RowValues, inputs: readonly SignatureTensor[]): unknown {
  const shaped = inputs.map((input): [string, unknown] => [input.name, nested(values[input.name] ?? [], input.shape.slice(1))]);
  return shaped.length === 1 ? shaped[0]?.[1] : Object.fromEntries(shaped);
}

function nested(values: readonly (number | string)[], shape: readonly number[]): unknown {
  if (shape.length === 0) return values[0] ?? null;
  const [size = 0, ...rest] = shape;
  if (rest.length === 0) return values;
  const count = size < 0 ? 1 : size;
  const step = values.length / Math.max(1, count);
  return Array.from({ length: count }, (_, index) => nested(values.slice(index * step, (index + 1) * step), rest));
}

/** Rows whose values are named: by the columns of a single input, or by inputs of one value each. Pure. */
import { PlatformError } from '../../errors.ts';
import { elementCount, type Signature, type TensorSpec } from '../../tensor.ts';
import { formatNames } from './csv-header.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Each column as an input of one value; null if the input does not name its columns. */
export function columnSpecs({ columns, datatype }: TensorSpec): readonly TensorSpec[] | null {
  return columns?.map((name) => ({ name, datatype, shape: [-1] })) ?? null;
}

/** Whether a row is a record of named values. */
export function isTable({ inputs }: Signature): boolean {
  if (inputs.length === 1) return inputs[0]?.columns !== undefined;
  return inputs.length > 1 && inputs.every(({ shape }) => shape[0] === -1 && elementCount(shape.slice(1)) === 1);
}

/**
 * The values of rows that name the columns of their input, in its order; null if the rows name the input instead. Throws `invalid_request`
 * for a column that is missing or unknown.
 */
export function valuesByColumn({ name, columns }: TensorSpec, rows: readonly Fields[]): readonly (readonly unknown[])[] | null {
  if (columns === undefined) return null;
  if (!columns.includes(name) && rows.every((row) => Object.hasOwn(row, name))) return null;
  const known = new Set(columns);
  return rows.map((row, index) => {
    const missing = columns.filter((column) => !Object.hasOwn(row, column));
    if (missing.length > 0) throw refused(`instances[${index}] lacks ${columnsText(missing)}`, columns);
    const unknown = Object.keys(row).filter((column) => !known.has(column));
    if (unknown.length > 0) throw refused(`instances[${index}]: the model does not know ${columnsText(unknown)}`, columns);
    return columns.map((column) => row[column]);
  });
}

function columnsText(names: readonly string[]): string {
  const quoted = names.map((name) => `'${name.slice(0, 60)}'`);
  return `${names.length === 1 ? 'the column' : 'the columns'} ${formatNames(quoted)}`;
}

function refused(what: string, columns: readonly string[]): PlatformError {
  return new PlatformError('invalid_request', `${what}: it takes ${formatNames(columns)}`);
}

const split = 'dataframe_split';
const records = 'dataframe_records';
const inputs = 'inputs';

/**
 * The rows of a document that MLflow's clients send, as instances; null for any other document. For a model with named columns:
 *
 *   {"dataframe_split": {"columns": ["age", …], "data": [[3, …], …]}}
 *   {"dataframe_records": [{"age": 3, …}, …]}
 *   {"inputs": {"age": [3, …], …}} or {"inputs": [[3, …], …]}
 *
 * A model with one table of unnamed columns takes the first form, by the positions of the values. Throws `invalid_request`.
 */
export function dataframeRows(signature: Signature, document: unknown): readonly unknown[] | null {
  if (!isFields(document)) return null;
  const [key, ...others] = Object.keys(document);
  if (key === undefined || others.length > 0) return null;
  const value = document[key];
  if (!isTable(signature)) return key === split && isUnnamedTable(signature) ? splitOf(value).rows : null;
  switch (key) {
    case split:
      return rowsOfSplit(value);
    case records:
      if (!Array.isArray(value) || !value.every(isFields)) throw wrong(`'${records}' must be a list of objects, {"column": value, …}`);
      return value;
    case inputs:
      if (isFields(value)) return rowsOfColumns(value);
      return Array.isArray(value) && value.length > 0 && value.every((row) => Array.isArray(row)) ? value : null;
    default:
      return null;
  }
}

function isUnnamedTable({ inputs: [input, ...others] }: Signature): boolean {
  return input !== undefined && others.length === 0 && input.shape.length === 2 && input.datatype !== 'BYTES';
}

function rowsOfSplit(value: unknown): readonly unknown[] {
  const { names, rows } = splitOf(value);
  return rows.map((row) => Object.fromEntries(names.map((name, column) => [name, row[column]])));
}

/** The names are texts, or the numbers that pandas gives to columns without names. */
function splitOf(value: unknown): { readonly names: readonly string[]; readonly rows: readonly (readonly unknown[])[] } {
  const { columns, data } = isFields(value) ? value : {};
  const isNamed = Array.isArray(columns) && columns.every((name) => typeof name === 'string' || typeof name === 'number');
  if (!isNamed || !Array.isArray(data)) throw wrong(`'${split}' must be {"columns": ["name", …], "data": [[value, …], …]}`);
  const names = columns.map(String);
  if (new Set(names).size < names.length) throw wrong(`'${split}' names a column twice`);
  const rows: readonly unknown[] = data;
  return {
    names,
    rows: rows.map((row, index) => {
      if (Array.isArray(row) && row.length === names.length) return row as readonly unknown[];
      const has = Array.isArray(row) ? `${row.length} values` : 'no list';
      throw wrong(`row ${index} of '${split}' has ${has}, expected ${names.length}, one for each of its columns`);
    }),
  };
}

function rowsOfColumns(columns: Fields): readonly unknown[] {
  const entries = Object.entries(columns);
  const rows = Array.isArray(entries[0]?.[1]) ? entries[0][1].length : 0;
  for (const [name, values] of entries) {
    if (Array.isArray(values) && values.length === rows) continue;
    throw wrong(`'${inputs}': the column '${name.slice(0, 60)}' must be a list of as many values as the others`);
  }
  return Array.from({ length: rows }, (_, row) => Object.fromEntries(entries.map(([name, values]) => [name, (values as unknown[])[row]])));
}

function wrong(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Extracts numeric features and predictions from tensors. Pure. */
import { decodeStrings, elementCount, elementsOf, type NumericArray, type Tensor } from '../../tensor.ts';

/** Wider tensors are not treated as features: images, for example. */
export const featuresMax = 512;

/** Rows as numbers, whatever tensors they came in. */
export interface FeatureRows {
  /** Equal for equal names. */
  readonly key: string;
  /** `x[3]`, `age`. Computed on demand: most rows are only counted. */
  readonly names: readonly string[];
  /** The values of a row, in the order of `names`. */
  row(index: number): number[];
}

interface Columns {
  readonly tensor: Tensor;
  readonly perRow: number;
}

/**
 * Features of tensors whose first dimension is the number of rows, or that are one row as a whole. Excludes names in `redacted` and
 * non-numeric tensors.
 */
export function featureRows(tensors: readonly Tensor[], rows: number, redacted: ReadonlySet<string> = noNames): FeatureRows {
  const { columns, key } = numericColumns(tensors, rows, redacted);
  return {
    key,
    get names() {
      return columns.flatMap((each) => namesOf(each)).filter((name) => !redacted.has(name));
    },
    row: (index) => columns.flatMap((each) => valuesOf(each, index, redacted)),
  };
}

/** The same by column: all values of one feature, then of the next. */
export function* featureColumns(
  tensors: readonly Tensor[],
  rows: number,
  redacted: ReadonlySet<string> = noNames,
): Generator<{ readonly name: string; readonly values: Float64Array }> {
  for (const each of numericColumns(tensors, rows, redacted).columns) {
    const { tensor, perRow } = each;
    const elements = numbersOf(tensor) ?? [];
    const isHalf = tensor.datatype === 'FP16';
    for (const [offset, name] of namesOf(each).entries()) {
      if (redacted.has(name)) continue;
      const values = new Float64Array(rows);
      for (let row = 0; row < rows; row++) {
        const value = Number(elements[row * perRow + offset]);
        values[row] = isHalf ? halfOf(value) : value;
      }
      yield { name, values };
    }
  }
}

function numericColumns(
  tensors: readonly Tensor[],
  rows: number,
  redacted: ReadonlySet<string>,
): { readonly columns: readonly Columns[]; readonly key: string } {
  const columns: Columns[] = [];
  let count = 0;
  let key = redacted.size === 0 ? '' : [...redacted].join();
  for (const tensor of tensors) {
    const perRow = rows > 0 ? elementCount(tensor.shape) / rows : 0;
    if (redacted.has(tensor.name) || !Number.isInteger(perRow) || perRow < 1 || count + perRow > featuresMax) continue;
    if (!isNumeric(tensor) || (rows !== 1 && tensor.shape[0] !== rows)) continue;
    columns.push({ tensor, perRow });
    count += perRow;
    key += `|${tensor.name} ${tensor.shape.length} ${perRow}`;
  }
  return { columns, key };
}

const noNames: ReadonlySet<string> = new Set();

function namesOf({ tensor: { name, shape }, perRow }: Columns): string[] {
  if (perRow === 1 && shape.length <= 1) return [name];
  return Array.from({ length: perRow }, (_, offset) => `${name}[${offset}]`);
}

function valuesOf(columns: Columns, row: number, redacted: ReadonlySet<string>): number[] {
  const { tensor, perRow } = columns;
  const size = tensor.data.byteLength / (elementCount(tensor.shape) / perRow);
  const values: ArrayLike<number | bigint> = numbersOf({ ...tensor, data: tensor.data.subarray(row * size, (row + 1) * size) }) ?? [];
  const numbers = Array.from(values, (value) => (tensor.datatype === 'FP16' ? halfOf(Number(value)) : Number(value)));
  if (redacted.size === 0) return numbers;
  const names = namesOf(columns);
  return numbers.filter((_, offset) => !redacted.has(names[offset] as string));
}

function isNumeric({ datatype }: Tensor): boolean {
  return datatype !== 'BYTES' && datatype !== 'BF16';
}

function numbersOf({ datatype, data }: Tensor): NumericArray | null {
  return datatype === 'BYTES' || datatype === 'BF16' ? null : elementsOf(datatype, data);
}

/** IEEE 754 binary16. */
function halfOf(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** What a model predicted, row by row. */
export interface Predictions {
  /** A class label, or a number on a scale. */
  readonly kind: 'class' | 'value';
  /** One per row. */
  readonly values: readonly (number | string)[];
  /** The largest score of each row; null if the model returns none. */
  readonly scores: readonly number[] | null;
}

/** More outputs per row than this are not class scores. */
const classesMax = 10_000;

/**
 * The prediction of each row. Integers and texts are class labels; the index of the largest of several scores is a class; a single fraction
 * is a value. Null for other outputs.
 */
export function predictionsOf(tensors: readonly Tensor[], rows: number, redacted: ReadonlySet<string> = new Set()): Predictions | null {
  const usable = tensors.filter(({ name, shape }) => !redacted.has(name) && rows > 0 && (rows === 1 || shape[0] === rows));
  const scored = usable.find(
    ({ datatype, shape }) => isFraction(datatype) && shape.length <= 2 && perRowOf(shape, rows) >= 2 && perRowOf(shape, rows) <= classesMax,
  );
  const largest = scored === undefined ? null : largestOf(scored, rows);
  const single = usable.filter(({ shape }) => perRowOf(shape, rows) === 1);
  const labels = single.find(({ datatype }) => !isFraction(datatype) && datatype !== 'BF16');
  if (labels !== undefined) return { kind: 'class', values: labelsOf(labels), scores: largest?.scores ?? null };
  if (largest !== null) return { kind: 'class', values: largest.indexes, scores: largest.scores };
  const value = single.find(({ datatype }) => isFraction(datatype));
  return value === undefined ? null : { kind: 'value', values: largestOf(value, rows).scores, scores: null };
}

function perRowOf(shape: readonly number[], rows: number): number {
  return elementCount(shape) / rows;
}

function isFraction(datatype: Tensor['datatype']): boolean {
  return datatype === 'FP32' || datatype === 'FP64' || datatype === 'FP16';
}

/** The largest value of each row and its index in the row. */
function largestOf(tensor: Tensor, rows: number): { readonly indexes: number[]; readonly scores: number[] } {
  const values = numbersOf(tensor) as NumericArray;
  const isHalf = tensor.datatype === 'FP16';
  const perRow = values.length / rows;
  const indexes = new Array<number>(rows);
  const scores = new Array<number>(rows);
  for (let row = 0; row < rows; row++) {
    let [index, max] = [0, Number.NEGATIVE_INFINITY];
    for (let i = 0; i < perRow; i++) {
      const value = isHalf ? halfOf(Number(values[row * perRow + i])) : Number(values[row * perRow + i]);
      if (value > max) [index, max] = [i, value];
    }
    indexes[row] = index;
    scores[row] = max;
  }
  return { indexes, scores };
}

const labelLengthMax = 256;

function labelsOf(tensor: Tensor): (number | string)[] {
  if (tensor.datatype === 'BYTES') return decodeStrings(tensor.data).map((text) => text.slice(0, labelLengthMax));
  return [...(numbersOf(tensor) ?? [])].map(Number);
}

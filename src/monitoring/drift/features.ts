/** Rows of numbers out of tensors: the features that drift is looked for in, and what a model predicted. Pure. */
import { decodeStrings, elementCount, elementsOf, type NumericArray, type Tensor } from '../../tensor.ts';

/** More columns than these are no features: an image, say. */
export const featuresMax = 512;

export interface FeatureRows {
  /** The same for the same names. */
  readonly key: string;
  /** `x[3]`, `age`. Made when they are asked for: most rows are counted, and not looked at. */
  readonly names: readonly string[];
  /** The values of a row, in the order of the names. */
  row(index: number): number[];
}

interface Columns {
  readonly tensor: Tensor;
  readonly perRow: number;
}

/** Of tensors whose first dimension counts the rows, or that are one row as a whole. Names in `left` and what is no number are left out. */
export function featureRows(tensors: readonly Tensor[], rows: number, left: ReadonlySet<string> = noNames): FeatureRows {
  const columns: Columns[] = [];
  let count = 0;
  let key = left.size === 0 ? '' : [...left].join();
  for (const tensor of tensors) {
    const perRow = rows > 0 ? elementCount(tensor.shape) / rows : 0;
    if (left.has(tensor.name) || !Number.isInteger(perRow) || perRow < 1 || count + perRow > featuresMax) continue;
    if (!isNumeric(tensor) || (rows !== 1 && tensor.shape[0] !== rows)) continue;
    columns.push({ tensor, perRow });
    count += perRow;
    key += `|${tensor.name} ${tensor.shape.length} ${perRow}`;
  }
  return {
    key,
    get names() {
      return columns.flatMap((each) => namesOf(each)).filter((name) => !left.has(name));
    },
    row: (index) => columns.flatMap((each) => valuesOf(each, index, left)),
  };
}

const noNames: ReadonlySet<string> = new Set();

function namesOf({ tensor: { name, shape }, perRow }: Columns): string[] {
  if (perRow === 1 && shape.length <= 1) return [name];
  return Array.from({ length: perRow }, (_, offset) => `${name}[${offset}]`);
}

function valuesOf(columns: Columns, row: number, left: ReadonlySet<string>): number[] {
  const { tensor, perRow } = columns;
  const size = tensor.data.byteLength / (elementCount(tensor.shape) / perRow);
  const values: ArrayLike<number | bigint> = numbersOf({ ...tensor, data: tensor.data.subarray(row * size, (row + 1) * size) }) ?? [];
  const numbers = Array.from(values, (value) => (tensor.datatype === 'FP16' ? halfOf(Number(value)) : Number(value)));
  if (left.size === 0) return numbers;
  const names = namesOf(columns);
  return numbers.filter((_, offset) => !left.has(names[offset] as string));
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

export interface Predictions {
  /** One of some classes, or a number on a scale. */
  readonly kind: 'class' | 'value';
  /** One a row. */
  readonly values: readonly (number | string)[];
  /** The largest score of each row; null where the model gives none. */
  readonly scores: readonly number[] | null;
}

/** More classes than these are no classification. */
const classesMax = 10_000;

/**
 * What the model said of each row: whole numbers or texts are classes as they stand, the largest of several scores names a class, a
 * single fraction is a value. Null where outputs are nothing of this.
 */
export function predictionsOf(tensors: readonly Tensor[], rows: number, left: ReadonlySet<string> = new Set()): Predictions | null {
  const shown = tensors.filter(({ name, shape }) => !left.has(name) && rows > 0 && (rows === 1 || shape[0] === rows));
  const scored = shown.find(
    ({ datatype, shape }) => isFraction(datatype) && shape.length <= 2 && perRowOf(shape, rows) >= 2 && perRowOf(shape, rows) <= classesMax,
  );
  const largest = scored === undefined ? null : largestOf(scored, rows);
  const single = shown.filter(({ shape }) => perRowOf(shape, rows) === 1);
  const labels = single.find(({ datatype }) => !isFraction(datatype) && datatype !== 'BF16');
  if (labels !== undefined) return { kind: 'class', values: labelsOf(labels), scores: largest?.scores ?? null };
  if (largest !== null) return { kind: 'class', values: largest.places, scores: largest.scores };
  const value = single.find(({ datatype }) => isFraction(datatype));
  return value === undefined ? null : { kind: 'value', values: largestOf(value, rows).scores, scores: null };
}

function perRowOf(shape: readonly number[], rows: number): number {
  return elementCount(shape) / rows;
}

function isFraction(datatype: Tensor['datatype']): boolean {
  return datatype === 'FP32' || datatype === 'FP64' || datatype === 'FP16';
}

/** The largest value of each row, and where in the row it is. */
function largestOf(tensor: Tensor, rows: number): { readonly places: number[]; readonly scores: number[] } {
  const values = numbersOf(tensor) as NumericArray;
  const isHalf = tensor.datatype === 'FP16';
  const perRow = values.length / rows;
  const places = new Array<number>(rows);
  const scores = new Array<number>(rows);
  for (let row = 0; row < rows; row++) {
    let [place, most] = [0, Number.NEGATIVE_INFINITY];
    for (let i = 0; i < perRow; i++) {
      const value = isHalf ? halfOf(Number(values[row * perRow + i])) : Number(values[row * perRow + i]);
      if (value > most) [place, most] = [i, value];
    }
    places[row] = place;
    scores[row] = most;
  }
  return { places, scores };
}

const labelLengthMax = 256;

function labelsOf(tensor: Tensor): (number | string)[] {
  if (tensor.datatype === 'BYTES') return decodeStrings(tensor.data).map((text) => text.slice(0, labelLengthMax));
  return [...(numbersOf(tensor) ?? [])].map(Number);
}

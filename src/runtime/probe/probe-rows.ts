/** Rows for testing a model: how to make, join and split them. Pure. */
import type { Random } from '../../random.ts';
import { decodeStrings, encodeStrings, type Signature, type Tensor, takesJson } from '../../tensor.ts';
import { sampleInputs } from './sample-inputs.ts';

/** One row: a tensor per input, with a first dimension of 1. Scalars are the same in all rows. */
export type Row = readonly Tensor[];

/** Maximum number of draws: rows that are equal by chance prove nothing, so others are generated. */
const drawsMax = 16;

/**
 * `count` rows, different from each other if possible: first the real ones, then generated ones of the same shape. Of JSON only its model
 * knows which is valid, so real rows are repeated.
 */
export function distinctRows(signature: Signature, count: number, random: Random, { realRows, dynamicSize }: RowSource): Row[] {
  const rows: Row[] = [];
  for (const row of realRows) if (rows.length < count && isUsable(row, rows)) rows.push(row);
  if (takesJson(signature)) return Array.from({ length: count }, (_, index) => rows[index % rows.length] as Row);
  const shaped = rows[0] === undefined ? signature : shapedLike(signature, rows[0]);
  for (let draws = 0; rows.length < count; draws++) {
    const [first] = rows;
    const row = sampleInputs(shaped, 1, random, dynamicSize).map((tensor, index) =>
      tensor.shape.length === 0 && first !== undefined ? (first[index] as Tensor) : tensor,
    );
    if (draws >= drawsMax || !rows.some((other) => isSameRow(row, other))) rows.push(row);
  }
  return rows;
}

/** Real rows come first; generated ones fill up. */
export interface RowSource {
  /** Real rows, such as those of a sample that was registered with the model. */
  readonly realRows: readonly Row[];
  /** Size of the varying dimensions of generated rows, except the first. */
  readonly dynamicSize: number;
}

/** Rows can be joined if their tensors have one shape, and share their scalars. */
function isUsable(row: Row, rows: readonly Row[]): boolean {
  const [first = row] = rows;
  const fits = row.every((tensor, index) => {
    const other = first[index] as Tensor;
    return tensor.shape.join() === other.shape.join() && (tensor.shape.length > 0 || Buffer.compare(tensor.data, other.data) === 0);
  });
  return fits && !rows.some((other) => isSameRow(row, other));
}

function shapedLike({ inputs, outputs }: Signature, row: Row): Signature {
  return { inputs: inputs.map((spec, index) => ({ ...spec, shape: (row[index] as Tensor).shape })), outputs };
}

function isSameRow(row: Row, other: Row): boolean {
  return row.every((tensor, index) => Buffer.compare(tensor.data, (other[index] as Tensor).data) === 0);
}

/** The rows as one batch. */
export function joined(rows: readonly Row[]): Row {
  return (rows[0] as Row).map((first, index) => {
    if (first.shape.length === 0) return first;
    const data = new Uint8Array(Buffer.concat(rows.map((row) => (row[index] as Tensor).data)));
    return { ...first, shape: [rows.length, ...first.shape.slice(1)], data };
  });
}

/** A row of tensors with `rows` rows. */
export function rowOf(tensors: readonly Tensor[], row: number, rows: number): Row {
  return tensors.map((tensor) => {
    const shape = [1, ...tensor.shape.slice(1)];
    if (tensor.datatype === 'BYTES') {
      const strings = decodeStrings(tensor.data);
      const each = strings.length / rows;
      return { ...tensor, shape, data: encodeStrings(strings.slice(row * each, (row + 1) * each)) };
    }
    const each = tensor.data.length / rows;
    return { ...tensor, shape, data: Uint8Array.prototype.slice.call(tensor.data, row * each, (row + 1) * each) };
  });
}

/** Rows of tensors: some of them gathered, and put back. A row is an element of the first dimension. Pure. */
import { datatypes, decodeStrings, encodeStrings, type Tensor } from '../tensor.ts';

/** The given rows, with rows of the shape `row`; null: of their own shape. */
export function gatherRows({ name, datatype, shape, data }: Tensor, rows: readonly number[], row: readonly number[] | null): Tensor {
  const gathered = { name, datatype, shape: [rows.length, ...(row ?? shape.slice(1))] };
  const count = shape[0] as number;
  if (rows.length === count) return { ...gathered, data }; // all rows, in their order
  if (datatypes[datatype].bytes === null) {
    const texts = decodeStrings(data);
    const each = texts.length / count;
    return { ...gathered, data: encodeStrings(rows.flatMap((index) => texts.slice(index * each, (index + 1) * each))) };
  }
  const each = data.length / count;
  const bytes = new Uint8Array(rows.length * each);
  for (const [i, index] of rows.entries()) bytes.set(data.subarray(index * each, (index + 1) * each), i * each);
  return { ...gathered, data: bytes };
}

/** `all` with those rows replaced by the rows of `some`, in their order. Both must have rows of one size. */
export function scatterRows(all: Tensor, rows: readonly number[], some: Tensor): Tensor {
  if (rows.length === 0) return all;
  const count = all.shape[0] as number;
  if (rows.length === count) return { ...all, data: some.data };
  if (datatypes[all.datatype].bytes === null) {
    const [texts, others] = [decodeStrings(all.data), decodeStrings(some.data)];
    const each = texts.length / count;
    for (const [i, index] of rows.entries()) texts.splice(index * each, each, ...others.slice(i * each, (i + 1) * each));
    return { ...all, data: encodeStrings(texts) };
  }
  const each = all.data.length / count;
  const data = new Uint8Array(all.data); // the memory of a model is its own
  for (const [i, index] of rows.entries()) data.set(some.data.subarray(i * each, (i + 1) * each), index * each);
  return { ...all, data };
}

/** The classification extension: the top classes of each row as `<value>:<index>`, best first. */
import { elementsOf, encodeStrings, type NumericArray, type Tensor } from '../../tensor.ts';
import { floatText } from '../rows/float-text.ts';
import { invalidRequest } from './request-errors.ts';

/**
 * A BYTES tensor of shape [rows, min(classes, columns)]; equal values are ordered by index. If the model is not batched, a vector
 * is one row and stays a vector. Throws `invalid_request` for strings, FP16 and ranks above 2.
 */
export function classify(output: Tensor, classes: number, isBatched: boolean): Tensor {
  const { name, datatype, shape } = output;
  if (datatype === 'BYTES' || datatype === 'FP16' || datatype === 'BF16' || datatype === 'BOOL' || shape.length > 2) {
    throw invalidRequest(`output '${name}' is ${datatype} [${shape.join(',')}]: classification needs numbers of rank 1 or 2`);
  }
  const hasRows = shape.length === 2 || (isBatched && shape.length === 1);
  const rows = hasRows ? (shape[0] as number) : 1;
  const columns = hasRows ? (shape[1] ?? 1) : (shape[0] ?? 1);
  const count = Math.min(classes, columns);
  const values = elementsOf(datatype, output.data);
  const words: string[] = [];
  for (let row = 0; row < rows; row++) addBest(values, row * columns, columns, count, words);
  return { name, datatype: 'BYTES', shape: hasRows ? [rows, count] : [count], data: encodeStrings(words) };
}

function addBest(values: NumericArray, from: number, columns: number, count: number, into: string[]): void {
  const valueAt = (index: number): number | bigint => values[from + index] as number | bigint;
  const order = Array.from({ length: columns }, (_, index) => index).sort((a, b) => {
    const [left, right] = [valueAt(a), valueAt(b)];
    return left > right ? -1 : left < right ? 1 : a - b;
  });
  const textOf = values instanceof Float32Array ? (index: number) => floatText(valueAt(index) as number) : valueAt;
  for (const index of order.slice(0, count)) into.push(`${textOf(index)}:${index}`);
}

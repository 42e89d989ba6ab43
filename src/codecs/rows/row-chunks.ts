/**
 * Splits a file of many rows, which is more than one batch. If the model can be batched, rows are independent. The invocation becomes
 * requests of at most one batch, and their predictions are concatenated in order.
 */
import assert from 'node:assert/strict';
import { PlatformError } from '../../errors.ts';
import { datatypes, type Tensor, type TensorSpec, walkStrings } from '../../tensor.ts';
import { hasRows, type RowInvocation } from './invocation.ts';

/**
 * Splits an invocation into parts of at most `rowsMax` rows. Inputs that do not count rows are included in each. Throws
 * `invalid_request` for rows without elements.
 */
export function cutRows(invocation: RowInvocation, specs: readonly TensorSpec[], rowsMax: number): RowInvocation[] {
  assert(rowsMax >= 1);
  if (invocation.rows <= rowsMax) return [invocation];
  for (const [index, { name, data }] of invocation.inputs.entries()) {
    // Rows without elements: a few bytes could claim any number of rows.
    if (data.byteLength > 0 || !hasRows(specs[index] as TensorSpec)) continue;
    throw new PlatformError('invalid_request', `input '${name}' has ${invocation.rows} rows without elements: at most ${rowsMax} may be`);
  }
  const chunks: RowInvocation[] = [];
  const ends = invocation.inputs.map((input) => rowEnds(input));
  for (let from = 0; from < invocation.rows; from += rowsMax) {
    const to = Math.min(from + rowsMax, invocation.rows);
    const inputs = invocation.inputs.map((input, index) => {
      if (!hasRows(specs[index] as TensorSpec)) return input;
      const end = ends[index] as (row: number) => number;
      return { ...input, shape: [to - from, ...input.shape.slice(1)], data: input.data.subarray(end(from), end(to)) };
    });
    chunks.push({ inputs, rows: to - from });
  }
  return chunks;
}

/** End of the data of the first `row` rows, in bytes. */
function rowEnds(tensor: Tensor): (row: number) => number {
  const [rows = 1] = tensor.shape;
  if (datatypes[tensor.datatype].bytes !== null) return (row) => (tensor.data.byteLength / rows) * row;
  const elementEnds = [0];
  walkStrings(tensor.data, (_, end) => elementEnds.push(end));
  const elementsPerRow = (elementEnds.length - 1) / rows;
  return (row) => elementEnds[row * elementsPerRow] as number;
}

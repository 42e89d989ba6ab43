/** Merges the tensors of several requests into one batch, and splits the outputs again. */
import { PlatformError } from '../../errors.ts';
import type { TensorParts } from '../../runtime/index.ts';
import { datatypes, elementCount, type Signature, type Tensor, walkStrings } from '../../tensor.ts';

/**
 * Whether the first dimension of an input or output is the batch dimension. If not (a scalar or a fixed size), all requests of a
 * batch must have the same value.
 */
function isBatched(shape: readonly number[]): boolean {
  return shape[0] === -1;
}

/**
 * Returns a function that maps inputs to a bucket key: requests with equal keys may share a batch. Keys differ if dimensions other
 * than the batch dimension differ, or if inputs without a batch dimension have different values. Returns null if the signature
 * allows neither, so ordinary models have no cost.
 */
export function shapeBucketOf(signature: Signature): ((inputs: readonly Tensor[]) => string) | null {
  const apart = signature.inputs.some((spec) => !isBatched(spec.shape) || spec.shape.indexOf(-1, 1) !== -1);
  if (!apart) return null;
  return (inputs) =>
    inputs
      .map((input, i) => {
        const spec = signature.inputs[i];
        if (spec !== undefined && isBatched(spec.shape)) return input.shape.slice(1).join('x');
        return `${input.shape.join('x')}=${Buffer.from(input.data.buffer, input.data.byteOffset, input.data.byteLength).toString('base64')}`;
      })
      .join(';');
}

/**
 * Joins the inputs of requests of one bucket along the first dimension. Copies nothing: the parts are concatenated when the frame
 * is written.
 */
export function merge(signature: Signature, requests: readonly (readonly Tensor[])[], rows: number): TensorParts[] {
  const first = requests[0] as readonly Tensor[];
  return first.map((input, i) => {
    const shared = requests.length === 1 || !isBatched(signature.inputs[i]?.shape ?? []);
    if (shared) return { name: input.name, datatype: input.datatype, shape: input.shape, parts: [input.data] };
    const parts = requests.map((inputs) => (inputs[i] as Tensor).data);
    return { name: input.name, datatype: input.datatype, shape: [rows, ...input.shape.slice(1)], parts };
  });
}

/**
 * Splits the outputs of a batch by request. `rowsOf` holds the number of rows of each request, in order. Throws `model_failed` if
 * an output does not have one row per input row, because responses could be mixed up.
 */
export function split(outputs: readonly Tensor[], rowsOf: readonly number[]): Tensor[][] {
  if (rowsOf.length === 1) return [outputs as Tensor[]];
  const total = rowsOf.reduce((sum, rows) => sum + rows, 0);
  const answers: Tensor[][] = rowsOf.map(() => []);
  for (const output of outputs) {
    if (output.shape[0] !== total) {
      throw new PlatformError(
        'model_failed',
        `output '${output.name}' has shape [${output.shape.join(',')}], expected ${total} rows, one for each row of the batch`,
      );
    }
    const ends = rowEnds(output, rowsOf);
    const rowShape = output.shape.slice(1);
    let from = 0;
    for (let i = 0; i < rowsOf.length; i++) {
      const to = ends[i] as number;
      const shape = [rowsOf[i] as number, ...rowShape];
      (answers[i] as Tensor[]).push({ name: output.name, datatype: output.datatype, shape, data: output.data.subarray(from, to) });
      from = to;
    }
  }
  return answers;
}

/** Byte offset in the output at which each request's rows end. */
function rowEnds(output: Tensor, rowsOf: readonly number[]): number[] {
  const perRow = elementCount(output.shape.slice(1));
  const { bytes } = datatypes[output.datatype];
  let row = 0;
  if (bytes !== null) return rowsOf.map((rows) => (row += rows) * perRow * bytes);
  const elementEnds: number[] = [0];
  walkStrings(output.data, (_start, end) => elementEnds.push(end));
  return rowsOf.map((rows) => elementEnds[(row += rows) * perRow] ?? output.data.byteLength);
}

/**
 * May requests share a run? Only if batching is transparent, f([a;b]) = [f(a);f(b)], and only a test can tell: a model
 * may couple its rows, keep the batch in another dimension, or draw at random.
 */
import { messageOf } from '../errors.ts';
import type { Random } from '../random.ts';
import { decodeStrings, elementsOf, encodeStrings, type Signature, type Tensor } from '../tensor.ts';
import { sampleInputs } from './sample-inputs.ts';

export interface Batchability {
  readonly batchable: boolean;
  readonly reason: string;
}

/** Sizes to try for varying dimensions other than the rows: a short sequence first, an image's side last. */
const dynamicSizes = [16, 64, 224];
/** Sums in another order differ in the last digits: relative, and absolute near zero. */
const relativeTolerance = 1e-4;
const absoluteTolerance = 1e-6;
const relativeToleranceHalf = 4e-3;
/** Rows that are equal by chance prove nothing: draw again, a few times. */
const drawsMax = 16;

type Run = (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>;
/** One row: a tensor for each input. */
type Row = readonly Tensor[];

/** Runs the model a dozen times on made-up rows. Never throws where the model refuses them: that is a reason, too. */
export async function probeBatchability(signature: Signature, run: Run, random: Random): Promise<Batchability> {
  const shape = shapeObstacle(signature);
  if (shape !== null) return { batchable: false, reason: shape };
  let refusal: unknown;
  for (const size of dynamicSizes) {
    const rows = distinctRows(signature, random, size);
    try {
      await run(rows[0] as Row);
    } catch (error) {
      refusal ??= error;
      continue;
    }
    const obstacle = await runObstacle(rows, run);
    return { batchable: obstacle === null, reason: obstacle ?? 'two and three rows together gave what each gives alone' };
  }
  return { batchable: false, reason: `it could not be proven, since the model refused made-up rows: ${messageOf(refusal)}` };
}

/** The first dimension must be open on every tensor; scalar inputs may be shared by requests of equal value. */
function shapeObstacle({ inputs, outputs }: Signature): string | null {
  for (const { name, shape } of inputs) {
    if (shape.length > 0 && shape[0] !== -1)
      return `input '${name}' has a fixed first dimension of ${shape[0]}, so there is no place for more rows`;
  }
  if (!inputs.some(({ shape }) => shape.length > 0)) return 'no input has rows';
  for (const { name, shape } of outputs) {
    if (shape.length === 0) return `output '${name}' is a single value for the whole batch, not one for each row`;
    if (shape[0] !== -1) return `output '${name}' has a fixed first dimension of ${shape[0]}: its rows are not those of the input`;
  }
  return null;
}

async function runObstacle(rows: readonly Row[], run: Run): Promise<string | null> {
  const alone: (readonly Tensor[])[] = [];
  for (const row of rows) alone.push(await run(row));
  const again = await run(rows[0] as Row);
  const random = differingOutput(again, alone[0] as Row);
  if (random !== null) return `the same row gave two different results (output '${random}'), so the model is random`;
  for (const order of [
    [0, 1],
    [2, 0, 1],
  ]) {
    const obstacle = await batchObstacle(
      order.map((index) => rows[index] as Row),
      order.map((index) => alone[index] as Row),
      run,
    );
    if (obstacle !== null) return obstacle;
  }
  return null;
}

async function batchObstacle(rows: readonly Row[], alone: readonly Row[], run: Run): Promise<string | null> {
  let together: readonly Tensor[];
  try {
    together = await run(
      (rows[0] as Row).map((first, index) =>
        joined(
          first,
          rows.map((row) => row[index] as Tensor),
        ),
      ),
    );
  } catch (error) {
    return `${rows.length} rows together fail: ${messageOf(error)}`;
  }
  for (const { name, shape } of together) {
    if (shape[0] !== rows.length) return `${rows.length} rows gave output '${name}' with a first dimension of ${shape[0]}`;
  }
  for (const [index, expected] of alone.entries()) {
    if (expected.some(({ shape }) => shape[0] !== 1)) return 'one row gave more than one';
    const differing = differingOutput(
      together.map((output) => rowOf(output, index, rows.length)),
      expected,
    );
    if (differing !== null) return `a row's result depends on the other rows of its batch (output '${differing}')`;
  }
  return null;
}

/** Three rows, different from each other where that is possible; scalars are the same for all. */
function distinctRows(signature: Signature, random: Random, dynamicSize: number): Row[] {
  const first = sampleInputs(signature, 1, random, dynamicSize);
  const rows = [first];
  for (let draws = 0; rows.length < 3; draws++) {
    const row = sampleInputs(signature, 1, random, dynamicSize).map((tensor, index) =>
      tensor.shape.length === 0 ? (first[index] as Tensor) : tensor,
    );
    if (draws >= drawsMax || !rows.some((other) => isSameRow(row, other))) rows.push(row);
  }
  return rows;
}

function isSameRow(row: Row, other: Row): boolean {
  return row.every((tensor, index) => Buffer.compare(tensor.data, (other[index] as Tensor).data) === 0);
}

function joined(first: Tensor, all: readonly Tensor[]): Tensor {
  if (first.shape.length === 0) return first;
  return { ...first, shape: [all.length, ...first.shape.slice(1)], data: new Uint8Array(Buffer.concat(all.map(({ data }) => data))) };
}

function rowOf(tensor: Tensor, row: number, rows: number): Tensor {
  const shape = [1, ...tensor.shape.slice(1)];
  if (tensor.datatype === 'BYTES') {
    const strings = decodeStrings(tensor.data);
    const each = strings.length / rows;
    return { ...tensor, shape, data: encodeStrings(strings.slice(row * each, (row + 1) * each)) };
  }
  const each = tensor.data.length / rows;
  return { ...tensor, shape, data: Uint8Array.prototype.slice.call(tensor.data, row * each, (row + 1) * each) };
}

/** The name of the first output that is not the same in both; null where all are. */
function differingOutput(got: Row, expected: Row): string | null {
  return got.find((tensor, index) => !isClose(tensor, expected[index] as Tensor))?.name ?? null;
}

function isClose(left: Tensor, right: Tensor): boolean {
  if (left.shape.join() !== right.shape.join()) return false;
  const { datatype } = left;
  if (datatype === 'FP32' || datatype === 'FP64') {
    const others = elementsOf(datatype, right.data);
    return elementsOf(datatype, left.data).every((value, index) => isCloseNumber(Number(value), Number(others[index]), relativeTolerance));
  }
  if (datatype === 'FP16') {
    const others = elementsOf(datatype, right.data);
    return elementsOf(datatype, left.data).every((bits, index) =>
      isCloseNumber(halfValue(Number(bits)), halfValue(Number(others[index])), relativeToleranceHalf),
    );
  }
  return Buffer.compare(left.data, right.data) === 0;
}

function isCloseNumber(left: number, right: number, tolerance: number): boolean {
  if (Object.is(left, right) || left === right) return true;
  return Math.abs(left - right) <= absoluteTolerance + tolerance * Math.max(Math.abs(left), Math.abs(right));
}

function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits >> 15 === 1 ? -size : size;
}

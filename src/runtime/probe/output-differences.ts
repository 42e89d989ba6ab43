/** How much two results of the same row differ: not at all, by rounding, or too much to be the same result. Pure. */
import { datatypes, decodeStrings, elementCount, floatsOf, type Tensor } from '../../tensor.ts';

/** The difference of two results of one row. */
export interface Difference {
  /** `same`: equal up to the last digits. `rounding`: as other kernels compute it. `other`: another result. */
  readonly kind: 'same' | 'rounding' | 'other';
  readonly output: string;
  /** The largest difference, as a share of the value; of the largest value of the row, if only that is within the tolerance. */
  readonly share: number;
}

/** Tolerances of the last digits, relative and near zero absolute: sums in another order differ by this much. */
const relativeTolerance = 1e-4;
const relativeToleranceHalf = 4e-3;
const absoluteTolerance = 1e-6;
/** Limit of what counts as rounding. Noise can grow in a model, where it divides by a small spread (layer normalization). */
const roundingMax = 0.05;
/** Maximum elements to compare of an output. Of larger ones every n-th is compared, because this blocks the server. */
const comparedMax = 2 ** 20;

const ranks = { same: 0, rounding: 1, other: 2 } as const;

/** The largest difference of two results of a row, each with all outputs of the model. `isJson`: the outputs are JSON texts. */
export function rowDifference(got: readonly Tensor[], expected: readonly Tensor[], isJson = false): Difference {
  const difference = isJson ? jsonDifference : outputDifference;
  return got.map((tensor, index) => difference(tensor, expected[index] as Tensor)).reduce(larger, { kind: 'same', output: '', share: 0 });
}

/** The worse of two differences: first by kind, then by share. */
export function larger(left: Difference, right: Difference): Difference {
  if (left.kind !== right.kind) return ranks[left.kind] > ranks[right.kind] ? left : right;
  return left.share >= right.share ? left : right;
}

function outputDifference(got: Tensor, expected: Tensor): Difference {
  const { name: output, datatype } = got;
  const isExact = datatype === 'BF16';
  const [left, right] = isExact ? [null, null] : [floatsOf(got), floatsOf(expected)];
  if (got.shape.join() !== expected.shape.join()) return { kind: 'other', output, share: 1 };
  if (left === null || right === null) {
    return Buffer.compare(got.data, expected.data) === 0 ? { kind: 'same', output, share: 0 } : { kind: 'other', output, share: 1 };
  }
  return { output, ...numbersDifference(left, right, datatype === 'FP16' ? relativeToleranceHalf : relativeTolerance) };
}

/** Numbers within the texts may differ by rounding, everything else must be equal. */
function jsonDifference(got: Tensor, expected: Tensor): Difference {
  const { name: output } = got;
  const [left, right] = [jsonParts(got), jsonParts(expected)];
  if (left.rest !== right.rest) return { kind: 'other', output, share: 1 };
  return { output, ...numbersDifference(left.numbers, right.numbers, relativeTolerance) };
}

/** A number of JSON outside of strings, or a whole string, which is skipped. */
const jsonToken = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** The numbers of the texts in order, and the texts without them. */
function jsonParts({ data }: Tensor): { readonly numbers: readonly number[]; readonly rest: string } {
  const numbers: number[] = [];
  const rest = decodeStrings(data)
    .join('\n')
    .replaceAll(jsonToken, (token) => {
      if (token.startsWith('"')) return token;
      numbers.push(Number(token));
      return '#';
    });
  return { numbers, rest };
}

function numbersDifference(left: ArrayLike<number>, right: ArrayLike<number>, tolerance: number): Omit<Difference, 'output'> {
  let [isSame, elementShare, distanceMax, sizeMax] = [true, 0, 0, 0];
  let [leftBest, rightBest] = [0, 0];
  const step = Math.ceil(left.length / comparedMax);
  for (let index = 0; index < left.length; index += step) {
    const [a, b] = [left[index] as number, right[index] as number];
    if (a > (left[leftBest] as number)) leftBest = index;
    if (b > (right[rightBest] as number)) rightBest = index;
    const size = Math.max(Math.abs(a), Math.abs(b));
    if (Number.isFinite(size)) sizeMax = Math.max(sizeMax, size);
    if (a === b || Object.is(a, b)) continue;
    const distance = Math.abs(a - b);
    if (!Number.isFinite(distance)) return { kind: 'other', share: 1 };
    if (distance <= absoluteTolerance + tolerance * size) continue;
    isSame = false;
    elementShare = Math.max(elementShare, distance / size);
    distanceMax = Math.max(distanceMax, distance);
  }
  if (isSame) return { kind: 'same', share: 0 };
  if (elementShare <= roundingMax) return { kind: 'rounding', share: elementShare };
  // Scores: a small one may differ by more than its own size, as long as the largest stays the largest.
  const share = distanceMax / sizeMax;
  const isSameScores = left.length > 1 && leftBest === rightBest && share <= roundingMax;
  return { kind: isSameScores ? 'rounding' : 'other', share: isSameScores ? share : elementShare };
}

/** Whether the data has the size that its shape states; a worker could send anything. */
export function isComplete({ datatype, shape, data }: Tensor): boolean {
  const { bytes } = datatypes[datatype];
  return bytes === null ? decodeStrings(data).length === elementCount(shape) : data.length === bytes * elementCount(shape);
}

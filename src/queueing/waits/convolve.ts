/**
 * Convolutions of matrix sequences. The analytic table spends most of its time here, so loops are unrolled for one, two and three
 * phases. Sequences are stored flat (see `counting.ts`) and are 0 outside [first, end).
 */

/** N_k, k = 0 … count−1, with its non-negligible range. */
export interface MatrixSequence {
  readonly values: Float64Array;
  first: number;
  end: number;
}

/** Values up to this count as 0: a sum of a few hundred such errors stays below 1e-12. */
const negligible = 1e-16;

/** A sequence of zeros with `width` numbers for each k. */
export function newSequence(count: number, width: number): MatrixSequence {
  return { values: new Float64Array(count * width), first: 0, end: 0 };
}

/** Sets the non-negligible range after values were written. Each k has `width` numbers. */
export function trim(sequence: MatrixSequence, width: number): void {
  const { values } = sequence;
  let start = 0;
  let stop = values.length;
  while (start < stop && (values[start] as number) <= negligible) start++;
  while (stop > start && (values[stop - 1] as number) <= negligible) stop--;
  sequence.first = Math.floor(start / width);
  sequence.end = Math.ceil(stop / width);
}

/** result_n = Σ_k left_{n−k}·right_k of m×m matrices, for all n that fit, trimmed. `result` must differ from the operands. */
export function convolve(result: MatrixSequence, left: MatrixSequence, right: MatrixSequence, size: number): void {
  const square = size * size;
  const count = result.values.length / square;
  result.values.fill(0);
  const end = Math.min(count, left.end + right.end - 1);
  for (let n = left.first + right.first; n < end; n++) {
    const from = Math.max(right.first, n - left.end + 1);
    const to = Math.min(right.end, n - left.first + 1);
    if (size === 1) addOfOne(result.values, left.values, right.values, n, from, to);
    else if (size === 2) addOfTwo(result.values, left.values, right.values, n, from, to);
    else if (size === 3) addOfThree(result.values, left.values, right.values, n, from, to);
    else addOfMany(result.values, left.values, right.values, { n, from, to }, size, size);
  }
  trim(result, square);
}

/** result_n += Σ_k left_{n−k}·right_k of m×m matrices and columns of m, for all n that fit. */
export function convolveColumns(result: Float64Array, left: MatrixSequence, right: MatrixSequence, size: number): void {
  const count = result.length / size;
  const end = Math.min(count, left.end + right.end - 1);
  for (let n = left.first + right.first; n < end; n++) {
    const from = Math.max(right.first, n - left.end + 1);
    const to = Math.min(right.end, n - left.first + 1);
    if (size === 1) addOfOne(result, left.values, right.values, n, from, to);
    else if (size === 2) addColumnOfTwo(result, left.values, right.values, n, from, to);
    else if (size === 3) addColumnOfThree(result, left.values, right.values, n, from, to);
    else addOfMany(result, left.values, right.values, { n, from, to }, size, 1);
  }
}

function addOfOne(result: Float64Array, left: Float64Array, right: Float64Array, n: number, from: number, to: number): void {
  let sum = 0;
  for (let k = from; k < to; k++) sum += (left[n - k] as number) * (right[k] as number);
  result[n] = (result[n] as number) + sum;
}

function addOfTwo(result: Float64Array, left: Float64Array, right: Float64Array, n: number, from: number, to: number): void {
  let s00 = 0;
  let s01 = 0;
  let s10 = 0;
  let s11 = 0;
  for (let k = from; k < to; k++) {
    const l = (n - k) << 2;
    const r = k << 2;
    const l00 = left[l] as number;
    const l01 = left[l + 1] as number;
    const l10 = left[l + 2] as number;
    const l11 = left[l + 3] as number;
    const r00 = right[r] as number;
    const r01 = right[r + 1] as number;
    const r10 = right[r + 2] as number;
    const r11 = right[r + 3] as number;
    s00 += l00 * r00 + l01 * r10;
    s01 += l00 * r01 + l01 * r11;
    s10 += l10 * r00 + l11 * r10;
    s11 += l10 * r01 + l11 * r11;
  }
  const at = n << 2;
  result[at] = s00;
  result[at + 1] = s01;
  result[at + 2] = s10;
  result[at + 3] = s11;
}

function addColumnOfTwo(result: Float64Array, left: Float64Array, right: Float64Array, n: number, from: number, to: number): void {
  let s0 = 0;
  let s1 = 0;
  for (let k = from; k < to; k++) {
    const l = (n - k) << 2;
    const r0 = right[k << 1] as number;
    const r1 = right[(k << 1) + 1] as number;
    s0 += (left[l] as number) * r0 + (left[l + 1] as number) * r1;
    s1 += (left[l + 2] as number) * r0 + (left[l + 3] as number) * r1;
  }
  const at = n << 1;
  result[at] = (result[at] as number) + s0;
  result[at + 1] = (result[at + 1] as number) + s1;
}

/** Three phases, row by row: nine sums at once would not fit into registers. */
function addOfThree(result: Float64Array, left: Float64Array, right: Float64Array, n: number, from: number, to: number): void {
  for (let row = 0; row < 9; row += 3) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    for (let k = from; k < to; k++) {
      const l = (n - k) * 9 + row;
      const r = k * 9;
      const l0 = left[l] as number;
      const l1 = left[l + 1] as number;
      const l2 = left[l + 2] as number;
      s0 += l0 * (right[r] as number) + l1 * (right[r + 3] as number) + l2 * (right[r + 6] as number);
      s1 += l0 * (right[r + 1] as number) + l1 * (right[r + 4] as number) + l2 * (right[r + 7] as number);
      s2 += l0 * (right[r + 2] as number) + l1 * (right[r + 5] as number) + l2 * (right[r + 8] as number);
    }
    const at = n * 9 + row;
    result[at] = s0;
    result[at + 1] = s1;
    result[at + 2] = s2;
  }
}

function addColumnOfThree(result: Float64Array, left: Float64Array, right: Float64Array, n: number, from: number, to: number): void {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  for (let k = from; k < to; k++) {
    const l = (n - k) * 9;
    const r = k * 3;
    const r0 = right[r] as number;
    const r1 = right[r + 1] as number;
    const r2 = right[r + 2] as number;
    s0 += (left[l] as number) * r0 + (left[l + 1] as number) * r1 + (left[l + 2] as number) * r2;
    s1 += (left[l + 3] as number) * r0 + (left[l + 4] as number) * r1 + (left[l + 5] as number) * r2;
    s2 += (left[l + 6] as number) * r0 + (left[l + 7] as number) * r1 + (left[l + 8] as number) * r2;
  }
  const at = n * 3;
  result[at] = (result[at] as number) + s0;
  result[at + 1] = (result[at + 1] as number) + s1;
  result[at + 2] = (result[at + 2] as number) + s2;
}

/** Products of matrices by columns or by matrices, for any number of phases. */
function addOfMany(
  result: Float64Array,
  left: Float64Array,
  right: Float64Array,
  range: { readonly n: number; readonly from: number; readonly to: number },
  size: number,
  columns: number,
): void {
  const { n, from, to } = range;
  for (let k = from; k < to; k++) {
    for (let i = 0; i < size; i++) {
      const row = ((n - k) * size + i) * size;
      const at = (n * size + i) * columns;
      for (let l = 0; l < size; l++) {
        const factor = left[row + l] as number;
        const source = (k * size + l) * columns;
        for (let j = 0; j < columns; j++) result[at + j] = (result[at + j] as number) + factor * (right[source + j] as number);
      }
    }
  }
}

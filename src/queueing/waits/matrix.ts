/** Small dense square matrices, row-major in a Float64Array. */

/** I, size×size. */
export function identity(size: number): Float64Array {
  const result = new Float64Array(size * size);
  for (let i = 0; i < size; i++) result[i * size + i] = 1;
  return result;
}

/** The product of an r×size and a size×c matrix. r and c follow from the lengths, so operands may be row or column vectors. */
export function multiply(left: Float64Array, right: Float64Array, size: number): Float64Array {
  const rows = left.length / size;
  const columns = right.length / size;
  const result = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < size; k++) {
      const factor = left[i * size + k] as number;
      if (factor === 0) continue;
      for (let j = 0; j < columns; j++) {
        result[i * columns + j] = (result[i * columns + j] as number) + factor * (right[k * columns + j] as number);
      }
    }
  }
  return result;
}

/** Every element times `factor`, as a new matrix. */
export function scale(values: Float64Array, factor: number): Float64Array {
  return values.map((value) => value * factor);
}

/** The sum of the values: a row vector times a column of ones. */
export function total(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum;
}

/** The inverse by Gauss-Jordan elimination with row pivoting; null if the matrix is singular within rounding. */
export function inverse(matrix: Float64Array, size: number): Float64Array | null {
  const left = Float64Array.from(matrix);
  const right = identity(size);
  const tiny = 1e-300 + 1e-15 * left.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(left[row * size + column] as number) > Math.abs(left[pivot * size + column] as number)) pivot = row;
    }
    const head = left[pivot * size + column] as number;
    if (!(Math.abs(head) > tiny)) return null;
    for (const part of [left, right]) {
      swapRows(part, size, pivot, column);
      for (let j = 0; j < size; j++) part[column * size + j] = (part[column * size + j] as number) / head;
    }
    for (let row = 0; row < size; row++) {
      const factor = left[row * size + column] as number;
      if (row === column || factor === 0) continue;
      for (const part of [left, right]) {
        for (let j = 0; j < size; j++) {
          part[row * size + j] = (part[row * size + j] as number) - factor * (part[column * size + j] as number);
        }
      }
    }
  }
  return right;
}

function swapRows(matrix: Float64Array, size: number, a: number, b: number): void {
  if (a === b) return;
  for (let j = 0; j < size; j++) {
    const retained = matrix[a * size + j] as number;
    matrix[a * size + j] = matrix[b * size + j] as number;
    matrix[b * size + j] = retained;
  }
}

/**
 * The stationary distribution x of a stochastic matrix K: xK = x, x·1 = 1. Null if K has several recurrent classes. By the
 * elimination of Grassmann, Taksar and Heyman (1985), which never subtracts, so rare transitions lose no precision.
 */
export function stationary(stochastic: Float64Array, size: number): Float64Array | null {
  const k = Float64Array.from(stochastic);
  const at = (i: number, j: number): number => k[i * size + j] as number;
  for (let n = size - 1; n > 0; n--) {
    let out = 0;
    for (let j = 0; j < n; j++) out += at(n, j);
    if (!(out > 0)) return stationaryByPowers(stochastic, size);
    for (let i = 0; i < n; i++) {
      k[i * size + n] = at(i, n) / out;
      for (let j = 0; j < n; j++) k[i * size + j] = at(i, j) + at(i, n) * at(n, j);
    }
  }
  const x = new Float64Array(size);
  x[0] = 1;
  for (let n = 1; n < size; n++) {
    let mass = 0;
    for (let i = 0; i < n; i++) mass += (x[i] as number) * at(i, n);
    x[n] = mass;
  }
  return scale(x, 1 / total(x));
}

/** The stationary distribution by powers of the matrix, for chains with transient states, which get probability 0. */
function stationaryByPowers(stochastic: Float64Array, size: number): Float64Array | null {
  // (K + I)/2 has the same stationary distribution and no period.
  let power: Float64Array = identity(size).map((one, i) => 0.5 * (one + (stochastic[i] as number)));
  for (let i = 0; i < 60; i++) power = normaliseRows(multiply(power, power, size), size);
  const first = power.slice(0, size);
  for (let row = 1; row < size; row++) {
    for (let j = 0; j < size; j++) if (Math.abs((power[row * size + j] as number) - (first[j] as number)) > 1e-6) return null;
  }
  return first;
}

/** Divides each row by its sum, in place: removes rounding errors from a stochastic matrix. */
export function normaliseRows(matrix: Float64Array, size: number): Float64Array {
  for (let row = 0; row < matrix.length; row += size) {
    let sum = 0;
    for (let j = row; j < row + size; j++) sum += matrix[j] as number;
    for (let j = row; j < row + size; j++) matrix[j] = sum > 0 ? (matrix[j] as number) / sum : 1 / size;
  }
  return matrix;
}

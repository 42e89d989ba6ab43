/**
 * Values with their logarithms. A value's bucket in any histogram whose bounds grow by a constant factor, in any unit, is a multiplication and an
 * addition away from its logarithm; to find that one takes longer than to count the value, and many histograms take the same values.
 */

export interface LoggedValues {
  readonly values: Float64Array;
  /** To base 2; minus infinity for 0, NaN for what is below. */
  readonly logs: Float64Array;
  /** How many there are; what the arrays hold beyond is old. */
  readonly length: number;
}

/** The first of these; `logs` is overwritten, and has room for them. */
export function logged(values: Float64Array, length = values.length, logs = new Float64Array(length)): LoggedValues {
  let [lastValue, log] = [1, 0];
  for (let i = 0; i < length; i++) {
    const value = values[i] as number;
    // Of those of one batch many cost the same, and took as long to run.
    if (value !== lastValue) [lastValue, log] = [value, Math.log2(value)];
    logs[i] = log;
  }
  return { values, logs, length };
}

/**
 * What rounding may add to a value's place among the buckets, in buckets. It is taken off before the place is rounded up: a value that lies on a bound
 * is in the bucket below it then, by whatever way its logarithm was had.
 */
export const roundingMax = 1e-9;

/**
 * Values with their logarithms. The bucket of a value in any exponential histogram, in any unit, is one multiplication and one addition
 * away from its logarithm. Computing the logarithm is the expensive part, and several histograms share it.
 */

/** Views of buffers that are reused: read them before the next batch. */
export interface LoggedValues {
  readonly values: Float64Array;
  /** Base 2; minus infinity for 0, NaN for negative values. */
  readonly logs: Float64Array;
  /** Number of values; the arrays contain stale values beyond it. */
  readonly length: number;
}

/** The first `length` values with their logarithms; `logs` is overwritten and must have room. */
export function logged(values: Float64Array, length = values.length, logs = new Float64Array(length)): LoggedValues {
  let [lastValue, log] = [1, 0];
  for (let i = 0; i < length; i++) {
    const value = values[i] as number;
    // Requests of one batch often have equal cost and run time.
    if (value !== lastValue) [lastValue, log] = [value, Math.log2(value)];
    logs[i] = log;
  }
  return { values, logs, length };
}

/**
 * Largest rounding error of a bucket position, in buckets. It is subtracted before rounding up, so a value on a bound is in the lower
 * bucket, regardless of how its logarithm was computed.
 */
export const roundingMax = 1e-9;

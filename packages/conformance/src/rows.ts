/** Requests with a given number of rows, for models that support batches. */
import type { Input } from './client/subject.ts';
import type { Json } from './client/wire.ts';

/** Repeats the row of the inputs, whose first dimension must be 1. */
export function rowsOf(inputs: readonly Input[], count: number): Json {
  return {
    inputs: inputs.map(({ shape: [, ...inner], data, ...input }) => ({
      ...input,
      shape: [count, ...inner],
      data: Array.from({ length: count }, () => data).flat(),
    })),
  };
}

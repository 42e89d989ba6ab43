/** Requests of so many rows to a model that takes batches. */
import type { Input } from './subject.ts';
import type { Json } from './wire.ts';

/** Each row is that of the given inputs, whose first dimension counts rows and is 1. */
export function rowsOf(inputs: readonly Input[], count: number): Json {
  return {
    inputs: inputs.map(({ shape: [, ...inner], data, ...input }) => ({
      ...input,
      shape: [count, ...inner],
      data: Array.from({ length: count }, () => data).flat(),
    })),
  };
}

/** Frees the memory of results. Large ones are outside of V8's heap, which V8 collects whole for each few dozen megabytes of them (ADR 17). */
import { releaseResultMemory } from '../../buffer-release.ts';
import type { InferenceResult } from '../request.ts';

/**
 * Frees a large result of which only copies are needed from now on. Does nothing if other requests of its batch have their results in the
 * same memory, or if that holds how its rows were answered, which is counted later.
 */
export function releaseResult({ outputs, batchRows, answered }: InferenceResult, rows: number): void {
  if (answered !== undefined || rows === 0 || rows !== batchRows) return;
  releaseResultMemory(outputs.map(({ data }) => data));
}

/** Memory sizes of functions, and which sizes are equivalent for a model. Pure functions. */
import { type FunctionPrices, functionShape } from '../costs/index.ts';

/** Sizes that are always offered, because the price per GB-second applies to any size. */
const sizesAlwaysMiB: readonly number[] = [1024, 2048, 3072, 4096, 5120, 6144];
/** A measurement for several equivalent sizes uses the memory of the largest size up to this limit, which most machines have. */
const measureMemoryMiBMax = 4096;

/** Sizes of the price table and those that are always offered, ascending. */
export function functionSizes({ memoryMiB }: Pick<FunctionPrices, 'memoryMiB'>): readonly number[] {
  return [...new Set([...memoryMiB, ...sizesAlwaysMiB])].sort((a, b) => a - b);
}

/** Executor name of a memory size, such as `function:1024`. */
export function functionExecutor(memoryMiB: number): string {
  return `function:${memoryMiB}`;
}

/**
 * Sizes equivalent to this one if processors are limited: they have the same number of threads and a processor for each. One
 * measurement covers all of them; it is stored under the smallest size. A size with less than one processor is equivalent only to
 * itself.
 */
export function sizesAlike(memoryMiB: number, sizes: readonly number[], cores: number): readonly number[] {
  const key = (size: number): string => {
    const { threads, vcpuMax } = functionShape(size, cores, true);
    return vcpuMax !== null && vcpuMax >= threads ? `${threads} threads` : `${size} MiB`;
  };
  return sizes.filter((size) => key(size) === key(memoryMiB));
}

/** Memory of the worker that measures a size on behalf of all equivalent sizes. */
export function measureMemoryMiB(memoryMiB: number, sizes: readonly number[], cores: number): number {
  const largest = sizesAlike(memoryMiB, sizes, cores).at(-1) ?? memoryMiB;
  return Math.max(memoryMiB, Math.min(largest, measureMemoryMiBMax));
}

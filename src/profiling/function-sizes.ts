/** The memory sizes that functions may have, and which of them run a model alike. Pure. */
import { type FunctionPrices, functionShape } from '../costs/index.ts';

/** Offered whatever the price table says, since the price is by the GB-second. */
const sizesAlwaysMiB: readonly number[] = [1024, 2048, 3072, 4096, 5120, 6144];
/** While measuring, sizes that run alike share the memory of the largest; but no more than this machine will have. */
const measureMemoryMiBMax = 4096;

/** The sizes of the price table and those that are always offered, rising. */
export function functionSizes({ memoryMiB }: Pick<FunctionPrices, 'memoryMiB'>): readonly number[] {
  return [...new Set([...memoryMiB, ...sizesAlwaysMiB])].sort((a, b) => a - b);
}

/** The name under which service times of a memory size are kept. */
export function functionExecutor(memoryMiB: number): string {
  return `function:${memoryMiB}`;
}

/**
 * Sizes that differ in nothing but memory, where processors are held: as many threads, and a processor for each of them.
 * One measurement, under the name of the smallest, is good for all of them. Below one processor each size is alone.
 */
export function sizesAlike(memoryMiB: number, sizes: readonly number[], cores: number): readonly number[] {
  const key = (size: number): string => {
    const { threads, vcpuMax } = functionShape(size, cores, true);
    return vcpuMax !== null && vcpuMax >= threads ? `${threads} threads` : `${size} MiB`;
  };
  return sizes.filter((size) => key(size) === key(memoryMiB));
}

/** The memory that a worker gets while a size is measured for all that run alike. */
export function measureMemoryMiB(memoryMiB: number, sizes: readonly number[], cores: number): number {
  const largest = sizesAlike(memoryMiB, sizes, cores).at(-1) ?? memoryMiB;
  return Math.max(memoryMiB, Math.min(largest, measureMemoryMiBMax));
}

/** Limits of a borrowed worker, by the size of the model that it will load. Pure. */
import type { BorrowOptions } from './provider.ts';

const memoryMiB = 4096;
/** onnxruntime rearranges weights while the originals are still mapped, and both count as address space. */
const memoryPerModelByte = 3;
/** Reading from a slow disk. */
const bytesPerSecondMin = 20 * 2 ** 20;

/** Adds to `timeoutMs` the time to read the model. */
export function loadLimits(modelBytes: number, timeoutMs = 60_000): Required<Pick<BorrowOptions, 'timeoutMs' | 'memoryMiB'>> {
  return {
    timeoutMs: timeoutMs + Math.floor((1000 * modelBytes) / bytesPerSecondMin),
    memoryMiB: memoryMiB + Math.ceil((memoryPerModelByte * modelBytes) / 2 ** 20),
  };
}

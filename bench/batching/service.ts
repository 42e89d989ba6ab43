/** Service times of the batching benchmarks: S = 8 + 6·b/min(vCPU, 4) ms, one vCPU per 1.769 GB, ten memory sizes. */
import type { MemoryProfile } from '../../src/queueing/index.ts';
import type { Random } from '../../src/random.ts';

export const price = { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 0 };

const memorySizesMiB = Array.from({ length: 10 }, (_, i) => 512 * (i + 1));
const samplesPerPoint = 200;

export function meanServiceMs(memoryMiB: number, rows: number): number {
  return 8 + (6 * rows) / Math.min(memoryMiB / 1024 / 1.769, 4);
}

/** A lognormal factor of mean 1 with this coefficient of variation. */
export function spread(cv: number, random: Random): number {
  if (cv === 0) return 1;
  const variance = Math.log(1 + cv * cv);
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return Math.exp(Math.sqrt(variance) * normal - variance / 2);
}

/** The profile a profiler would measure: exact for every size if cv is 0, otherwise 200 runs of six sizes. */
export function profiles(cv: number, random: Random): MemoryProfile[] {
  const batchSizes = cv === 0 ? Array.from({ length: 32 }, (_, i) => i + 1) : [1, 2, 4, 8, 16, 32];
  return memorySizesMiB.map((memoryMiB) => ({
    memoryMiB,
    points: batchSizes.map((batchSize) => ({
      batchSize,
      serviceMs: Array.from({ length: cv === 0 ? 1 : samplesPerPoint }, () => meanServiceMs(memoryMiB, batchSize) * spread(cv, random)),
      peakMemoryMiB: 100,
    })),
  }));
}

/**
 * Service times for a choice: profiled times scaled to current production times. Only the current memory size is observed in
 * production. Its drift (a busy machine, other inputs) is applied to all sizes; otherwise the next choice would switch to another
 * size merely because its slowness was not observed. Pure.
 */
import { type FunctionProfile, ServiceTable } from '../../profiling/index.ts';
import type { MemoryProfile, ProfilePoint } from '../../queueing/index.ts';

/** Service times observed in production, and the memory size they belong to. */
export interface LiveTable {
  readonly memoryMiB: number;
  readonly table: Pick<ServiceTable, 'isKnown' | 'batchMax' | 'medianMs' | 'quantileMs'>;
}

/**
 * Maximum drift of the service times. A larger factor has another cause, which is reported elsewhere. The quantiles for dispatch have no
 * maximum: serving dispatches by them, whatever their cause, so a prediction with others would be of batches that are never formed.
 */
const factorMax = 4;

/** `quantile`: the quantile of the objective, such as 0.95 for p95. Determines how long batches are held. */
export function serviceNow(profiles: readonly FunctionProfile[], live: LiveTable | null, quantile: number): MemoryProfile[] {
  const inForce = profiles.find(({ memoryMiB, fits }) => fits && memoryMiB === live?.memoryMiB);
  const isSeen = live !== null && inForce !== undefined && live.table.isKnown;
  const measured = isSeen ? new ServiceTable(inForce.profile) : null;
  const factorOf = (b: number, most: number, ms: (table: LiveTable['table'], b: number) => number): number => {
    if (!isSeen || measured === null || b > live.table.batchMax) return 1;
    const expectedMs = ms(measured, b);
    return expectedMs > 0 ? Math.min(Math.max(ms(live.table, b) / expectedMs, 1 / most), most) : 1;
  };
  return profiles.map(({ memoryMiB, profile, fits, peakMemoryMiB }) => {
    if (!fits) return { memoryMiB, points: [{ batchSize: 1, serviceMs: [0], peakMemoryMiB: Math.max(peakMemoryMiB, memoryMiB + 1) }] };
    const table = new ServiceTable(profile);
    const points: ProfilePoint[] = profile.service.map(({ b, samples, rssMiB }) => {
      const factor = factorOf(b, factorMax, (known, size) => known.medianMs(size));
      return {
        batchSize: b,
        serviceMs: factor === 1 ? samples : samples.map((ms) => ms * factor),
        dispatchMs:
          table.quantileMs(quantile, b) * factorOf(b, Number.POSITIVE_INFINITY, (known, size) => known.quantileMs(quantile, size)),
        peakMemoryMiB: rssMiB,
      };
    });
    return { memoryMiB, points };
  });
}

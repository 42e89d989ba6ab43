/**
 * Service times as a choice should take them: as they were measured, carried over to how they are now. Only the size in
 * force is seen at work; what it tells (a busy machine, a model on other rows) holds for all sizes alike, or the next choice
 * would flee to a size that nobody has seen being slow. Pure.
 */
import { type FunctionProfile, ServiceTable } from '../profiling/index.ts';
import type { MemoryProfile, ProfilePoint } from '../queueing/index.ts';

/** What was seen at work. */
export interface LiveTable {
  readonly memoryMiB: number;
  readonly table: Pick<ServiceTable, 'isKnown' | 'batchMax' | 'medianMs' | 'quantileMs'>;
}

/** A drift beyond this is no drift: something else is wrong, and tells itself otherwise. */
const factorMax = 4;

/** `quantile` is that of the promise, by which the buffer goes (0.95 for a p95). */
export function serviceNow(profiles: readonly FunctionProfile[], live: LiveTable | null, quantile: number): MemoryProfile[] {
  const inForce = profiles.find(({ memoryMiB, fits }) => fits && memoryMiB === live?.memoryMiB);
  const isSeen = live !== null && inForce !== undefined && live.table.isKnown;
  const measured = isSeen ? new ServiceTable(inForce.profile) : null;
  const factorOf = (b: number, ms: (table: LiveTable['table'], b: number) => number): number => {
    if (!isSeen || measured === null || b > live.table.batchMax) return 1;
    const expectedMs = ms(measured, b);
    return expectedMs > 0 ? Math.min(Math.max(ms(live.table, b) / expectedMs, 1 / factorMax), factorMax) : 1;
  };
  return profiles.map(({ memoryMiB, profile, fits, peakMemoryMiB }) => {
    if (!fits) return { memoryMiB, points: [{ batchSize: 1, serviceMs: [0], peakMemoryMiB: Math.max(peakMemoryMiB, memoryMiB + 1) }] };
    const table = new ServiceTable(profile);
    const points: ProfilePoint[] = profile.service.map(({ b, samples, rssMiB }) => {
      const factor = factorOf(b, (known, size) => known.medianMs(size));
      return {
        batchSize: b,
        serviceMs: factor === 1 ? samples : samples.map((ms) => ms * factor),
        dispatchMs: table.quantileMs(quantile, b) * factorOf(b, (known, size) => known.quantileMs(quantile, size)),
        peakMemoryMiB: rssMiB,
      };
    });
    return { memoryMiB, points };
  });
}

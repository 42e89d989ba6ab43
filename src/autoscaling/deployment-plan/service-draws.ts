/** How long batches take when a plan is played out: drawn from what was measured, and foreseen as dispatch would. Pure. */
import { type Profile, ServiceTable } from '../../profiling/index.ts';
import type { UniformSource } from '../../queueing/index.ts';

export interface ServiceDraws {
  readonly batchMax: number;
  /** What a batch of so many rows takes this time. */
  readonly drawMs: (rows: number, random: UniformSource) => number;
  /** S_q(b), by which instances are foreseen. */
  readonly quantileMs: (rows: number) => number;
  /** The longest that was seen, never falling with the rows: what a batch that is held for company must be sure of. */
  readonly longestMs: (rows: number) => number;
}

/** null where nothing was measured. */
export function serviceDraws(
  profile: Pick<Profile, 'service' | 'executor' | 'loadMs' | 'batchMax' | 'measuredAtMs' | 'notes'>,
  quantile: number,
): ServiceDraws | null {
  const points = profile.service.filter(({ samples }) => samples.length > 0);
  const largest = points.at(-1);
  if (largest === undefined) return null;
  const table = new ServiceTable(profile);
  const batchMax = largest.b;
  // A size that was not measured takes what the next larger one does, in the proportion of their medians.
  const sizes = Array.from({ length: batchMax + 1 }, (_, rows) => {
    const { b, samples } = points.find((point) => point.b >= rows) ?? largest;
    return { samples, factor: rows === 0 ? 1 : table.medianMs(rows) / table.medianMs(b) };
  });
  const longest = new Float64Array(batchMax + 1);
  for (let rows = 1; rows <= batchMax; rows++) {
    const { samples, factor } = sizes[rows] as (typeof sizes)[number];
    longest[rows] = Math.max(longest[rows - 1] as number, (samples.at(-1) as number) * factor);
  }
  const upTo = (rows: number): number => Math.min(rows, batchMax);
  return {
    batchMax,
    drawMs: (rows, random) => {
      const { samples, factor } = sizes[upTo(rows)] as (typeof sizes)[number];
      return (samples[Math.floor(random.next() * samples.length)] as number) * factor;
    },
    quantileMs: (rows) => table.quantileMs(quantile, upTo(rows)),
    longestMs: (rows) => longest[upTo(rows)] as number,
  };
}

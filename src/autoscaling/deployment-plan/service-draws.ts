/** Service times for simulated plans: random draws from measurements, and the estimates that dispatch uses. Pure. */
import { type Profile, ServiceTable } from '../../profiling/index.ts';
import type { UniformSource } from '../../queueing/index.ts';

export interface ServiceDraws {
  readonly batchMax: number;
  /** Draws the service time of a batch of `rows`. */
  readonly drawMs: (rows: number, random: UniformSource) => number;
  /** S_q(b): the estimate that dispatch uses for instances. */
  readonly quantileMs: (rows: number) => number;
  /** The longest observed time, non-decreasing in the rows. A held batch must leave time for it. */
  readonly longestMs: (rows: number) => number;
}

/** null if nothing has been measured. */
export function serviceDraws(
  profile: Pick<Profile, 'service' | 'executor' | 'loadMs' | 'batchMax' | 'measuredAtMs' | 'notes'>,
  quantile: number,
): ServiceDraws | null {
  const points = profile.service.filter(({ samples }) => samples.length > 0);
  const largest = points.at(-1);
  if (largest === undefined) return null;
  const table = new ServiceTable(profile);
  const batchMax = largest.b;
  // An unmeasured size uses the samples of the next larger one, scaled by the ratio of their medians.
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

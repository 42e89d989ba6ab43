/** Service times for simulated plans: random draws from measurements, and the estimates that dispatch uses. Pure. */
import { type Profile, ServiceTable } from '../../profiling/index.ts';
import type { UniformSource } from '../../queueing/index.ts';

/** One profile in the three forms that a simulation needs: random times, and the estimates of plans and of dispatch. */
export interface ServiceDraws {
  readonly batchMax: number;
  /** Draws the service time of a batch of `rows`. */
  readonly drawMs: (rows: number, random: UniformSource) => number;
  /** The measurements. What an executor is able to do is computed from them as everywhere else (`profiling/capacity.ts`). */
  readonly table: ServiceTable;
  /** S_q(b) for plans: one slow run of few does not exclude an objective. */
  readonly plannedMs: (rows: number) => number;
  /** S_q(b) by which dispatch decides. A held batch must leave time for it. */
  readonly dispatchMs: (rows: number) => number;
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
  const upTo = (rows: number): number => Math.min(rows, batchMax);
  return {
    batchMax,
    drawMs: (rows, random) => {
      const { samples, factor } = sizes[upTo(rows)] as (typeof sizes)[number];
      return (samples[Math.floor(random.next() * samples.length)] as number) * factor;
    },
    table,
    plannedMs: (rows) => table.plannedMs(quantile, upTo(rows)),
    dispatchMs: (rows) => table.quantileMs(quantile, upTo(rows)),
  };
}

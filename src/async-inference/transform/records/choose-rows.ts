/**
 * Chooses the number of rows per run of a transform. Latency is irrelevant, so throughput decides. Sizes above those in the profile are
 * measured, doubled each time, as long as throughput improves.
 */
import { type MeasureOptions, measure, type Profile, type ServicePoint, timer } from '../../../profiling/index.ts';
import type { RunResult } from '../../../runtime/index.ts';
import type { Tensor } from '../../../tensor.ts';

/** Larger runs cost memory for little gain. */
const rowsLimit = 4096;
/**
 * Time to measure all sizes. With 500 ms, a stall of a busy machine left time for only one size, 32 rows, which had a fifth of the
 * throughput.
 */
const budgetMs = 1500;
/** Runs per size, of which the shortest counts. For a small model, more runs would cost more time than the better size saves. */
const samplesEnough = 5;
/** The smallest size with at least this share of the best throughput is chosen. */
const goodEnough = 0.95;
/** Fixed overhead per run in addition to S(b): cutting, queueing, writing. */
const handlingMs = 0.5;

type Timed = Pick<ServicePoint, 'b' | 'samples'>;

/**
 * The smallest b whose throughput b / (S(b) + h) is close to the best, with the overhead h per run. S(b) is the shortest
 * observed time: other load on the machine makes runs longer, especially long ones, never shorter.
 */
export function rowsForThroughput(service: readonly Timed[]): number {
  const rate = ({ b, samples }: Timed): number => b / ((samples[0] ?? 0) + handlingMs);
  const best = Math.max(...service.map(rate));
  return service.find((point) => rate(point) >= goodEnough * best)?.b ?? 1;
}

/** Sizes to measure; none if the largest known size is already beyond the optimum. */
export function sizesBeyond(profile: Profile | null): readonly number[] {
  const service = profile?.service ?? [];
  const last = service.at(-1)?.b ?? 1;
  if (service.length > 0 && rowsForThroughput(service) < last) return [];
  const sizes: number[] = [];
  for (let b = Math.max(last, 32); b <= rowsLimit; b *= 2) sizes.push(b);
  return sizes;
}

/** Measures further sizes and returns the rows per run; 1 if the model is not batchable. */
export async function chooseRows(
  run: (inputs: readonly Tensor[]) => Promise<RunResult>,
  profile: Profile | null,
  options: Omit<MeasureOptions, 'batchSizes' | 'budgetMs' | 'samplesEnough' | 'loadMs' | 'sinceLoad'>,
): Promise<number> {
  if (!options.batchable) return 1;
  const sizes = sizesBeyond(profile);
  const service = [...(profile?.service ?? [])];
  if (sizes.length > 0) {
    const sinceLoad = timer(options);
    const more = await measure(run, { ...options, batchSizes: sizes, budgetMs, samplesEnough, loadMs: 0, sinceLoad });
    service.push(...more.service);
  }
  return rowsForThroughput(service.toSorted((a, b) => a.b - b.b));
}

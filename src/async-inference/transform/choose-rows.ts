/**
 * How many rows a run of a transform has. Nobody waits for a single one, so throughput decides: the profile's sizes are gone
 * on with, doubled while that still helps.
 */
import { type MeasureOptions, measure, type Profile, type ServicePoint, timer } from '../../profiling/index.ts';
import type { RunResult } from '../../runtime/index.ts';
import type { Tensor } from '../../tensor.ts';

/** Larger runs take memory for little. */
const rowsLimit = 4096;
/** With 500 ms a stall of a busy machine left time for the first size alone: 32 rows a run, and a fifth of the throughput. */
const budgetMs = 1500;
/** The shortest of these runs counts. More would take a small model's job longer than the better size saves. */
const samplesEnough = 5;
/** Of two sizes about as good the smaller one is chosen. */
const goodEnough = 0.95;
/** What each run costs besides its S(b): cutting, waiting in turn, writing, whatever its size. */
const handlingMs = 0.5;

type Timed = Pick<ServicePoint, 'b' | 'samples'>;

/**
 * The smallest b whose throughput b / (S(b) + h) comes near to the best, with h for what is done for each run besides. S(b) is
 * the shortest that was seen: others on the machine make runs longer, long ones above all, and never shorter.
 */
export function rowsForThroughput(service: readonly Timed[]): number {
  const rate = ({ b, samples }: Timed): number => b / ((samples[0] ?? 0) + handlingMs);
  const best = Math.max(...service.map(rate));
  return service.find((point) => rate(point) >= goodEnough * best)?.b ?? 1;
}

/** The sizes still to be measured: none where the largest one known is past its best. */
export function sizesBeyond(profile: Profile | null): readonly number[] {
  const service = profile?.service ?? [];
  const last = service.at(-1)?.b ?? 1;
  if (service.length > 0 && rowsForThroughput(service) < last) return [];
  const sizes: number[] = [];
  for (let b = Math.max(last, 32); b <= rowsLimit; b *= 2) sizes.push(b);
  return sizes;
}

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

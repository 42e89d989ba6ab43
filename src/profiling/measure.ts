/**
 * Measures S(b) of one model in one worker: the whole round trip from dispatch to answer, since that is what dispatch
 * will see. It stops where time or memory runs out, and says so; what it has by then is a profile all the same.
 */
import { messageOf, PlatformError } from '../errors.ts';
import type { Random } from '../random.ts';
import { type RunResult, sampleInputs } from '../runtime/index.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { busyText, type Profile, type ServicePoint, samplesMax, servicePoint } from './profile.ts';
import { slowdownOf, type Timed, type TimerOptions, timer } from './timer.ts';

export const batchSizesMeasured: readonly number[] = [1, 2, 4, 8, 16, 32];
export const profileBudgetMs = 3000;

/** On a busy machine it may last so many times as long: what others take does not count, or a quick model is measured cold. */
const patience = 4;

/** Fewer runs of a size say nothing about its tail. */
const samplesMin = 3;

export interface MeasureOptions extends TimerOptions {
  readonly signature: Signature;
  /** Otherwise only b = 1 is measured. */
  readonly batchable: boolean;
  readonly executor: string;
  readonly loadMs: number;
  /** Since the load began. */
  readonly sinceLoad: () => Timed;
  readonly random: Random;
  readonly budgetMs: number;
  /** Runs of a size that are enough, where the whole time is not to be used up. */
  readonly samplesEnough?: number;
  /** Ascending, from 1. */
  readonly batchSizes: readonly number[];
  /** The worker's memory now, in MiB. */
  readonly rssOf: () => Promise<number>;
  /** What the executor may use; 0 for no limit. */
  readonly memoryMiB: number;
  /** Ends it at the next run; what was measured is thrown away. */
  readonly signal?: AbortSignal;
}

type Run = (inputs: readonly Tensor[]) => Promise<RunResult>;

/** Throws `model_failed` where not even one row can be measured. */
export async function measure(run: Run, options: MeasureOptions): Promise<Profile> {
  const { clock, batchable, batchSizes } = options;
  const sizes = batchable ? batchSizes : batchSizes.slice(0, 1);
  const leftMs = budgetOf(options);
  const service: ServicePoint[] = [];
  const notes: string[] = [];
  const all: Timed[] = [];
  const rssAtStartMiB = await options.rssOf();
  let coldMs = 0;
  const isWarm = (): void => {
    if (service.length === 0) coldMs = options.sinceLoad().ownMs;
  };
  for (const [index, b] of sizes.entries()) {
    const obstacle = obstacleTo(b, service.at(-1), rssAtStartMiB, leftMs(), options.memoryMiB);
    if (obstacle !== null) {
      notes.push(obstacle);
      break;
    }
    try {
      const shareMs = leftMs() * shareOf(sizes, index);
      const runs = await timeRuns(run, b, { ...options, budgetMs: shareMs }, isWarm);
      all.push(...runs);
      const times = runs.map(({ ownMs }) => ownMs);
      service.push(servicePoint(b, times, Math.round(await options.rssOf())));
    } catch (error) {
      options.signal?.throwIfAborted();
      if (service.length === 0) throw unmeasurable(error);
      notes.push(`stopped before b=${b}: ${messageOf(error)}`);
      break;
    }
  }
  const batchMax = (service.at(-1) as ServicePoint).b;
  const slowdown = slowdownOf(all);
  const busy = busyText({ slowdown });
  if (busy !== null) notes.push(busy);
  const { executor, loadMs } = options;
  return { executor, service, measuredAtMs: clock.wallMs(), loadMs, coldMs, slowdown, batchMax, notes };
}

/** From now on: how much of the time for measuring is left. */
function budgetOf(options: MeasureOptions): () => number {
  const time = timer(options);
  return () => {
    const { tookMs, ownMs } = time();
    return options.budgetMs - Math.max(ownMs, tookMs / patience);
  };
}

/** Runs batches of b until there are enough samples or the time for them is used up; the first one only warms up. */
async function timeRuns(run: Run, b: number, options: MeasureOptions, isWarm: () => void): Promise<Timed[]> {
  const { signal, samplesEnough = samplesMax } = options;
  const inputs = sampleInputs(options.signature, b, options.random);
  const leftMs = budgetOf(options);
  await run(inputs);
  isWarm();
  const times: Timed[] = [];
  while (times.length < samplesEnough && (times.length < samplesMin || leftMs() > 0)) {
    signal?.throwIfAborted();
    const time = timer(options);
    await run(inputs);
    times.push(time());
  }
  return times;
}

/**
 * The share of the time left that a size gets. Larger sizes take longer, but matter less where they do: the root of b
 * lies between the same time for all and the same number of runs for all.
 */
function shareOf(sizes: readonly number[], index: number): number {
  const weights = sizes.slice(index).map(Math.sqrt);
  return (weights[0] as number) / weights.reduce((sum, weight) => sum + weight, 0);
}

/** Why b should not even be tried, going by the size before it; null where nothing speaks against it. */
function obstacleTo(b: number, before: ServicePoint | undefined, rssAtStartMiB: number, leftMs: number, memoryMiB: number): string | null {
  if (before === undefined) return null;
  const scale = b / before.b;
  // A compute-bound model takes as much longer as there are more rows; one run warms up.
  const expectedMs = (samplesMin + 1) * before.p50Ms * scale;
  if (expectedMs > leftMs) return `stopped before b=${b}: about ${Math.ceil(expectedMs)} ms more would exceed the time for measuring`;
  const expectedMiB = before.rssMiB + Math.max(before.rssMiB - rssAtStartMiB, 0) * (scale - 1);
  if (memoryMiB > 0 && expectedMiB > memoryMiB) {
    return `stopped before b=${b}: about ${Math.ceil(expectedMiB)} MiB would exceed the ${memoryMiB} MiB of the executor`;
  }
  return null;
}

function unmeasurable(cause: unknown): PlatformError {
  return new PlatformError('model_failed', `the model could not be run on sample inputs: ${messageOf(cause)}`, { cause });
}

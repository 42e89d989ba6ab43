/**
 * Measures S(b) of one model in one worker: the round trip from dispatch to answer, as dispatch observes it. If time or memory
 * runs out, measuring stops with a note; the results so far are a valid profile.
 */
import { messageOf, PlatformError } from '../errors.ts';
import type { Random } from '../random.ts';
import { type RunResult, sampleInputs, WorkerLost } from '../runtime/index.ts';
import { type Signature, type Tensor, takesJson } from '../tensor.ts';
import { busyText, type Profile, type ServicePoint, samplesMax, servicePoint } from './profile.ts';
import { slowdownOf, type Timed, type TimerOptions, timer } from './timer.ts';

/** Batch sizes that a profile measures. */
export const batchSizesMeasured: readonly number[] = [1, 2, 4, 8, 16, 32];

/**
 * Measuring can take longer by this factor on a busy machine. Waiting is not charged to the budget; otherwise a fast model would
 * get too few runs to warm up.
 */
const patience = 4;

/** Minimum runs per size; fewer say nothing about the tail. */
const samplesMin = 3;

/** What is measured, and for how long. */
export interface MeasureOptions extends TimerOptions {
  readonly signature: Signature;
  /** False: only b = 1 is measured. */
  readonly batchable: boolean;
  readonly executor: string;
  readonly loadMs: number;
  /** Returns the time since loading began. */
  readonly sinceLoad: () => Timed;
  readonly random: Random;
  /** Makes the inputs of a batch; default: generated from the signature. */
  readonly inputsOf?: (rows: number) => readonly Tensor[];
  readonly budgetMs: number;
  /** Runs per size that suffice; measuring can then stop before the time budget ends. */
  readonly samplesEnough?: number;
  /** Batch sizes to measure, ascending from 1. */
  readonly batchSizes: readonly number[];
  /** Current memory of the worker, in MiB. */
  readonly rssOf: () => Promise<number>;
  /** Memory limit of the executor; 0: unlimited. */
  readonly memoryMiB: number;
  /** Aborting stops before the next run and discards the results. */
  readonly signal?: AbortSignal;
}

type Run = (inputs: readonly Tensor[]) => Promise<RunResult>;

/**
 * Measures one batch size after the other. Throws `model_failed` if not even one row can be measured, and `WorkerLost` if the reason is that
 * the worker ended: another may do.
 */
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
      if (service.length === 0) throw error instanceof WorkerLost ? error : unmeasurable(error, options.signature);
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

/** Starts the time budget. The returned function reports the remaining milliseconds. */
function budgetOf(options: MeasureOptions): () => number {
  const time = timer(options);
  return () => {
    const { tookMs, ownMs } = time();
    return options.budgetMs - Math.max(ownMs, tookMs / patience);
  };
}

/** Runs batches of b rows until there are enough samples or the time budget ends. The first run warms up and is not counted. */
async function timeRuns(run: Run, b: number, options: MeasureOptions, isWarm: () => void): Promise<Timed[]> {
  const { signal, samplesEnough = samplesMax } = options;
  const inputs = options.inputsOf?.(b) ?? sampleInputs(options.signature, b, options.random);
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

/** Share of the remaining time for a size, weighted by √b: a compromise between equal time and equal runs per size. */
function shareOf(sizes: readonly number[], index: number): number {
  const weights = sizes.slice(index).map(Math.sqrt);
  return (weights[0] as number) / weights.reduce((sum, weight) => sum + weight, 0);
}

/** Why b should not be measured, extrapolated from the previous size; null if there is no reason. */
function obstacleTo(b: number, before: ServicePoint | undefined, rssAtStartMiB: number, leftMs: number, memoryMiB: number): string | null {
  if (before === undefined) return null;
  const scale = b / before.b;
  // The time of a compute-bound model is proportional to the rows. The additional run warms up.
  const expectedMs = (samplesMin + 1) * before.p50Ms * scale;
  if (expectedMs > leftMs) return `stopped before b=${b}: about ${Math.ceil(expectedMs)} ms more would exceed the time limit for measuring`;
  const expectedMiB = before.rssMiB + Math.max(before.rssMiB - rssAtStartMiB, 0) * (scale - 1);
  if (memoryMiB > 0 && expectedMiB > memoryMiB) {
    return `stopped before b=${b}: about ${Math.ceil(expectedMiB)} MiB would exceed the ${memoryMiB} MiB of the executor`;
  }
  return null;
}

function unmeasurable(cause: unknown, signature: Signature): PlatformError {
  if (takesJson(signature)) {
    const how = 'Register it again with --sample ROWS.jsonl, whose rows it accepts, one per line';
    return new PlatformError('model_failed', `the model failed on the rows of its sample: ${messageOf(cause)}. ${how}`, { cause });
  }
  return new PlatformError('model_failed', `the model failed on sample inputs: ${messageOf(cause)}`, { cause });
}

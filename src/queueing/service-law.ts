/**
 * S(b): the service time of a batch of b requests. Either constant for each b, or random with distribution G_b. A law belongs to
 * one memory size; network overhead and cold starts are added by `latency.ts`.
 */
import assert from 'node:assert/strict';

/** The same time for each batch of the same size. */
export interface FixedService {
  readonly kind: 'fixed';
  /** S(b) for b = 1, 2, …; need not rise with b. */
  readonly serviceMs: (batchSize: number) => number;
}

/** A random time, independent from batch to batch. */
export interface RandomService {
  readonly kind: 'random';
  /** G_b: the probability that a batch of b takes at most `ms`; 0 below 0. */
  readonly serviceCdf: (batchSize: number, ms: number) => number;
  /** A time that a batch of b never exceeds (or, for an unbounded law, practically never). */
  readonly serviceMsMax: (batchSize: number) => number;
  /** E[S(b) rounded up to whole multiples of `granularityMs`]; 0 rounds nothing. */
  readonly meanBilledMs: (batchSize: number, granularityMs: number) => number;
}

/** A law for one memory size. */
export type ServiceDistribution = FixedService | RandomService;

/** Wraps a formula or a table: `fixedService((b) => 5 + 2 * b)`. */
export function fixedService(serviceMs: (batchSize: number) => number): FixedService {
  return { kind: 'fixed', serviceMs };
}

/** E[billed(S(b))]: the billed time of a batch of b, rounded up to multiples of `granularityMs`; 0 rounds nothing. */
export function meanBilledMs(service: ServiceDistribution, batchSize: number, granularityMs: number): number {
  if (service.kind === 'random') return service.meanBilledMs(batchSize, granularityMs);
  return billedMs(service.serviceMs(batchSize), granularityMs);
}

/** The longest service time of any batch of at most B requests. */
export function longestServiceMs(service: ServiceDistribution, batchSizeMax: number): number {
  let longest = 0;
  for (let b = 1; b <= batchSizeMax; b++) {
    longest = Math.max(longest, service.kind === 'fixed' ? service.serviceMs(b) : service.serviceMsMax(b));
  }
  return longest;
}

/** Measurements of one batch size. */
export interface ServiceSamples {
  readonly batchSize: number;
  /** In any order; at least one. */
  readonly serviceMs: ArrayLike<number>;
}

/**
 * The law of measured samples. All samples are retained: replacing them by a handful of quantiles makes the p99 of the latency
 * several percent too low. Between two measured sizes the quantile functions are interpolated, which for fixed times is a
 * straight line. Sizes below the smallest measured one use its samples; above the largest there is no law.
 */
export function empiricalService(measured: readonly ServiceSamples[]): RandomService {
  const samplesOf = empiricalSamples(measured);
  return {
    kind: 'random',
    serviceCdf: (batchSize, ms) => shareWithin(samplesOf(batchSize), ms),
    serviceMsMax: (batchSize) => samplesOf(batchSize).at(-1) as number,
    meanBilledMs: (batchSize, granularityMs) => {
      const sorted = samplesOf(batchSize);
      return sorted.reduce((sum, ms) => sum + billedMs(ms, granularityMs), 0) / sorted.length;
    },
  };
}

/** The equally likely times of the measured law, ascending, by batch size. */
export function empiricalSamples(measured: readonly ServiceSamples[]): (batchSize: number) => Float64Array {
  const points = measured.map(({ batchSize, serviceMs }) => ({ batchSize, sorted: Float64Array.from(serviceMs).sort() }));
  points.sort((a, b) => a.batchSize - b.batchSize);
  assert(points.length > 0 && points.every(({ sorted }) => sorted.length > 0), 'an empirical law needs samples of each batch size');
  const bySize = new Map<number, Float64Array>();
  return (batchSize) => {
    let sorted = bySize.get(batchSize);
    if (sorted === undefined) {
      sorted = samplesBetween(points, batchSize);
      bySize.set(batchSize, sorted);
    }
    return sorted;
  };
}

interface SamplePoint {
  readonly batchSize: number;
  readonly sorted: Float64Array;
}

function samplesBetween(points: readonly SamplePoint[], batchSize: number): Float64Array {
  const above = points.findIndex((point) => point.batchSize >= batchSize);
  assert(above >= 0, `batch size out of range: expected at most ${points.at(-1)?.batchSize} as measured, got ${batchSize}`);
  const right = points[above] as SamplePoint;
  const left = points[above - 1];
  if (left === undefined || right.batchSize === batchSize) return right.sorted;
  const weight = (batchSize - left.batchSize) / (right.batchSize - left.batchSize);
  const count = Math.max(left.sorted.length, right.sorted.length);
  const between = (from: SamplePoint, i: number): number => from.sorted[Math.floor(((i + 0.5) / count) * from.sorted.length)] as number;
  return Float64Array.from({ length: count }, (_, i) => (1 - weight) * between(left, i) + weight * between(right, i));
}

/** The share of `sorted` that is at most `ms`. */
function shareWithin(sorted: Float64Array, ms: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) <= ms) low = middle + 1;
    else high = middle;
  }
  return low / sorted.length;
}

/** Rounds up, but ignores floating-point errors: 15.000000000000002 ms are billed as 15 ms. */
function billedMs(ms: number, granularityMs: number): number {
  return granularityMs > 0 ? Math.ceil(ms / granularityMs - 1e-9) * granularityMs : ms;
}

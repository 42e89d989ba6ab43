/** A memory size as used by the search: service times and costs by batch size. */

import assert from 'node:assert/strict';
import { nearestRank } from '../../quantiles.ts';
import { empiricalSamples, empiricalService, fixedService, type RandomService, type ServiceDistribution } from '../service-law.ts';
import type { MemoryProfile, ProfilePoint } from './choice.ts';
import { type CallPrice, callUsd } from './cost.ts';

/** A memory size that can run the model, prepared once per search. */
export interface MemoryOption {
  readonly memoryMiB: number;
  /** True if a smaller size has the same service times, so this one only costs more. */
  readonly isDominated: boolean;
  /** The largest measured batch that fits into the memory. */
  readonly batchSizeMax: number;
  readonly service: ServiceDistribution;
  /** [b], the distribution of service times in a few pieces, for bounds; null for fixed times. */
  readonly pieces: readonly ServicePieces[] | null;
  /** [b], cost of one call with b rows, US dollars. Index 0 is unused here and in the arrays below. */
  readonly usdPerCall: Float64Array;
  /** [b], the lowest cost per row of any batch of at most b rows: a lower bound of the cost of settings with B = b. */
  readonly usdPerRowMin: Float64Array;
  /** [b], the longest and shortest service time of any batch of at most b rows, and the mean service time of b rows. */
  readonly longestMs: Float64Array;
  readonly shortestMs: Float64Array;
  readonly meanMs: Float64Array;
  /** [b], S_q(b) as used by the slack rule; non-decreasing. */
  readonly dispatchMs: Float64Array;
}

/** A distribution cut at some of its quantiles: piece i has the share `shares[i]`, with times from `fromMs[i]` to `toMs[i]`. */
export interface ServicePieces {
  readonly shares: Float64Array;
  readonly fromMs: Float64Array;
  readonly toMs: Float64Array;
}

/** Finer near 1, because objectives are high quantiles. */
const pieceQuantiles = [0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.93, 0.97, 0.99, 1];

/** The memory sizes that can run at least one row, ascending. `quantile` is that of the objective. */
export function memoryOptions(profiles: readonly MemoryProfile[], price: CallPrice, quantile: number): MemoryOption[] {
  const options: { readonly points: readonly ProfilePoint[]; readonly option: MemoryOption }[] = [];
  for (const profile of profiles.toSorted((a, b) => a.memoryMiB - b.memoryMiB)) {
    const points = fittingPoints(profile);
    if (points.length === 0) continue;
    const isDominated = options.some((smaller) => isSameService(smaller.points, points));
    options.push({ points, option: { ...optionOf(profile.memoryMiB, points, price, quantile), isDominated } });
  }
  return options.map(({ option }) => option);
}

/** The points up to the largest batch that fits into the memory, by batch size. */
export function fittingPoints({ memoryMiB, points }: MemoryProfile): ProfilePoint[] {
  const ordered = points.toSorted((a, b) => a.batchSize - b.batchSize);
  const tooLarge = ordered.findIndex((point) => point.peakMemoryMiB > memoryMiB);
  return tooLarge < 0 ? ordered : ordered.slice(0, tooLarge);
}

/** S(b) from measured points: fixed if each point has a single time, otherwise random. Interpolated between points. */
export function serviceOf(points: readonly ProfilePoint[]): ServiceDistribution {
  if (points.some(({ serviceMs }) => serviceMs.length !== 1)) return forgiving(empiricalService(points));
  const curve = interpolated(points, ({ serviceMs }) => serviceMs[0] as number);
  return fixedService((batchSize) => {
    assert(batchSize >= 1 && batchSize < curve.length, `batch size out of range: expected 1 to ${curve.length - 1} rows, got ${batchSize}`);
    return curve[batchSize] as number;
  });
}

/** Tolerates rounding: a batch dispatched S before a deadline is in time if it takes S, although deadline − (deadline − S) is rounded. */
function forgiving(service: RandomService): RandomService {
  return { ...service, serviceCdf: (batchSize, ms) => service.serviceCdf(batchSize, ms + 1e-9) };
}

function optionOf(
  memoryMiB: number,
  points: readonly ProfilePoint[],
  price: CallPrice,
  quantile: number,
): Omit<MemoryOption, 'isDominated'> {
  const service = serviceOf(points);
  const dispatchMs = interpolated(points, (point) => point.dispatchMs ?? nearestRank(Float64Array.from(point.serviceMs).sort(), quantile));
  const batchSizeMax = dispatchMs.length - 1;
  const meanMs = interpolated(points, ({ serviceMs }) => serviceMs.reduce((sum, ms) => sum + ms, 0) / serviceMs.length);
  const longest = interpolated(points, ({ serviceMs }) => Math.max(...serviceMs));
  const shortest = interpolated(points, ({ serviceMs }) => Math.min(...serviceMs));
  const longestMs = new Float64Array(batchSizeMax + 1);
  const shortestMs = new Float64Array(batchSizeMax + 1).fill(Number.POSITIVE_INFINITY);
  const usdPerCall = new Float64Array(batchSizeMax + 1);
  const usdPerRowMin = new Float64Array(batchSizeMax + 1).fill(Number.POSITIVE_INFINITY);
  for (let b = 1; b <= batchSizeMax; b++) {
    dispatchMs[b] = Math.max(dispatchMs[b] as number, dispatchMs[b - 1] as number);
    usdPerCall[b] = callUsd(b, service, memoryMiB, price);
    longestMs[b] = Math.max(longestMs[b - 1] as number, longest[b] as number);
    shortestMs[b] = Math.min(shortestMs[b - 1] as number, shortest[b] as number);
    usdPerRowMin[b] = Math.min(usdPerRowMin[b - 1] as number, (usdPerCall[b] as number) / b);
  }
  const pieces = service.kind === 'fixed' ? null : piecesOf(empiricalSamples(points), batchSizeMax);
  return { memoryMiB, batchSizeMax, service, pieces, usdPerCall, usdPerRowMin, longestMs, shortestMs, meanMs, dispatchMs };
}

function piecesOf(samplesOf: (batchSize: number) => Float64Array, batchSizeMax: number): ServicePieces[] {
  return Array.from({ length: batchSizeMax + 1 }, (_, b) => {
    const samples = samplesOf(Math.max(b, 1));
    const starts = [...new Set(pieceQuantiles.map((quantile) => Math.round(quantile * samples.length)))];
    const ends = starts.slice(1);
    return {
      shares: Float64Array.from(ends, (end, i) => (end - (starts[i] as number)) / samples.length),
      fromMs: Float64Array.from(ends, (_end, i) => samples[starts[i] as number] as number),
      toMs: Float64Array.from(ends, (end) => samples[end - 1] as number),
    };
  });
}

/** [b], the value for every b up to the largest point, linear between points. */
function interpolated(points: readonly ProfilePoint[], valueOf: (point: ProfilePoint) => number): Float64Array {
  assert(points[0]?.batchSize === 1, 'a profile needs the service time of one row');
  const curve = new Float64Array((points.at(-1) as ProfilePoint).batchSize + 1);
  let before = points[0];
  for (const point of points) {
    const [b0, b1] = [before.batchSize, point.batchSize];
    const [from, to] = [valueOf(before), valueOf(point)];
    for (let b = b0 + 1; b < b1; b++) curve[b] = from + ((to - from) * (b - b0)) / (b1 - b0);
    curve[b1] = to;
    before = point;
  }
  return curve;
}

function isSameService(left: readonly ProfilePoint[], right: readonly ProfilePoint[]): boolean {
  return (
    left.length === right.length &&
    left.every((point, i) => {
      const other = right[i] as ProfilePoint;
      return (
        point.batchSize === other.batchSize &&
        point.dispatchMs === other.dispatchMs &&
        point.serviceMs.length === other.serviceMs.length &&
        point.serviceMs.every((ms, j) => ms === other.serviceMs[j])
      );
    })
  );
}

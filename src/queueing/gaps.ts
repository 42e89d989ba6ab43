/** What was seen of arrivals: the gaps between them, and what a fit may rely on. */
import { type ArrivalProcess, type ArrivalStatistics, arrivalStatistics, poisson } from './arrival-process.ts';

/** Fewer gaps say something about the rate, but nothing about bursts. */
export const gapsForShape = 300;
/** A longer gap is no gap between requests; and its third power must not overflow. */
const gapMsMax = 366 * 86_400_000;
/** A shorter mean is no rate that anything serves: a billion requests per second. */
const meanSecondsMin = 1e-9;

/** The sample moments of gaps: seconds, seconds², seconds³. */
export interface GapMoments {
  readonly m1: number;
  readonly m2: number;
  readonly m3: number;
  /** c² = m2/m1² − 1. */
  readonly scv: number;
}

export interface ArrivalFit {
  /** Null where nothing can be told: no usable gap, or all requests at one instant. */
  readonly process: ArrivalProcess | null;
  /** What the fitted process is like; null without one. */
  readonly statistics: ArrivalStatistics | null;
  /** What was measured; null without a usable gap. */
  readonly measured: GapMoments | null;
  /** The gaps that were used. */
  readonly sampleCount: number;
  /** What had to be assumed, dropped or changed, in sentences for people. */
  readonly notes: readonly string[];
}

/** Gaps that a fit can work with. */
export interface UsableGaps {
  readonly seconds: Float64Array;
  readonly moments: GapMoments;
  readonly notes: readonly string[];
}

/**
 * Drops what is no gap (negative, not a number or over a year: the clock jumped) and decides whether the shape can be fitted: if so, gives
 * the gaps; if not, the whole answer, Poisson or none.
 */
export function prepareGaps(gapsMs: ArrayLike<number>): { usable: UsableGaps } | { fit: ArrivalFit } {
  const seconds = new Float64Array(gapsMs.length);
  let count = 0;
  for (let i = 0; i < gapsMs.length; i++) {
    const gap = gapsMs[i] as number;
    if (gap >= 0 && gap <= gapMsMax) seconds[count++] = gap / 1000;
  }
  const used = seconds.subarray(0, count);
  const dropped = gapsMs.length - count;
  const notes =
    dropped === 0
      ? []
      : [`${dropped} of ${gapsMs.length} gaps were negative, not a number or over a year (the clock jumped) and were dropped.`];
  if (count === 0)
    return { fit: finished(null, null, 0, [...notes, 'No gap between arrivals was seen, so nothing is known of their rate.']) };
  const moments = momentsOf(used);
  if (moments.m1 < meanSecondsMin) {
    return {
      fit: finished(null, moments, count, [...notes, `All ${count + 1} requests came at one instant, so nothing is known of their rate.`]),
    };
  }
  if (count < gapsForShape) {
    const note = `Only ${count === 1 ? 'one gap was' : `${count} gaps were`} seen, fewer than ${gapsForShape}: Poisson arrivals with the measured rate are assumed.`;
    return { fit: finished(poisson(1 / moments.m1), moments, count, [...notes, note]) };
  }
  return { usable: { seconds: used, moments, notes } };
}

export function finished(
  process: ArrivalProcess | null,
  measured: GapMoments | null,
  sampleCount: number,
  notes: readonly string[],
): ArrivalFit {
  return { process, statistics: process === null ? null : arrivalStatistics(process), measured, sampleCount, notes };
}

function momentsOf(gaps: Float64Array): GapMoments {
  let [m1, m2, m3] = [0, 0, 0];
  for (const gap of gaps) {
    m1 += gap;
    m2 += gap * gap;
    m3 += gap * gap * gap;
  }
  [m1, m2, m3] = [m1 / gaps.length, m2 / gaps.length, m3 / gaps.length];
  return { m1, m2, m3, scv: m1 > 0 ? m2 / (m1 * m1) - 1 : 0 };
}

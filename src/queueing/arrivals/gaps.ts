/** Gaps between observed arrivals, and which gaps a fit may use. */
import { type ArrivalProcess, type ArrivalStatistics, arrivalStatistics, poisson } from './arrival-process.ts';

/** With fewer gaps, only the rate can be estimated, not bursts. */
export const gapsForShape = 300;
/** Longer gaps are dropped as clock errors; this also keeps third powers from overflowing. */
const gapMsMax = 366 * 86_400_000;
/** Mean gaps below this (a billion requests per second) are not fitted. */
const meanSecondsMin = 1e-9;

/** The sample moments of gaps: seconds, seconds², seconds³. */
export interface GapMoments {
  readonly m1: number;
  readonly m2: number;
  readonly m3: number;
  /** c² = m2/m1² − 1. */
  readonly scv: number;
}

/** A fitted process with the sample it was fitted to, so that a decision can show both. */
export interface ArrivalFit {
  /** null if the process is unknown: no usable gap, or all requests arrived at one instant. */
  readonly process: ArrivalProcess | null;
  /** Statistics of the fitted process; null without one. */
  readonly statistics: ArrivalStatistics | null;
  /** Sample moments; null without a usable gap. */
  readonly measured: GapMoments | null;
  /** Number of gaps used. */
  readonly sampleCount: number;
  /** Sentences for users about assumptions, dropped gaps and changed moments. */
  readonly notes: readonly string[];
}

/** Gaps to which a process can be fitted. */
export interface UsableGaps {
  readonly seconds: Float64Array;
  readonly moments: GapMoments;
  readonly notes: readonly string[];
}

/**
 * Drops invalid gaps (negative, not a number, or over a year, because a clock jumped). If enough remain to fit bursts, returns
 * `usable`. Otherwise returns the final `fit`: Poisson, or no process.
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
  if (count === 0) return { fit: finished(null, null, 0, [...notes, 'No gap between arrivals was observed: their rate is unknown.']) };
  const moments = momentsOf(used);
  if (moments.m1 < meanSecondsMin) {
    return {
      fit: finished(null, moments, count, [...notes, `All ${count + 1} requests arrived at one instant: their rate is unknown.`]),
    };
  }
  if (count < gapsForShape) {
    const note = `Only ${count === 1 ? 'one gap was' : `${count} gaps were`} observed, fewer than ${gapsForShape}: Poisson arrivals with the measured rate are assumed.`;
    return { fit: finished(poisson(1 / moments.m1), moments, count, [...notes, note]) };
  }
  return { usable: { seconds: used, moments, notes } };
}

/** Completes a fit with the statistics of its process. */
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

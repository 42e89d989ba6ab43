/** Detects changes of the arrival rate. Tests after each gap, in constant memory. */

/** A detected change of the arrival rate. */
export interface DetectedChange {
  readonly direction: 'faster' | 'slower';
  /** Most likely number of gaps since the change, including the last one; earlier gaps belong to the old rate. */
  readonly gapsSince: number;
}

/** Rate factors to detect. Smaller changes matter little: a wait changes by less than the square root of the factor. */
const rateFactors = { faster: 2, slower: 0.5 } as const;
/** Minimum threshold: below it, false alarms are too frequent even at low rates. */
const thresholdMin = 8;
/** With fewer gaps, peaks of the test statistic are not representative. */
const gapsForCalibration = 300;

/**
 * Two CUSUM tests on the gaps x (Page, Biometrika 1954), for a change of the rate λ by a factor k, with k = 2 and k = ½:
 *
 *   g_k ← max(0, g_k + ln k − (k − 1)·λx),
 *
 * where g_k is the log-likelihood ratio of exponential gaps. An alarm is raised if g_k exceeds the threshold h. The change most
 * likely happened when g_k was last 0. Gaps are between requests, not rows: the rows of one request arrive together and would look
 * like a burst.
 */
export class ChangePoint {
  readonly #ratePerMs: number;
  readonly #threshold: number;
  readonly #scores = { faster: 0, slower: 0 };
  readonly #gaps = { faster: 0, slower: 0 };

  constructor({ ratePerSecond, threshold }: { readonly ratePerSecond: number; readonly threshold: number }) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#threshold = threshold;
  }

  /** Adds a gap. Returns the change if one is detected, otherwise null. After an alarm the test restarts with the same reference rate. */
  add(gapMs: number): DetectedChange | null {
    return this.#test('faster', gapMs) ?? this.#test('slower', gapMs);
  }

  #test(direction: DetectedChange['direction'], gapMs: number): DetectedChange | null {
    const factor = rateFactors[direction];
    const score = this.#scores[direction] + Math.log(factor) - (factor - 1) * this.#ratePerMs * Math.max(0, gapMs);
    const gapsSince = score > 0 ? this.#gaps[direction] + 1 : 0;
    this.#scores[direction] = Math.max(0, score);
    this.#gaps[direction] = gapsSince;
    if (score <= this.#threshold) return null;
    for (const each of ['faster', 'slower'] as const) {
      this.#scores[each] = 0;
      this.#gaps[each] = 0;
    }
    return { direction, gapsSince };
  }
}

/**
 * The threshold h (at least 8) at which gaps like the recorded ones raise `alarmsPerHour` false alarms.
 *
 * The peaks of g_k between two zeros have an exponential tail. Its rate is 1 for Poisson arrivals, because a likelihood ratio
 * exceeds e^h with probability e^−h at most if nothing changed. It is lower for bursty arrivals. So the threshold is extrapolated
 * from the highest peaks: h = u + m·ln(n/alarmsPerHour), where n peaks per hour exceed a level u, by m on average. With fewer than
 * 300 gaps, arrivals are assumed to be Poisson.
 */
export function calibratedThreshold(gapsMs: ArrayLike<number>, ratePerSecond: number, alarmsPerHour = 1): number {
  const gapsPerHour = 3600 * ratePerSecond;
  const poisson = Math.max(thresholdMin, Math.log(Math.max(1, gapsPerHour / alarmsPerHour)));
  if (gapsMs.length < gapsForCalibration) return poisson;
  let threshold = thresholdMin;
  for (const factor of Object.values(rateFactors)) {
    const peaks = peaksOf(gapsMs, ratePerSecond / 1000, factor);
    const highest = Math.min(100, Math.max(10, Math.floor(peaks.length / 10)), peaks.length - 1);
    if (highest < 1) continue;
    const level = peaks[highest] as number;
    const excess = peaks.slice(0, highest).reduce((sum, peak) => sum + peak - level, 0) / highest;
    const perHour = (highest / gapsMs.length) * gapsPerHour;
    threshold = Math.max(threshold, level + excess * Math.log(Math.max(1, perHour / alarmsPerHour)));
  }
  return threshold;
}

/** The highest value of each excursion of g_k above 0, descending. */
function peaksOf(gapsMs: ArrayLike<number>, ratePerMs: number, factor: number): number[] {
  const peaks: number[] = [];
  const rise = Math.log(factor);
  let score = 0;
  let peak = 0;
  for (let i = 0; i < gapsMs.length; i++) {
    score = Math.max(0, score + rise - (factor - 1) * ratePerMs * Math.max(0, gapsMs[i] as number));
    peak = Math.max(peak, score);
    if (score > 0 || peak === 0) continue;
    peaks.push(peak);
    peak = 0;
  }
  if (peak > 0) peaks.push(peak);
  return peaks.sort((a, b) => b - a);
}

/** Whether requests come faster or slower than they did: a test after each gap, that forgets nothing and stores four numbers. */

export interface Change {
  readonly direction: 'faster' | 'slower';
  /** So many gaps ago it most likely happened, the last one counted; what came before is of the past. */
  readonly gapsSince: number;
}

/** Factors of the rate that are looked for; smaller changes cost little, as a wait changes by less than its square root. */
const rateFactors = { faster: 2, slower: 0.5 } as const;
/** Below this even few arrivals would alarm too often. */
const thresholdMin = 8;
/** Fewer gaps tell nothing of their extremes. */
const gapsForCalibration = 300;

/**
 * Two CUSUM tests on the gaps (Page, Biometrika 1954), against a rate k times as high, k = 2 and ½:
 *
 *   g_k ← max(0, g_k + ln k − (k − 1)·λx),
 *
 * the log-likelihood ratio of exponential gaps. An alarm at g_k > h; the change most likely came when g_k last was 0.
 * Gaps are those between requests: the rows of one come at once, and would look like a burst.
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

  /** What the gap shows. After an alarm it starts anew, still against the same rate. */
  add(gapMs: number): Change | null {
    return this.#test('faster', gapMs) ?? this.#test('slower', gapMs);
  }

  #test(direction: Change['direction'], gapMs: number): Change | null {
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
 * h so that gaps like the recorded ones raise `alarmsPerHour` false alarms, at least 8.
 *
 * The peaks of g_k between two zeros have an exponential tail, of rate 1 for Poisson arrivals (a likelihood ratio of the truth
 * against something else exceeds e^h with probability e^−h at most) and slower for bursty ones. So the highest peaks of the
 * record give the mean excess m over a level u that n per hour exceed, and h = u + m·ln(n/alarmsPerHour). Of fewer than 300 gaps
 * only the rate is used, as if they were Poisson.
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

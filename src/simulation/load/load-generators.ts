/** Generated loads, deterministic by seed: counts per slot, and arrival times within slots. */
import type { Random } from '../../random.ts';

/** A standard normal number by the Box-Muller transform; uses one of the two numbers it yields. */
export function gauss(random: Random): number {
  let u = 0;
  while (u === 0) u = random.next();
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * random.next());
}

/**
 * A Poisson-distributed count of the given mean. Uses Knuth's product of uniforms up to a mean of 50, a rounded normal number
 * above.
 */
export function poissonCount(random: Random, mean: number): number {
  if (mean <= 0) return 0;
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * gauss(random)));
  const limit = Math.exp(-mean);
  let count = 0;
  let product = 1;
  do {
    count++;
    product *= random.next();
  } while (product > limit);
  return count - 1;
}

/**
 * Arrival times in milliseconds, ascending, one chunk per slot, uniform within each slot. Slots have the given counts if `scale`
 * is 1, else Poisson counts around count × scale. All counts are drawn before the first time; only one slot's times are in memory
 * at once.
 */
export function* arrivalChunksMs(random: Random, counts: readonly number[], slotMs: number, scale = 1): Generator<Float64Array> {
  const drawn = scale === 1 ? counts : counts.map((count) => poissonCount(random, count * scale));
  for (let slot = 0; slot < drawn.length; slot++) {
    const times = new Float64Array(drawn[slot] as number);
    for (let i = 0; i < times.length; i++) times[i] = slot * slotMs + slotMs * random.next();
    if (times.length > 0) yield times.sort();
  }
}

/** A load that switches between two rates at random times (MMPP with two states). */
export interface SwitchingLoad {
  /** Requests per second in each state. The load starts in the first state. */
  readonly ratePerSecond: readonly [number, number];
  /** Mean duration of each state, in seconds. */
  readonly meanStayS: readonly [number, number];
}

/**
 * Requests per second of a Poisson process that switches between two rates after exponentially distributed stays. The state is
 * evaluated once per second.
 */
export function mmppCounts(random: Random, seconds: number, { ratePerSecond, meanStayS }: SwitchingLoad): number[] {
  let state = 0;
  const stayS = (): number => -Math.log(1 - random.next()) * (meanStayS[state] as number);
  let leftS = stayS();
  return Array.from({ length: seconds }, () => {
    const count = poissonCount(random, ratePerSecond[state] as number);
    leftS -= 1;
    if (leftS <= 0) {
      state = 1 - state;
      leftS = stayS();
    }
    return count;
  });
}

/** Counts of longer slots: each is the sum of `size` consecutive slots. Drops an incomplete last slot. */
export function joinSlots(counts: readonly number[], size: number): number[] {
  return Array.from({ length: Math.floor(counts.length / size) }, (_, slot) => {
    let sum = 0;
    for (let i = slot * size; i < (slot + 1) * size; i++) sum += counts[i] as number;
    return sum;
  });
}

/** Splits a count over `pieces` slots, as if each request fell into one of them at random. NaN, an unknown count, stays unknown. */
export function splitCount(random: Random, count: number, pieces: number): number[] {
  let left = count;
  return Array.from({ length: pieces }, (_, i) => {
    const here = i === pieces - 1 || Number.isNaN(left) ? left : binomialCount(random, left, 1 / (pieces - i));
    left -= here;
    return Number.isNaN(count) ? Number.NaN : here;
  });
}

/** A binomial count: trial by trial up to a hundred trials, a rounded normal number above. */
function binomialCount(random: Random, trials: number, share: number): number {
  if (trials > 100) {
    const drawn = Math.round(trials * share + Math.sqrt(trials * share * (1 - share)) * gauss(random));
    return Math.min(trials, Math.max(0, drawn));
  }
  let count = 0;
  for (let i = 0; i < trials; i++) if (random.next() < share) count++;
  return count;
}

/**
 * S_q(b): quantiles of the time of a batch of b rows, updated while serving. Dispatch reads the table for each request and
 * updates it for each batch, so both take only a few array accesses. A size is sorted only when a read finds that an eighth of
 * its samples are new: a ring of 500 is sorted at most once in 62 batches.
 */
import assert from 'node:assert/strict';
import { nearestRank } from '../quantiles.ts';
import { busyText, type Profile, type ServicePoint, servicePoint } from './profile.ts';

/** From this number of samples on, the empirical quantile is used; with fewer, the tail is estimated. */
const samplesForQuantile = 200;
/**
 * If none of the latest n runs exceeded a value, it is above the quantile q with this error probability, whatever the distribution: q^n. So
 * a quantile learnt while the machine was busy is given up after 59 quiet runs at p95, instead of after the 500 of the ring.
 */
const outdatedError = 0.05;
/** Estimated tail, as a multiple of the median. */
const tailGuess = 1.2;
const ringSize = 500;
/** The samples of a size become stale after this many batches of other sizes. */
const staleAfter = 500;
/** Number of latest batches that determine the current time of a size. */
const recentRuns = 32;
/** Smallest relative change of the median that is significant with `recentRuns` samples. */
const changeMin = 0.1;

/** One measured batch size. */
interface Point {
  readonly b: number;
  /** Profiled samples. */
  readonly measured: readonly number[];
  /** Their median; 0 without any. */
  readonly measuredMs: number;
  /** Sequence number of the latest batch of this size, counted over all batches of the table. */
  lastObserved: number;
  /** Factor that scaled the profiled samples in the ring. */
  change: number;
  /** The latest samples in milliseconds, a circular buffer; not in order of size. */
  readonly ring: Float64Array;
  count: number;
  next: number;
  /** Number of samples from serving, excluding profiled ones. */
  observations: number;
  /** Number of samples since the last sort. */
  unsorted: number;
  sorted: Float64Array;
}

/** The latest runs of all sizes, each as a multiple of its profiled median: a machine is busy for all sizes at once. */
class RecentRuns {
  readonly #ratios = new Float64Array(ringSize);
  #count = 0;

  add(ratio: number): void {
    this.#ratios[this.#count++ % ringSize] = ratio;
  }

  /** The largest of the latest `runs`; infinite if there are not as many. */
  maxOf(runs: number): number {
    if (runs > Math.min(this.#count, ringSize)) return Number.POSITIVE_INFINITY;
    let most = 0;
    for (let i = this.#count - runs; i < this.#count; i++) most = Math.max(most, this.#ratios[i % ringSize] as number);
    return most;
  }
}

/** A batch size with its current samples. */
export interface KnownPoint extends ServicePoint {
  /** True if the samples are from serving, false if from the profile. */
  readonly isServed: boolean;
}

/** Where a batch of b rows is recorded: at the next larger measured size, with its time scaled by the ratio of the profile. */
interface Target {
  readonly point: Point;
  readonly factor: number;
}

/** Synchronous, because dispatch reads it for each request. */
export class ServiceTable {
  /** Maximum batch size for dispatch; 1 while unknown, or if the model does not support batching. */
  readonly batchMax: number;
  /** Measured time from requesting a worker to its first answer; null without a measurement. */
  readonly coldMs: number | null;
  /** Note about a measurement on a busy machine; null otherwise. */
  readonly busy: string | null;
  /** Time of the measurement; for a derived profile, of its source. Null before the first measurement. */
  readonly measuredAtMs: number | null;
  readonly #points: readonly Point[];
  /** Indexed by b from 1; index 0 is unused. */
  readonly #targets: readonly (Target | undefined)[];
  /** Curves S_q(b), by quantile, then by b. The key q = 0 holds the median. */
  readonly #curves = new Map<number, Float64Array>();
  /** Like `#curves`, but for plans. */
  readonly #plannedCurves = new Map<number, Float64Array>();
  /** The quantile requested last. Usually the next request is for the same one, so its curve is cached. */
  #lastQ = Number.NaN;
  #lastCurve: Float64Array = new Float64Array(0);
  #stale = false;
  /** Number of observed batches of all sizes. */
  #observed = 0;
  readonly #recent = new RecentRuns();

  /** Without a profile the table has only b = 1 and no samples. */
  constructor(profile: Profile | null) {
    const service = profile !== null && profile.service.length > 0 ? profile.service : [{ b: 1, samples: [] }];
    const [first] = profile?.service ?? [];
    this.coldMs = first === undefined || profile === null ? null : (profile.coldMs ?? profile.loadMs + first.p50Ms);
    this.busy = profile === null ? null : busyText(profile);
    this.measuredAtMs = profile?.measuredAtMs ?? null;
    this.#points = service.map(({ b, samples }) => newPoint(b, samples));
    this.batchMax = (this.#points.at(-1) as Point).b;
    this.#targets = Array.from({ length: this.batchMax + 1 }, (_, b) => this.#targetOf(b));
  }

  /** True if there is any sample. Otherwise every quantile is 0. */
  get isKnown(): boolean {
    return (this.#points[0] as Point).count > 0;
  }

  /**
   * The time in milliseconds within which the share q (0..1) of batches of b rows completes. Never decreases with b, and is
   * linear between measured sizes. A b above the largest size counts as the largest.
   */
  quantileMs(q: number, b: number): number {
    // Called several times per request, so the message is built only on failure.
    if (!(q > 0 && q < 1 && b >= 1)) assert.fail(`a quantile between 0 and 1 of a batch of 1 or more, got ${q} of ${b}`);
    return this.#curve(q)[Math.min(b, this.batchMax)] as number;
  }

  /**
   * S_q(b) for plans: with too few samples for the tail, estimates it from the median. The largest of few samples is often the
   * first run or a busy moment, and would exclude a suitable type. Dispatch can be that cautious, because it decides again for
   * each request.
   */
  plannedMs(q: number, b: number): number {
    if (!(q > 0 && q < 1 && b >= 1)) assert.fail(`a quantile between 0 and 1 of a batch of 1 or more, got ${q} of ${b}`);
    if (this.#stale) this.#refresh();
    let curve = this.#plannedCurves.get(q);
    if (curve === undefined) {
      curve = this.#drawCurve((point) => plannedOf(point, q, this.#recent));
      this.#plannedCurves.set(q, curve);
    }
    return curve[Math.min(b, this.batchMax)] as number;
  }

  /** Median time in milliseconds: the basis of throughput, without a safety margin. */
  medianMs(b: number): number {
    return this.#curve(0)[Math.min(b, this.batchMax)] as number;
  }

  /** Records the time of a batch of b rows, from dispatch to answer. */
  observe(b: number, ms: number): void {
    const target = this.#targets[b < this.batchMax ? b : this.batchMax] as Target;
    const { point } = target;
    if (point.measuredMs > 0) this.#recent.add((ms * target.factor) / point.measuredMs);
    point.ring[point.next] = ms * target.factor;
    point.next = point.next + 1 === ringSize ? 0 : point.next + 1;
    point.observations++;
    point.lastObserved = ++this.#observed;
    if (point.count < ringSize) point.count++;
    if (++point.unsorted >= point.count >> 3) this.#stale = true;
  }

  /**
   * Resets sizes whose samples are stale to their profile, scaled by the change of the size that was served last. Returns true if
   * any size was reset.
   */
  forgetStale(): boolean {
    const latest = this.#points.reduce((best, point) => (point.lastObserved > best.lastObserved ? point : best));
    if (latest.measured.length === 0 || latest.observations === 0) return false;
    const change = medianOfAll(servedOf(latest).slice(0, recentRuns)) / medianOfAll(latest.measured);
    const stale = this.#points.filter(({ observations, lastObserved, measured, change: before }) => {
      const hasNews = observations > 0 || Math.abs(change / before - 1) > changeMin;
      return hasNews && measured.length > 0 && this.#observed - lastObserved >= staleAfter;
    });
    for (const point of stale) resetPoint(point, change);
    if (stale.length > 0) this.#refresh();
    return stale.length > 0;
  }

  /** How much longer than profiled the size that was served last takes now; 1 before anything was served. */
  get changeNow(): number {
    const latest = this.#points.reduce((best, point) => (point.lastObserved > best.lastObserved ? point : best));
    if (latest.measured.length === 0 || latest.observations === 0) return 1;
    return medianOfAll(servedOf(latest).slice(0, recentRuns)) / medianOfAll(latest.measured);
  }

  /** Resets all sizes that were served to their profile, scaled by `change`. Sizes without a profile stay. */
  forgetServed(change: number): void {
    const served = this.#points.filter(({ observations, measured }) => observations > 0 && measured.length > 0);
    for (const point of served) resetPoint(point, change);
    if (served.length > 0) this.#refresh();
  }

  /** Number of serving samples, including those taken over from another table. */
  get served(): number {
    return this.#points.reduce((sum, { observations }) => sum + observations, 0);
  }

  /** Current samples by size: serving samples if there are at least `servedLeast`, else profiled ones. */
  points(servedLeast: number): KnownPoint[] {
    return this.#points
      .filter(({ count }) => count > 0)
      .map((point) => {
        const isServed = point.observations >= servedLeast;
        return { ...servicePoint(point.b, isServed ? servedOf(point) : [...point.sorted], 0), isServed };
      });
  }

  /**
   * Takes over the serving samples of an earlier table of the same executor, for sizes with at least `servedLeast` of them. A new
   * measurement in isolation would not be more accurate.
   */
  takeServed(before: ServiceTable, servedLeast: number): void {
    for (const point of this.#points) {
      const earlier = before.#points.find(({ b }) => b === point.b);
      if (earlier === undefined || earlier.observations < servedLeast) continue;
      for (const ms of servedOf(earlier).toReversed()) this.observe(point.b, ms);
      point.observations = earlier.observations;
    }
  }

  #curve(q: number): Float64Array {
    if (this.#stale) this.#refresh();
    if (q === this.#lastQ) return this.#lastCurve;
    let curve = this.#curves.get(q);
    if (curve === undefined) {
      curve = this.#drawCurve((point) => (q === 0 ? medianOf(point) : quantileOf(point, q, this.#recent)));
      this.#curves.set(q, curve);
    }
    this.#lastQ = q;
    this.#lastCurve = curve;
    return curve;
  }

  #refresh(): void {
    this.#stale = false;
    for (const point of this.#points) {
      if (point.unsorted > 0 && point.unsorted >= point.count >> 3) sortPoint(point);
    }
    this.#curves.clear();
    this.#plannedCurves.clear();
    this.#lastQ = Number.NaN;
  }

  /** S(b) for each b up to the largest size, interpolated between measured sizes. */
  #drawCurve(msOf: (point: Point) => number): Float64Array {
    const curve = new Float64Array(this.batchMax + 1);
    let before = { b: 0, ms: 0 };
    for (const point of this.#points) {
      const ms = Math.max(before.ms, msOf(point));
      for (let b = before.b + 1; b <= point.b; b++) curve[b] = before.b === 0 ? ms : between(before, { b: point.b, ms }, b);
      before = { b: point.b, ms };
    }
    return curve;
  }

  /** With sizes 1, 2 and 4, three rows are recorded as a sample of four: the time times S(4)/S(3) of the profile. */
  #targetOf(b: number): Target | undefined {
    const point = this.#points.find((candidate) => candidate.b >= b);
    if (b === 0 || point === undefined) return undefined;
    const hereMs = this.medianMs(b);
    return { point, factor: hereMs > 0 ? this.medianMs(point.b) / hereMs : 1 };
  }
}

function newPoint(b: number, samples: readonly number[]): Point {
  assert(b >= 1 && samples.length <= ringSize, `a batch size of ${b} with ${samples.length} samples`);
  const ring = new Float64Array(ringSize);
  ring.set(samples);
  const counts = { count: samples.length, next: samples.length % ringSize, lastObserved: 0, change: 1, observations: 0, unsorted: 0 };
  const measuredMs = samples.length === 0 ? 0 : medianOfAll(samples);
  const point = { b, measured: samples, measuredMs, ring, ...counts, sorted: new Float64Array(0) };
  sortPoint(point);
  return point;
}

function sortPoint(point: Point): void {
  point.sorted = point.ring.slice(0, point.count).sort();
  point.unsorted = 0;
}

function resetPoint(point: Point, change: number): void {
  point.ring.set(point.measured.map((ms) => ms * change));
  point.count = point.measured.length;
  point.next = point.count % ringSize;
  point.observations = 0;
  point.change = change;
  sortPoint(point);
}

/** The latest serving samples in the ring, newest first. */
function servedOf({ ring, observations, next }: Point): number[] {
  return Array.from({ length: Math.min(observations, ringSize) }, (_, i) => ring[(next - 1 - i + ringSize) % ringSize] as number);
}

function medianOfAll(samples: readonly number[]): number {
  return nearestRank(Float64Array.from(samples).sort(), 0.5);
}

function medianOf({ sorted }: Point): number {
  return sorted.length === 0 ? 0 : nearestRank(sorted, 0.5);
}

/**
 * The empirical quantile from 200 samples on, unless all of the latest runs are below it: those of this size, or relative to the profile
 * those of all sizes, but not below the median of this size. With fewer samples, the largest of the latest ones, or 1.2 times the median if
 * that is higher.
 */
function quantileOf(point: Point, q: number, recent: RecentRuns): number {
  const { sorted, measuredMs } = point;
  if (sorted.length === 0) return 0;
  const runs = Math.min(ringSize, Math.ceil(Math.log(outdatedError) / Math.log(q)));
  const ofAllSizes = measuredMs > 0 ? Math.max(recent.maxOf(runs) * measuredMs, medianOf(point)) : Number.POSITIVE_INFINITY;
  const latestMs = Math.min(latestMaxMs(point, runs), ofAllSizes);
  if (sorted.length >= samplesForQuantile) return Math.min(nearestRank(sorted, q), latestMs);
  return Math.max(latestMs, tailGuess * medianOf(point));
}

/** The largest of the latest `samples`, served or profiled. */
function latestMaxMs({ ring, count, next }: Point, samples: number): number {
  let most = 0;
  for (let i = 1; i <= Math.min(samples, count); i++) most = Math.max(most, ring[(next - i + ringSize) % ringSize] as number);
  return most;
}

/** Like `quantileOf`, but ignores the largest sample if there are few. */
function plannedOf(point: Point, q: number, recent: RecentRuns): number {
  return point.sorted.length >= samplesForQuantile ? quantileOf(point, q, recent) : tailGuess * medianOf(point);
}

function between(left: { b: number; ms: number }, right: { b: number; ms: number }, b: number): number {
  // Rounding can move the sum beyond or short of the right end, but the curve must not decrease, nor a larger quantile be smaller.
  if (b === right.b) return right.ms;
  return Math.min(right.ms, left.ms + ((right.ms - left.ms) * (b - left.b)) / (right.b - left.b));
}

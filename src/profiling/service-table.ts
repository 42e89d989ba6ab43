/**
 * S_q(b): how long a batch of b rows takes, as a quantile, kept current by what is measured while serving.
 *
 * Dispatch asks for each request and tells of each batch, so both are a few array accesses. Sorting is put off until
 * somebody asks and an eighth of a size's samples is new: a ring of 500 is sorted at most once in 62 batches.
 */
import assert from 'node:assert/strict';
import { busyText, nearestRank, type Profile, type ServicePoint, servicePoint } from './profile.ts';

/** From so many samples on, a quantile is what was seen; below, a tail is guessed. */
const samplesForQuantile = 200;
/** In parts of the median. */
const tailGuess = 1.2;
const ringSize = 500;

/** One measured batch size. */
interface Point {
  readonly b: number;
  /** The latest samples, in no order once it has wrapped. */
  readonly ring: Float64Array;
  count: number;
  next: number;
  /** Samples of batches that were served, not measured beforehand. */
  seen: number;
  /** Samples since `sorted` was made. */
  unsorted: number;
  sorted: Float64Array;
}

export interface KnownPoint extends ServicePoint {
  /** Of batches that were served; else measured beforehand. */
  readonly isServed: boolean;
}

/** Where a batch of b rows is written down: as a sample of the next measured size, scaled by what lies between. */
interface Target {
  readonly point: Point;
  readonly factor: number;
}

export class ServiceTable {
  /** No larger batch is dispatched; 1 while nothing is known, or where batching would be wrong. */
  readonly batchMax: number;
  /** From the wish for a worker to the answer of its first inference, as it was measured; null while nothing was. */
  readonly coldMs: number | null;
  /** Where it was measured beside others who had the processors: what that means; else null. */
  readonly busy: string | null;
  /** When; one that is derived from what was measured on another executor has the time of that. null while nothing was. */
  readonly measuredAtMs: number | null;
  readonly #points: readonly Point[];
  /** By b, from 1; index 0 is not used. */
  readonly #targets: readonly (Target | undefined)[];
  /** By quantile, then by b: S_q(b); q = 0 stands for the plain median. */
  readonly #curves = new Map<number, Float64Array>();
  /** The same for plans. */
  readonly #plannedCurves = new Map<number, Float64Array>();
  /** The curve asked for last, which most often is the one asked for next. */
  #lastQ = Number.NaN;
  #lastCurve: Float64Array = new Float64Array(0);
  #stale = false;

  /** Without a profile (not measured yet) it knows b = 1 only, and of that what it observes. */
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

  /** Whether there is any sample to predict from. Without one, every quantile is 0. */
  get isKnown(): boolean {
    return (this.#points[0] as Point).count > 0;
  }

  /**
   * Milliseconds within which the share q (0..1) of all batches of b rows is done. Never falls with b; linear between
   * measured sizes; a b beyond the largest counts as the largest.
   */
  quantileMs(q: number, b: number): number {
    // Asked several times for each request: the text is made only where it is needed.
    if (!(q > 0 && q < 1 && b >= 1)) assert.fail(`a quantile between 0 and 1 of a batch of 1 or more, got ${q} of ${b}`);
    return this.#curve(q)[Math.min(b, this.batchMax)] as number;
  }

  /**
   * S_q(b) for plans: where too few were seen to know the tail, it is guessed from the middle. The largest of few is the first run,
   * or one busy moment, and a plan that goes by it gives up a type that is well. Dispatch may be so cautious: it decides anew for
   * each request.
   */
  plannedMs(q: number, b: number): number {
    if (!(q > 0 && q < 1 && b >= 1)) assert.fail(`a quantile between 0 and 1 of a batch of 1 or more, got ${q} of ${b}`);
    if (this.#stale) this.#refresh();
    let curve = this.#plannedCurves.get(q);
    if (curve === undefined) {
      curve = this.#drawCurve((point) => plannedOf(point, q));
      this.#plannedCurves.set(q, curve);
    }
    return curve[Math.min(b, this.batchMax)] as number;
  }

  /** The middle of what was seen: what throughput is made of, without a margin for what was not. */
  medianMs(b: number): number {
    return this.#curve(0)[Math.min(b, this.batchMax)] as number;
  }

  /** A batch of b rows took so long, from dispatch to answer. */
  observe(b: number, ms: number): void {
    const target = this.#targets[b < this.batchMax ? b : this.batchMax] as Target;
    const { point } = target;
    point.ring[point.next] = ms * target.factor;
    point.next = point.next + 1 === ringSize ? 0 : point.next + 1;
    point.seen++;
    if (point.count < ringSize) point.count++;
    if (++point.unsorted >= point.count >> 3) this.#stale = true;
  }

  /** Batches that were served, those that were taken over included. */
  get served(): number {
    return this.#points.reduce((sum, { seen }) => sum + seen, 0);
  }

  /** What is known of each size now: of one that was served so often, the latest of these alone; of others what was measured. */
  points(servedLeast: number): KnownPoint[] {
    return this.#points
      .filter(({ count }) => count > 0)
      .map((point) => {
        const isServed = point.seen >= servedLeast;
        return { ...servicePoint(point.b, isServed ? servedOf(point) : [...point.sorted], 0), isServed };
      });
  }

  /**
   * Takes over what another table of the same executor saw while it served, of sizes that it served so often: how long batches take
   * beside all else that runs is not known better by measuring them alone once more.
   */
  takeServed(before: ServiceTable, servedLeast: number): void {
    for (const point of this.#points) {
      const earlier = before.#points.find(({ b }) => b === point.b);
      if (earlier === undefined || earlier.seen < servedLeast) continue;
      for (const ms of servedOf(earlier).toReversed()) this.observe(point.b, ms);
      point.seen = earlier.seen;
    }
  }

  #curve(q: number): Float64Array {
    if (this.#stale) this.#refresh();
    if (q === this.#lastQ) return this.#lastCurve;
    let curve = this.#curves.get(q);
    if (curve === undefined) {
      curve = this.#drawCurve((point) => (q === 0 ? medianOf(point) : quantileOf(point, q)));
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

  /** At each b up to the largest, from what the measured sizes take. */
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

  /** Three rows tell about four: their time times S(4)/S(3), in the proportion that the profile found. */
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
  const point = { b, ring, count: samples.length, next: samples.length % ringSize, seen: 0, unsorted: 0, sorted: new Float64Array(0) };
  sortPoint(point);
  return point;
}

function sortPoint(point: Point): void {
  point.sorted = point.ring.slice(0, point.count).sort();
  point.unsorted = 0;
}

/** The latest samples that were served, as many as the ring holds. */
function servedOf({ ring, seen, next }: Point): number[] {
  return Array.from({ length: Math.min(seen, ringSize) }, (_, i) => ring[(next - 1 - i + ringSize) % ringSize] as number);
}

function medianOf({ sorted }: Point): number {
  return sorted.length === 0 ? 0 : nearestRank(sorted, 0.5);
}

/** Empirical from 200 samples on; with fewer, the largest seen, at least 1.2 times the median. */
function quantileOf(point: Point, q: number): number {
  const { sorted } = point;
  if (sorted.length === 0) return 0;
  if (sorted.length >= samplesForQuantile) return nearestRank(sorted, q);
  return Math.max(sorted[sorted.length - 1] as number, tailGuess * medianOf(point));
}

/** The same without the largest. */
function plannedOf(point: Point, q: number): number {
  return point.sorted.length >= samplesForQuantile ? quantileOf(point, q) : tailGuess * medianOf(point);
}

function between(left: { b: number; ms: number }, right: { b: number; ms: number }, b: number): number {
  // Rounding may lift the sum above the end, and the curve must not fall there.
  return Math.min(right.ms, left.ms + ((right.ms - left.ms) * (b - left.b)) / (right.b - left.b));
}

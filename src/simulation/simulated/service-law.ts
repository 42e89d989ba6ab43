/** Service times of simulated batches. Runs are drawn from a profile; dispatch and planners use the same profile. */
import { type Profile, type ServiceCurve, ServiceTable } from '../../profiling/index.ts';
import type { Random } from '../../random.ts';

/** Quantiles of the service time of batches of b rows. */
export interface ServiceQuantiles {
  readonly b: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Observed quantiles in steps of 0.05, from the minimum to the maximum. */
  readonly quantilesMs?: readonly number[];
}

/** Length of `quantilesMs`, including minimum and maximum. */
export const quantileCount = 21;

/** Jitter j of s(b) (1 + j (u - 1/2)), with u uniform in [0, 1): varies runs of one batch size in addition to the quantiles. */
const jitterDefault = 0.05;
const tableSamples = 200;

/** A table that does not learn: the profile is complete, and simulated runs must not change it. */
class FixedServiceTable extends ServiceTable {
  override observe(): void {}
}

/** Quantile levels of a profile with three quantiles. Times are linear between them and constant outside. */
const knotsOfThree = [0.5, 0.95, 0.99] as const;
const quantileKnots = [...Array.from({ length: quantileCount - 1 }, (_, i) => i / (quantileCount - 1)), 0.99, 1];

/** A draw interpolates between the measured quantiles of its batch size. */
export class SimulatedServiceLaw {
  readonly batchMax: number;
  /** Profile for choosing memory and batch size. */
  readonly profile: Profile;
  /** Table for dispatch and planners. */
  readonly table: ServiceTable;
  readonly #jitter: number;
  readonly #knots: readonly number[];
  /** Service times by quantile, then by batch size from 1. */
  readonly #curves: readonly Float64Array[];

  /** `points` ascend in b, and the first b is 1. Times are linear in between. Observed times vary already and get no jitter. */
  constructor(points: readonly ServiceQuantiles[], jitter?: number) {
    const isSeen = points.some(({ quantilesMs }) => quantilesMs !== undefined);
    this.batchMax = (points.at(-1) as ServiceQuantiles).b;
    this.#jitter = jitter ?? (isSeen ? 0 : jitterDefault);
    this.#knots = isSeen ? quantileKnots : knotsOfThree;
    this.#curves = this.#knots.map((knot) => curveOf(points, (point) => knotMs(point, knot)));
    this.profile = this.#profile();
    this.table = new FixedServiceTable(this.profile);
  }

  /** Draws the duration of a run of this many rows, in milliseconds. */
  drawMs(random: Random, rows: number): number {
    const u = random.next();
    return this.#quantileMs(u, Math.min(rows, this.batchMax)) * (1 + this.#jitter * (u - 0.5));
  }

  #quantileMs(u: number, b: number): number {
    return interpolated(this.#knots, (i) => (this.#curves[i] as Float64Array)[b] as number, u);
  }

  #profile(): Profile {
    const service = Array.from({ length: this.batchMax }, (_, i) => {
      const samples = Array.from({ length: tableSamples }, (_none, k) => this.#quantileMs((k + 0.5) / tableSamples, i + 1));
      const [p50Ms, p95Ms, p99Ms] = knotsOfThree.map((q) => this.#quantileMs(q, i + 1)) as [number, number, number];
      return { b: i + 1, p50Ms, p95Ms, p99Ms, samples, rssMiB: 0 };
    });
    return { executor: 'simulated', service, measuredAtMs: 0, loadMs: 0, batchMax: this.batchMax, notes: [] };
  }
}

function interpolated(knots: readonly number[], msAt: (knot: number) => number, u: number): number {
  let above = 0;
  while (above < knots.length && (knots[above] as number) < u) above++;
  if (above === 0) return msAt(0);
  if (above === knots.length) return msAt(above - 1);
  const [low, high] = [msAt(above - 1), msAt(above)];
  const [from, to] = [knots[above - 1] as number, knots[above] as number];
  return low + ((high - low) * (u - from)) / (to - from);
}

/** Service time at the quantile level `knot` (0..1) for this batch size. */
function knotMs({ p50Ms, p95Ms, p99Ms, quantilesMs }: ServiceQuantiles, knot: number): number {
  const three = [p50Ms, p95Ms, p99Ms];
  if (quantilesMs === undefined) return interpolated(knotsOfThree, (i) => three[i] as number, knot);
  return knot === 0.99 ? p99Ms : (quantilesMs[Math.round(knot * (quantileCount - 1))] as number);
}

/** Converts a deterministic curve to points whose quantiles are all equal. */
export function pointsOf(curve: ServiceCurve): ServiceQuantiles[] {
  return Array.from({ length: curve.batchMax }, (_, i) => {
    const ms = curve.medianMs(i + 1);
    return { b: i + 1, p50Ms: ms, p95Ms: ms, p99Ms: ms };
  });
}

function curveOf(points: readonly ServiceQuantiles[], msOf: (point: ServiceQuantiles) => number): Float64Array {
  const curve = new Float64Array((points.at(-1) as ServiceQuantiles).b + 1);
  let before = points[0] as ServiceQuantiles;
  for (const point of points) {
    for (let b = before.b; b <= point.b; b++) {
      const share = point.b === before.b ? 1 : (b - before.b) / (point.b - before.b);
      curve[b] = msOf(before) + share * (msOf(point) - msOf(before));
    }
    before = point;
  }
  return curve;
}

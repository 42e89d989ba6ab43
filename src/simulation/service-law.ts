/** How long a simulated batch takes: drawn from what a profile says, and known to dispatch as the profile says it. */
import { type Profile, type ServiceCurve, ServiceTable } from '../profiling/index.ts';
import type { Random } from '../random.ts';

/** The service time of batches of b rows by three of its quantiles, or by more. */
export interface ServiceQuantiles {
  readonly b: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** As it was seen: the least, then what each further twentieth of the runs did not exceed, up to the most. */
  readonly quantilesMs?: readonly number[];
}

/** Of those twentieths there are so many, both ends included. */
export const quantilesSeen = 21;

/** s(b) (1 + 0.05 (u - 1/2)), u uniform in [0, 1): by so much runs of one batch size differ whatever the quantiles say. */
const jitterDefault = 0.05;
const tableSamples = 200;

/** Simulated runs do not teach dispatch: what the profile says is all there is to know. */
class GivenTable extends ServiceTable {
  override observe(): void {}
}

/** Shares of the runs whose times are known; in between they are linear, below the first and beyond the last flat. */
const knotsOfThree = [0.5, 0.95, 0.99] as const;
const knotsSeen = [...Array.from({ length: quantilesSeen - 1 }, (_, i) => i / (quantilesSeen - 1)), 0.99, 1];

export class ServiceLaw {
  readonly batchMax: number;
  /** As choices see it. */
  readonly profile: Profile;
  /** As dispatch and planners see it. */
  readonly table: ServiceTable;
  readonly #jitter: number;
  readonly #knots: readonly number[];
  /** By knot, then by b, from 1. */
  readonly #curves: readonly Float64Array[];

  /** `points` rise in b, the first b is 1; between them times are linear. What was seen varies by itself and gets no jitter. */
  constructor(points: readonly ServiceQuantiles[], jitter?: number) {
    const isSeen = points.some(({ quantilesMs }) => quantilesMs !== undefined);
    this.batchMax = (points.at(-1) as ServiceQuantiles).b;
    this.#jitter = jitter ?? (isSeen ? 0 : jitterDefault);
    this.#knots = isSeen ? knotsSeen : knotsOfThree;
    this.#curves = this.#knots.map((knot) => curveOf(points, (point) => knotMs(point, knot)));
    this.profile = this.#profile();
    this.table = new GivenTable(this.profile);
  }

  /** One run of so many rows, in milliseconds. */
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

/** What the share `knot` of the runs of this size did not exceed. */
function knotMs({ p50Ms, p95Ms, p99Ms, quantilesMs }: ServiceQuantiles, knot: number): number {
  const three = [p50Ms, p95Ms, p99Ms];
  if (quantilesMs === undefined) return interpolated(knotsOfThree, (i) => three[i] as number, knot);
  return knot === 0.99 ? p99Ms : (quantilesMs[Math.round(knot * (quantilesSeen - 1))] as number);
}

/** The points of a curve that is the same at every quantile. */
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

/** How long a simulated batch takes: drawn from what a profile says, and known to dispatch as the profile says it. */
import { type Profile, type ServiceCurve, ServiceTable } from '../profiling/index.ts';
import type { Random } from '../random.ts';

/** The service time of batches of b rows by three of its quantiles. */
export interface ServiceQuantiles {
  readonly b: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** s(b) (1 + 0.05 (u - 1/2)), u uniform in [0, 1): by so much runs of one batch size differ whatever the quantiles say. */
const jitterDefault = 0.05;
const tableSamples = 200;

/** Simulated runs do not teach dispatch: what the profile says is all there is to know. */
class GivenTable extends ServiceTable {
  override observe(): void {}
}

export class ServiceLaw {
  readonly batchMax: number;
  /** As choices see it. */
  readonly profile: Profile;
  /** As dispatch and planners see it. */
  readonly table: ServiceTable;
  readonly #jitter: number;
  /** By b, from 1: the three quantiles. */
  readonly #ms: readonly Float64Array[];

  /** `points` rise in b, the first b is 1; between them times are linear. */
  constructor(points: readonly ServiceQuantiles[], jitter: number = jitterDefault) {
    this.batchMax = (points.at(-1) as ServiceQuantiles).b;
    this.#jitter = jitter;
    const curves = (['p50Ms', 'p95Ms', 'p99Ms'] as const).map((name) => curveOf(points, name));
    this.#ms = [0.5, 0.95, 0.99].map((_, i) => curves[i] as Float64Array);
    this.profile = this.#profile();
    this.table = new GivenTable(this.profile);
  }

  /** One run of so many rows, in milliseconds. */
  drawMs(random: Random, rows: number): number {
    const u = random.next();
    return this.#quantileMs(u, Math.min(rows, this.batchMax)) * (1 + this.#jitter * (u - 0.5));
  }

  /** Linear between the quantiles; flat below the median and beyond p99, of which nothing is known. */
  #quantileMs(u: number, b: number): number {
    const [p50, p95, p99] = this.#ms as [Float64Array, Float64Array, Float64Array];
    const middle = p50[b] as number;
    if (u <= 0.5) return middle;
    const high = p95[b] as number;
    if (u <= 0.95) return middle + ((high - middle) * (u - 0.5)) / 0.45;
    return high + (((p99[b] as number) - high) * (Math.min(u, 0.99) - 0.95)) / 0.04;
  }

  #profile(): Profile {
    const service = Array.from({ length: this.batchMax }, (_, i) => {
      const samples = Array.from({ length: tableSamples }, (_none, k) => this.#quantileMs((k + 0.5) / tableSamples, i + 1));
      const [p50Ms, p95Ms, p99Ms] = this.#ms.map((curve) => curve[i + 1]) as [number, number, number];
      return { b: i + 1, p50Ms, p95Ms, p99Ms, samples, rssMiB: 0 };
    });
    return { executor: 'simulated', service, measuredAtMs: 0, loadMs: 0, batchMax: this.batchMax, notes: [] };
  }
}

/** The points of a curve that is the same at every quantile. */
export function pointsOf(curve: ServiceCurve): ServiceQuantiles[] {
  return Array.from({ length: curve.batchMax }, (_, i) => {
    const ms = curve.medianMs(i + 1);
    return { b: i + 1, p50Ms: ms, p95Ms: ms, p99Ms: ms };
  });
}

function curveOf(points: readonly ServiceQuantiles[], name: 'p50Ms' | 'p95Ms' | 'p99Ms'): Float64Array {
  const curve = new Float64Array((points.at(-1) as ServiceQuantiles).b + 1);
  let before = points[0] as ServiceQuantiles;
  for (const point of points) {
    for (let b = before.b; b <= point.b; b++) {
      const share = point.b === before.b ? 1 : (b - before.b) / (point.b - before.b);
      curve[b] = before[name] + share * (point[name] - before[name]);
    }
    before = point;
  }
  return curve;
}

/** Jobs as their callers see them: their state, what they printed, and the metrics that they reported. */
import { PlatformError } from '../errors.ts';
import type { LogGroups } from '../logs/index.ts';
import type { MetricStore } from '../metrics/index.ts';
import { thinned } from './attempts/output-metrics.ts';
import type { RunDeps } from './attempts/run-deps.ts';
import { jobKindOf, jobLogGroup, jobNameOf } from './job-kind.ts';
import type { StoredTraining, TrainingProgress } from './rows.ts';
import type { TrainingSpec } from './spec.ts';
import { instanceMs, isOver, wholeSeconds } from './status.ts';
import {
  type TrainingJob,
  type TrainingJobFilter,
  type TrainingMetricValue,
  type TrainingOutputPage,
  trainingLogStream,
  trainingMetricsNamespace,
} from './training-job.ts';

export interface JobReaderDeps extends Pick<RunDeps, 'rows' | 'clock' | 'metrics' | 'instanceOf'> {
  readonly logGroups: LogGroups;
  readonly series: MetricStore;
}

const metricPointsMax = 10_000;
const minuteMs = 60_000;
const reportsMax = 100_000;

export class JobReader {
  readonly #deps: JobReaderDeps;

  constructor(deps: JobReaderDeps) {
    this.#deps = deps;
  }

  async find(name: string): Promise<TrainingJob | null> {
    const stored = await this.#deps.rows.find(name);
    return stored === null ? null : this.viewOf(stored);
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<TrainingJob> {
    return this.viewOf(await this.stored(name));
  }

  async list(filter: TrainingJobFilter): Promise<readonly TrainingJob[]> {
    return (await this.#deps.rows.list(filter)).map((stored) => this.viewOf(stored));
  }

  /** A page of the job's log, from its beginning or after a cursor. Empty while the job has printed nothing. Throws `not_found`. */
  async output(
    name: string,
    { after = null, limit }: { readonly after?: string | null; readonly limit: number },
  ): Promise<TrainingOutputPage> {
    const job = await this.get(name);
    const { logGroups } = this.#deps;
    const group = jobLogGroup(job.spec.name);
    if (!logGroups.has(group)) return { lines: [], next: after };
    const page = await logGroups.read(group, {
      streams: new Set([trainingLogStream(job)]),
      fromMs: 0,
      toMs: Number.POSITIVE_INFINITY,
      from: 'head',
      cursor: after,
      limit,
      matches: () => true,
    });
    return { lines: page.events.map(({ atMs, message }) => ({ atMs, text: message })), next: page.after };
  }

  /** The values over time, thinned so that all metrics together stay below a limit. Throws `not_found`. */
  async metrics(name: string): Promise<readonly TrainingMetricValue[]> {
    const stored = await this.stored(name);
    const { spec } = stored;
    const values: TrainingMetricValue[] = [];
    for (const metric of spec.metrics) {
      const points = await this.#points(stored, metric.name);
      const shown = thinned(points, Math.floor(metricPointsMax / spec.metrics.length));
      values.push(...shown.map(({ atMs, count, sum }) => ({ name: metric.name, value: sum / count, atMs })));
    }
    return values.toSorted((a, b) => a.atMs - b.atMs);
  }

  /** All values of a metric in their order; empty if there is no such job. */
  async reports(name: string, metric: string): Promise<readonly number[]> {
    const stored = await this.#deps.rows.find(name);
    if (stored === null) return [];
    const values: number[] = [];
    for (const { count, sum } of await this.#points(stored, metric)) {
      const more = Math.min(count, reportsMax - values.length);
      for (let i = 0; i < more; i++) values.push(sum / count);
    }
    return values;
  }

  async #points({ spec, progress, createdAtMs }: StoredTraining, metric: string) {
    const { series, clock } = this.#deps;
    const metricKey = { namespace: trainingMetricsNamespace, dimensions: { TrainingJobName: spec.name } };
    const toMs = (progress.endedAtMs ?? clock.wallMs()) + minuteMs;
    const span = { metricKey, name: metric, fromMs: createdAtMs, toMs, periodMs: periodFor(toMs - createdAtMs) };
    return (await series.series(span)).filter(({ count }) => count > 0);
  }

  /** Throws `not_found`. */
  async stored(name: string): Promise<StoredTraining> {
    const stored = await this.#deps.rows.find(name);
    if (stored !== null) return stored;
    throw new PlatformError('not_found', `there is no ${jobKindOf(name)} job '${jobNameOf(name).slice(0, 80)}'`);
  }

  viewOf({ spec, progress, version, createdAtMs, updatedAtMs, document, createdBy }: StoredTraining): TrainingJob {
    const { status, secondaryStatus, transitions, attempt, startedAtMs, endedAtMs, failureReason, artifactUri, notes, data } = progress;
    const live = this.#deps.metrics.last(spec.name);
    const names = new Set(live.map(({ name }) => name));
    const metrics = isOver(status) ? progress.metrics : [...progress.metrics.filter(({ name }) => !names.has(name)), ...live];
    const { host: away = null, machine: host = away, placedBecause = null } = progress;
    const life = { status, secondaryStatus, transitions, attempt, host, placedBecause, startedAtMs, endedAtMs };
    const reason = status === 'Failed' ? failureReason : null;
    const exitMessage = progress.exitMessage ?? null;
    const rest = { exitMessage, metrics, artifactUri, version, notes, data, document, createdBy, usage: this.#usageOf(spec, progress) };
    return { spec, ...life, failureReason: reason, createdAtMs, updatedAtMs, ...rest };
  }

  #usageOf(spec: TrainingSpec, progress: TrainingProgress): TrainingJob['usage'] {
    if (progress.usage !== null || progress.startedAtMs === null) return progress.usage;
    const ms = instanceMs(progress, this.#deps.clock.wallMs());
    const seconds = wholeSeconds(ms);
    const { usdPerHour } = this.#deps.instanceOf(spec);
    return { seconds, billableSeconds: seconds, usd: (usdPerHour * ms) / 3_600_000, peakMiB: null };
  }
}

/** Periods as the metric store retains them: seconds for an hour, then ten seconds for a day, then minutes. */
function periodFor(spanMs: number): number {
  if (spanMs <= 3_600_000) return 1000;
  return spanMs <= 86_400_000 ? 10_000 : minuteMs;
}

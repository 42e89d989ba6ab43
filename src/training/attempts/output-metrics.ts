/** Reads metrics from the output of jobs, in a separate thread: patterns and lines are untrusted. */
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { Measure, type MetricStore } from '../../metrics/index.ts';
import type { TaskLine } from '../../providers/index.ts';
import type { Threads } from '../../threads/index.ts';
import type { TrainingSpec } from '../spec.ts';
import { type TrainingMetricValue, trainingMetricsNamespace } from '../training-job.ts';
import { matchMetricsTask } from './match-metrics.ts';

/** The thread, and where metrics go. */
export interface OutputMetricsDeps {
  readonly threads: Threads;
  readonly series: Pick<MetricStore, 'put'>;
  readonly log: Log;
}

interface JobMetrics {
  readonly last: Map<string, TrainingMetricValue>;
  /** Blocks are matched one after another. */
  reading: Promise<void>;
}

/** Plenty for lines that people read; later work waits no longer than this. */
const work = { name: 'matching metrics', hint: 'print shorter lines, or give fewer metrics', timeMaxMs: 10_000 };

/** Lines of a job are matched in order, a batch at a time. */
export class OutputMetrics {
  readonly #deps: OutputMetricsDeps;
  readonly #jobs = new Map<string, JobMetrics>();

  constructor(deps: OutputMetricsDeps) {
    this.#deps = deps;
  }

  /**
   * Begins to match lines, and resolves when all earlier ones are matched: a job can print faster than patterns are matched, and waiting lines
   * would fill the memory. `isAgain`: an earlier server has read these lines, so only their last values matter. Never throws.
   */
  async read(spec: TrainingSpec, lines: readonly TaskLine[], isAgain = false): Promise<void> {
    if (spec.metrics.length === 0) return;
    const own = lines.filter(({ from }) => from !== 'task').map(({ at, line }) => ({ atMs: at, line }));
    const job = this.#jobs.get(spec.name) ?? { last: new Map<string, TrainingMetricValue>(), reading: Promise.resolve() };
    this.#jobs.set(spec.name, job);
    const before = job.reading;
    job.reading = before.then(() => this.#match(spec, job, own, isAgain)).catch((error: unknown) => this.#warn(spec, error));
    await before;
  }

  /** Resolves once all lines so far are matched. */
  async settled(name: string): Promise<void> {
    await this.#jobs.get(name)?.reading;
  }

  /** The last value of each metric in the lines that were read. */
  last(name: string): readonly TrainingMetricValue[] {
    return [...(this.#jobs.get(name)?.last.values() ?? [])];
  }

  forget(name: string): void {
    this.#jobs.delete(name);
  }

  async #match(
    spec: TrainingSpec,
    { last }: JobMetrics,
    lines: readonly { atMs: number; line: string }[],
    isAgain: boolean,
  ): Promise<void> {
    const bytes = lines.reduce((sum, { line }) => sum + line.length, 0);
    const values = await this.#deps.threads.run(matchMetricsTask, { metrics: spec.metrics, lines }, { bytes, work, lane: 'background' });
    const metricKey = { namespace: trainingMetricsNamespace, dimensions: { TrainingJobName: spec.name } };
    for (const value of values) {
      last.set(value.name, value);
      if (isAgain) continue;
      const measure = new Measure();
      measure.add(value.value);
      this.#deps.series.put(metricKey, { name: value.name, unit: 'None' }, value.atMs, measure);
    }
  }

  #warn({ name }: TrainingSpec, error: unknown): void {
    this.#deps.log.warn({ job: name, error: messageOf(error) }, 'failed to read the metrics of a training job');
  }
}

/** At most `most` evenly spaced points, always including the last one. */
export function thinned<Point>(points: readonly Point[], most: number): readonly Point[] {
  const step = Math.ceil(points.length / most);
  return step <= 1 ? points : points.filter((_, at) => (points.length - 1 - at) % step === 0);
}

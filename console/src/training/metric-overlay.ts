/** Overlays the metrics of several jobs, as if all had started together. Pure functions. */
import type { TrainingMetricBody } from '../../../src/api/index.ts';
import type { ChartColumn } from '../kit/charts/chart-data.ts';

export interface MetricRun {
  readonly job: string;
  /** Epoch milliseconds at which training began. */
  readonly startedMs: number;
  readonly values: readonly TrainingMetricBody[];
}

export interface MetricOverlay {
  /** Epoch seconds, as if every job had started with the first one. */
  readonly at: readonly number[];
  /** One column for each run, in their order. */
  readonly columns: readonly ChartColumn[];
}

interface Point {
  readonly at: number;
  readonly value: number;
}

/** The values of one metric. Between two values of a run, a point of another run shows what a line would. */
export function overlayOf(name: string, runs: readonly MetricRun[]): MetricOverlay {
  const beganMs = runs[0]?.startedMs ?? 0;
  const series = runs.map(({ startedMs, values }) =>
    values
      .filter((each) => each.name === name)
      .map(({ at, value }): Point => ({ at: (Date.parse(at) - startedMs + beganMs) / 1000, value }))
      .toSorted((a, b) => a.at - b.at),
  );
  const at = [...new Set(series.flatMap((points) => points.map((point) => point.at)))].toSorted((a, b) => a - b);
  return { at, columns: series.map((points) => interpolated(points, at)) };
}

/** Null before the first and after the last point. Both lists ascend. */
function interpolated(points: readonly Point[], at: readonly number[]): ChartColumn {
  let next = 0;
  return at.map((time) => {
    while (next < points.length && (points[next] as Point).at < time) next++;
    const [before, after] = [points[next - 1], points[next]];
    if (after === undefined) return null;
    if (after.at === time) return after.value;
    if (before === undefined) return null;
    return before.value + ((time - before.at) / (after.at - before.at)) * (after.value - before.value);
  });
}

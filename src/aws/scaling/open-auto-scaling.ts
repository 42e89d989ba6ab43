/** Opens Application Auto Scaling on what serving measures. */
import type { Closers } from '../../closers.ts';
import { Measure, type MetricStore } from '../../metrics/index.ts';
import type { Serving } from '../../serving/index.ts';
import { ApplicationAutoScaling, type ApplicationAutoScalingOptions } from './scaling-service.ts';

export interface AutoScalingDeps extends Omit<ApplicationAutoScalingOptions, 'busyOf' | 'measure'> {
  readonly serving: Pick<Serving, 'endpoint'>;
  readonly series: Pick<MetricStore, 'series'>;
}

/** Opens the service and its loop, which `closers` closes. */
export function openAutoScaling({ serving, series, ...deps }: AutoScalingDeps, closers: Closers): ApplicationAutoScaling {
  const busyOf = (endpoint: string, variant: string): number | null =>
    serving.endpoint(endpoint)?.variants.find(({ name }) => name === variant)?.functions?.environments.busy ?? null;
  const autoScaling = new ApplicationAutoScaling({ ...deps, busyOf, measure: measuredBy(series) });
  autoScaling.open();
  return closers.add(autoScaling);
}

/** Window and resolution of the metric of a scaling policy. Only complete steps are read. */
const measuredMs = 60_000;
const stepMs = 10_000;

/** Reads a metric over the last complete minute. */
function measuredBy(series: Pick<MetricStore, 'series'>): ApplicationAutoScalingOptions['measure'] {
  return async ({ namespace, name, dimensions, statistic }, untilMs) => {
    const toMs = untilMs - (untilMs % stepMs);
    const query = { metricKey: { namespace, dimensions }, name, fromMs: toMs - measuredMs, toMs, periodMs: stepMs };
    const all = new Measure();
    for (const point of await series.series(query)) all.merge(point);
    if (all.count === 0) return null;
    switch (statistic) {
      case 'Average':
        return all.sum / all.count;
      case 'Sum':
        return all.sum;
      case 'SampleCount':
        return all.count;
      case 'Minimum':
        return all.min;
      case 'Maximum':
        return all.max;
    }
  };
}

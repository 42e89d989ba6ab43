/** What Prometheus sees besides the requests themselves. */
import type { MetricStore, Metrics } from '../monitoring/index.ts';
import { budgetOf } from '../objective.ts';
import type { LocalProvider } from '../providers/index.ts';
import type { Serving } from '../serving/index.ts';

export function meter(
  metrics: Metrics,
  serving: Serving,
  provider: Pick<LocalProvider, 'list'>,
  series: Pick<MetricStore, 'dropped'>,
): void {
  const ofVariant = ['endpoint', 'variant'];
  const variants = () =>
    serving.endpoints().flatMap(({ name, variants: all }) => all.map((each) => ({ labels: { endpoint: name, variant: each.name }, each })));
  metrics.gauge('penstock_queue_rows', 'Rows that wait for an executor.', ofVariant, () =>
    variants().map(({ labels, each }) => ({ labels, value: each.rowsWaiting })),
  );
  metrics.gauge('penstock_objective_budget', 'The share of answers that may be late by the objective: 0.05 of p95.', ofVariant, () =>
    serving.endpoints().flatMap(({ name, objective, variants: all }) => {
      if (objective === null) return [];
      return all.map((each) => ({ labels: { endpoint: name, variant: each.name }, value: budgetOf(objective) }));
    }),
  );
  metrics.gauge('penstock_executors', 'Executors by what they do.', [...ofVariant, 'state'], () =>
    variants().flatMap(({ labels, each }) =>
      [true, false].map((busy) => ({
        labels: { ...labels, state: busy ? 'busy' : 'idle' },
        value: each.executors.filter(({ isBusy }) => isBusy === busy).length,
      })),
    ),
  );
  metrics.gauge('penstock_function_environments', 'Function environments by what they do.', [...ofVariant, 'state'], () =>
    variants().flatMap(({ labels, each: { functions } }) =>
      Object.entries(functions?.environments ?? {}).map(([state, value]) => ({ labels: { ...labels, state }, value })),
    ),
  );
  metrics.gauge('penstock_worker_rss_bytes', 'Memory of a worker process.', ['worker'], () =>
    provider.list().flatMap(({ spec, rssBytes }) => (rssBytes === null ? [] : [{ labels: { worker: spec.id }, value: rssBytes }])),
  );
  metrics.counter('penstock_worker_cpu_seconds_total', 'Time on processors that the present process of a worker has had.', ['worker'], () =>
    provider.list().flatMap(({ spec, cpuMs }) => {
      const ms = cpuMs?.() ?? null;
      return ms === null ? [] : [{ labels: { worker: spec.id }, value: ms / 1000 }];
    }),
  );
  metrics.gauge('penstock_overflow_share', 'Of the requests answered, the share that functions answered beside instances.', ofVariant, () =>
    variants().flatMap(({ labels, each: { overflow } }) => (overflow === null ? [] : [{ labels, value: overflow.share }])),
  );
  metrics.counter('penstock_metric_values_dropped_total', 'Values that were not kept: too many names, or no disk to write to.', [], () => [
    { labels: {}, value: series.dropped },
  ]);
  metrics.counter('penstock_worker_restarts_total', 'How often a worker was started anew.', ['worker'], () =>
    provider.list().map(({ spec, restarts }) => ({ labels: { worker: spec.id }, value: restarts })),
  );
}

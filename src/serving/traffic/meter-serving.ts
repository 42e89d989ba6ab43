/** Metrics of queues, executors and workers, computed when Prometheus scrapes them. */

import type { Foundation } from '../../foundation/index.ts';
import type { Metrics } from '../../metrics/index.ts';
import { budgetOf } from '../../objective.ts';
import type { LocalProvider } from '../../providers/index.ts';
import { type Serving } from '../serving.ts';

/** Registers gauges with the Prometheus page. They are read at each scrape and cost nothing between scrapes. */
export function meterServing(
  metrics: Metrics,
  serving: Serving,
  provider: Pick<LocalProvider, 'list' | 'forkServers' | 'onPythonStart'>,
  { dropped, metricBudget }: Pick<Foundation, 'dropped' | 'metricBudget'>,
): void {
  const ofVariant = ['endpoint', 'variant'];
  const variants = () =>
    serving.endpoints().flatMap(({ name, variants: all }) => all.map((each) => ({ labels: { endpoint: name, variant: each.name }, each })));
  metrics.gauge('penstock_queue_rows', 'Rows queued for an executor.', ofVariant, () =>
    variants().map(({ labels, each }) => ({ labels, value: each.rowsWaiting })),
  );
  metrics.gauge('penstock_objective_budget', 'Allowed share of late responses: 0.05 for p95.', ofVariant, () =>
    serving.endpoints().flatMap(({ name, objective, variants: all }) => {
      if (objective === null) return [];
      return all.map((each) => ({ labels: { endpoint: name, variant: each.name }, value: budgetOf(objective) }));
    }),
  );
  metrics.gauge('penstock_executors', 'Executors by state.', [...ofVariant, 'state'], () =>
    variants().flatMap(({ labels, each }) =>
      [true, false].map((busy) => ({
        labels: { ...labels, state: busy ? 'busy' : 'idle' },
        value: each.executors.filter(({ isBusy }) => isBusy === busy).length,
      })),
    ),
  );
  metrics.gauge('penstock_function_environments', 'Function environments by state.', [...ofVariant, 'state'], () =>
    variants().flatMap(({ labels, each: { functions } }) =>
      Object.entries(functions?.environments ?? {}).map(([state, value]) => ({ labels: { ...labels, state }, value })),
    ),
  );
  metrics.gauge('penstock_worker_rss_bytes', 'Memory of a worker process.', ['worker'], () =>
    provider.list().flatMap(({ spec, rssBytes }) => (rssBytes === null ? [] : [{ labels: { worker: spec.id }, value: rssBytes }])),
  );
  provider.onPythonStart((how, seconds) => metrics.pythonStarted(how, seconds));
  metrics.gauge('penstock_fork_server_memory_bytes', 'Memory of a fork server of Python workers.', ['interpreter', 'threads'], () =>
    provider.forkServers().flatMap(({ interpreter, threads, rssBytes }) => {
      const labels = { interpreter, threads: String(threads) };
      return rssBytes === null ? [] : [{ labels, value: rssBytes }];
    }),
  );
  metrics.counter('penstock_worker_cpu_seconds_total', 'Processor time of the current process of a worker.', ['worker'], () =>
    provider.list().flatMap(({ spec, cpuMs }) => {
      const ms = cpuMs?.() ?? null;
      return ms === null ? [] : [{ labels: { worker: spec.id }, value: ms / 1000 }];
    }),
  );
  metrics.gauge('penstock_overflow_share', 'Share of answered requests that functions answered in addition to instances.', ofVariant, () =>
    variants().flatMap(({ labels, each: { overflow } }) => (overflow === null ? [] : [{ labels, value: overflow.share }])),
  );
  const help = 'Values, lines and traces dropped: too many names, rate limits, or an unavailable disk or collector.';
  metrics.counter('penstock_dropped_total', help, ['what'], () =>
    Object.entries(dropped()).map(([what, value]) => ({ labels: { what }, value })),
  );
  metrics.gauge('penstock_metrics_file_bytes', 'Size of metrics.db: used, and free for reuse.', ['state'], () => {
    if (metricBudget === null) return [];
    const { usedBytes, freeBytes } = metricBudget.size;
    return Object.entries({ used: usedBytes, free: freeBytes }).map(([state, value]) => ({ labels: { state }, value }));
  });
  metrics.counter('penstock_worker_restarts_total', 'Worker restarts.', ['worker'], () =>
    provider.list().map(({ spec, restarts }) => ({ labels: { worker: spec.id }, value: restarts })),
  );
}

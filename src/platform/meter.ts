/** What Prometheus sees besides the requests themselves. */
import type { WatchedBacklog } from '../async-inference/index.ts';
import type { BodyBudget } from '../http/index.ts';
import type { AlarmState, Alarms, Deliveries, DriftWatch, Metrics } from '../monitoring/index.ts';
import { budgetOf } from '../objective.ts';
import type { LocalProvider } from '../providers/index.ts';
import type { Serving } from '../serving/index.ts';
import type { Ground } from './ground.ts';

export function meter(
  metrics: Metrics,
  serving: Serving,
  provider: Pick<LocalProvider, 'list'>,
  { dropped, metricBudget }: Pick<Ground, 'dropped' | 'metricBudget'>,
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
  const lost = 'Values, lines and traces that were not kept: too many names, too many at once, or no disk or collector to take them.';
  metrics.counter('penstock_dropped_total', lost, ['what'], () =>
    Object.entries(dropped()).map(([what, value]) => ({ labels: { what }, value })),
  );
  metrics.gauge(
    'penstock_metrics_file_bytes',
    'Size of metrics.db: what is used, and what is free in it to be written to.',
    ['state'],
    () => {
      if (metricBudget === null) return [];
      const { usedBytes, freeBytes } = metricBudget.size;
      return Object.entries({ used: usedBytes, free: freeBytes }).map(([state, value]) => ({ labels: { state }, value }));
    },
  );
  metrics.counter('penstock_worker_restarts_total', 'How often a worker was started anew.', ['worker'], () =>
    provider.list().map(({ spec, restarts }) => ({ labels: { worker: spec.id }, value: restarts })),
  );
}

/** And of the bodies of all doors. */
export function meterBodies(metrics: Metrics, budget: BodyBudget): void {
  const taken = 'Memory that bodies of requests and messages of gRPC may have together: what they take, and what is free.';
  metrics.gauge('penstock_bodies_bytes', taken, ['state'], () =>
    Object.entries({ used: budget.bytes, free: budget.bytesMax - budget.bytes }).map(([state, value]) => ({ labels: { state }, value })),
  );
  metrics.counter('penstock_bodies_refused_total', 'Bodies and messages that were refused because there was no room for them.', [], () => [
    { labels: {}, value: budget.refused },
  ]);
}

export interface WatchedNeeds {
  readonly metrics: Metrics;
  readonly alarms: Pick<Alarms, 'list'>;
  readonly deliveries: Pick<Deliveries, 'counts'>;
  /** Names of the endpoints there are. */
  readonly endpoints: () => readonly string[];
  readonly drift: Pick<DriftWatch, 'lastLook'>;
  readonly backlogOf: (endpoint: string) => WatchedBacklog | null;
}

const alarmStates: readonly AlarmState[] = ['OK', 'ALARM', 'INSUFFICIENT_DATA'];

/** And what was found by those who watch. */
export function meterWatching({ metrics, alarms, deliveries, endpoints, drift, backlogOf }: WatchedNeeds): void {
  const backlogs = (valueOf: (backlog: WatchedBacklog) => number) =>
    endpoints().flatMap((endpoint) => {
      const backlog = backlogOf(endpoint);
      return backlog === null ? [] : [{ labels: { endpoint }, value: valueOf(backlog) }];
    });
  metrics.gauge('penstock_async_backlog_requests', 'Requests that wait to be worked on asynchronously, or are.', ['endpoint'], () =>
    backlogs(({ requests }) => requests),
  );
  metrics.gauge('penstock_async_oldest_seconds', 'How long the oldest of them has waited.', ['endpoint'], () =>
    backlogs(({ oldestMs }) => oldestMs / 1000),
  );
  metrics.gauge(
    'penstock_drifted_features',
    'Features that no longer look like the baseline, where enough came to tell.',
    ['endpoint'],
    () =>
      endpoints().flatMap((endpoint) => {
        const drifted = drift.lastLook(endpoint)?.drifted ?? null;
        return drifted === null ? [] : [{ labels: { endpoint }, value: drifted }];
      }),
  );
  metrics.gauge('penstock_alarm_state', '1 for the state that an alarm is in, 0 for the others.', ['alarm', 'state'], () =>
    alarms
      .list()
      .flatMap(({ name, state }) => alarmStates.map((each) => ({ labels: { alarm: name, state: each }, value: each === state ? 1 : 0 }))),
  );
  metrics.counter('penstock_deliveries_total', 'What became of deliveries to webhooks and log groups.', ['outcome'], () =>
    Object.entries<number>({ ...deliveries.counts }).map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
}

/** Metrics of alarms, deliveries, drift and backlogs, computed when Prometheus scrapes them. */
import type { AlarmState, Alarms, Deliveries } from '../../alerts/index.ts';
import type { WatchedBacklog } from '../../async-inference/index.ts';
import type { DriftMonitor } from '../../data-quality/index.ts';
import type { Metrics } from '../../metrics/index.ts';

export interface AlertMeterDeps {
  readonly metrics: Metrics;
  readonly alarms: Pick<Alarms, 'list'>;
  readonly deliveries: Pick<Deliveries, 'counts'>;
  /** Names of all endpoints. */
  readonly endpoints: () => readonly string[];
  readonly drift: Pick<DriftMonitor, 'lastPoll'>;
  readonly backlogOf: (endpoint: string) => WatchedBacklog | null;
}

const alarmStates: readonly AlarmState[] = ['OK', 'ALARM', 'INSUFFICIENT_DATA'];

/** Metrics of alarms, drift and deliveries. */
export function meterAlerts({ metrics, alarms, deliveries, endpoints, drift, backlogOf }: AlertMeterDeps): void {
  const backlogs = (valueOf: (backlog: WatchedBacklog) => number) =>
    endpoints().flatMap((endpoint) => {
      const backlog = backlogOf(endpoint);
      return backlog === null ? [] : [{ labels: { endpoint }, value: valueOf(backlog) }];
    });
  metrics.gauge('penstock_async_backlog_requests', 'Asynchronous requests, queued or running.', ['endpoint'], () =>
    backlogs(({ requests }) => requests),
  );
  metrics.gauge('penstock_async_oldest_seconds', 'Age of the oldest queued asynchronous request.', ['endpoint'], () =>
    backlogs(({ oldestMs }) => oldestMs / 1000),
  );
  metrics.gauge('penstock_drifted_features', 'Drifted features, with enough traffic to tell.', ['endpoint'], () =>
    endpoints().flatMap((endpoint) => {
      const drifted = drift.lastPoll(endpoint)?.drifted ?? null;
      return drifted === null ? [] : [{ labels: { endpoint }, value: drifted }];
    }),
  );
  metrics.gauge('penstock_alarm_state', '1 for the current state of an alarm, 0 for others.', ['alarm', 'state'], () =>
    alarms
      .list()
      .flatMap(({ name, state }) => alarmStates.map((each) => ({ labels: { alarm: name, state: each }, value: each === state ? 1 : 0 }))),
  );
  metrics.counter('penstock_deliveries_total', 'Deliveries to webhooks and log groups by outcome.', ['outcome'], () =>
    Object.entries<number>({ ...deliveries.counts }).map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
}

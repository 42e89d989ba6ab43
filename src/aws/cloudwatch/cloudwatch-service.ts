/** The CloudWatch service: metrics, alarms and dashboards. */

import type { Alarm } from '../../alerts/index.ts';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import type { MetricStore } from '../../metrics/index.ts';
import type { Database } from '../../storage/index.ts';
import { ResourceTags } from '../resource-tags.ts';
import { Documents } from '../sagemaker/documents.ts';
import { type AwsInput, type AwsLocation, type AwsOutput, type AwsService, dataOperation, readOperation } from '../service.ts';
import { type ActionTargets, type AlarmStore, alarmReads, alarmWrites } from './alarm-operations.ts';
import { alarmTagReads, alarmTagWrites } from './alarm-tags.ts';
import { cloudWatchPageOf } from './cloudwatch-pages.ts';
import { dashboardReads, dashboardWrites } from './dashboards.ts';
import { getMetricData } from './metric-data.ts';
import { dimensionBodies } from './metric-key.ts';
import { getMetricStatistics } from './metric-statistics.ts';
import { putMetricData } from './put-metric-data.ts';

export interface CloudWatchOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Pick<MetricStore, 'put' | 'written' | 'list' | 'series' | 'unitsOf' | 'isFullFor' | 'drop'>;
  readonly alarms: AlarmStore;
  readonly actionTargets: ActionTargets;
  /** Read-only alarms that are stored elsewhere: those of scaling policies. */
  readonly otherAlarms?: (awsLocation: AwsLocation) => Promise<readonly Alarm[]>;
}

export function cloudWatchService(options: CloudWatchOptions): AwsService {
  const { db, clock, store, alarms } = options;
  const documents = new Documents({ db, clock });
  const tags = new ResourceTags(db, documents);
  const writes = alarmWrites(alarms, options.actionTargets);
  return {
    name: 'cloudwatch',
    operations: {
      PutMetricData: dataOperation('report metric', (input) => putMetricData(options, input)),
      ListMetrics: readOperation('read metrics', (input) => listMetrics(store, input)),
      GetMetricStatistics: readOperation('read metrics', (input) => getMetricStatistics(store, input)),
      GetMetricData: readOperation('read metrics', (input) => getMetricData(store, input)),
      ...alarmReads(alarms, options.otherAlarms),
      ...alarmTagReads(alarms, tags),
      ...dashboardReads(documents),
      ...writes,
      ...alarmTagWrites(writes, alarms, tags),
      ...dashboardWrites(documents),
    },
  };
}

/** ListMetrics. */
const pageSize = 500;
const recentlyMs = 3 * 3_600_000;

function listMetrics(store: Pick<MetricStore, 'list'>, input: AwsInput): AwsOutput {
  const { Namespace, MetricName, Dimensions = [], RecentlyActive } = input;
  const requested = (Dimensions as { Name: string; Value?: string }[]).map(({ Name, Value = null }) => [Name, Value] as const);
  const found = store.list({
    ...(Namespace === undefined ? {} : { namespace: Namespace as string }),
    ...(MetricName === undefined ? {} : { name: MetricName as string }),
    ...(RecentlyActive === undefined ? {} : { withinMs: recentlyMs }),
    dimensions: Object.fromEntries(requested),
  });
  // A metric reported in several units is listed once.
  const byKey = new Map(
    found.map(({ metricKey, metric }) => {
      const body = { Namespace: metricKey.namespace, MetricName: metric.name, Dimensions: dimensionBodies(metricKey.dimensions) };
      return [JSON.stringify([metricKey.namespace, metric.name, body.Dimensions]), body];
    }),
  );
  const { items, next } = cloudWatchPageOf([...byKey], input, ([key]) => key, { limit: pageSize, errorCode: 'InvalidParameterValue' });
  return { Metrics: items.map(([, body]) => body), ...next };
}

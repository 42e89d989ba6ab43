/** The CloudWatch service: metrics, alarms and dashboards. */
import type { Alarm } from '../../alerts/index.ts';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import { type MetricStore, statisticOf } from '../../metrics/index.ts';
import type { Database } from '../../storage/index.ts';
import { ResourceTags } from '../resource-tags.ts';
import { Documents } from '../sagemaker/documents.ts';
import { type AwsInput, type AwsLocation, type AwsOutput, type AwsService, dataOperation, readOperation } from '../service.ts';
import { type ActionTargets, type AlarmStore, alarmReads, alarmWrites } from './alarm-operations.ts';
import { alarmTagReads, alarmTagWrites } from './alarm-tags.ts';
import { invalidCombination } from './cloudwatch-errors.ts';
import { cloudWatchPageOf } from './cloudwatch-pages.ts';
import { dashboardReads, dashboardWrites } from './dashboards.ts';
import { getMetricData } from './metric-data.ts';
import { checkPeriod, checkStatistic, dimensionBodies, dimensionsOf, timeRangeOf } from './metric-key.ts';
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
/** Maximum number of data points of one call of GetMetricStatistics. */
const pointsMax = 1440;
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

/** Several statistics of one metric. */
async function getMetricStatistics(store: Pick<MetricStore, 'series' | 'unitsOf'>, input: AwsInput): Promise<AwsOutput> {
  const { Namespace, MetricName, Dimensions, Unit, Statistics = [], ExtendedStatistics = [] } = input;
  const plain = Statistics as readonly string[];
  const extended = ExtendedStatistics as readonly string[];
  if (plain.length + extended.length === 0)
    throw invalidCombination('At least one of the parameters Statistics and ExtendedStatistics must be specified.');
  for (const name of extended) checkStatistic(name, 'ExtendedStatistics');
  const periodS = checkPeriod(Number(input.Period));
  const span = timeRangeOf(input, periodS);
  const points = Math.ceil((span.toMs - span.fromMs) / (1000 * periodS));
  if (points > pointsMax) {
    throw invalidCombination(
      `You have requested up to ${points} datapoints, which exceeds the limit of ${pointsMax}. You may reduce the datapoints requested by increasing Period, or decreasing the time range.`,
    );
  }
  const name = String(MetricName);
  const metricKey = { namespace: String(Namespace), dimensions: dimensionsOf(Dimensions, 'Dimensions') };
  const units = Unit === undefined ? store.unitsOf(metricKey, name) : [Unit as string];
  const datapoints: { readonly Timestamp: Date; readonly [member: string]: unknown }[] = [];
  for (const unit of units) {
    for (const point of await store.series({ metricKey, name, unit, ...span, originMs: span.fromMs, periodMs: 1000 * periodS })) {
      const valueOf = (statistic: string): [string, number | null] => [statistic, statisticOf(point, statistic)];
      datapoints.push({
        Timestamp: new Date(point.atMs),
        ...Object.fromEntries(plain.map(valueOf)),
        Unit: unit,
        ...(extended.length === 0 ? {} : { ExtendedStatistics: Object.fromEntries(extended.map(valueOf)) }),
      });
    }
  }
  return { Label: name, Datapoints: datapoints.sort((a, b) => a.Timestamp.getTime() - b.Timestamp.getTime()) };
}

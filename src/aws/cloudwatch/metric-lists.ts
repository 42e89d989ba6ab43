/** ListMetrics. */
import type { MetricStore } from '../../metrics/index.ts';
import type { AwsInput, AwsOutput } from '../service.ts';
import { cloudWatchPageOf } from './cloudwatch-pages.ts';
import { dimensionBodies } from './metric-key.ts';

const pageSize = 500;
const recentlyMs = 3 * 3_600_000;

export function listMetrics(store: Pick<MetricStore, 'list'>, input: AwsInput): AwsOutput {
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

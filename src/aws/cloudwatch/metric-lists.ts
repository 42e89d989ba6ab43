/** ListMetrics: which metrics there are. */
import type { MetricStore } from '../../monitoring/index.ts';
import type { AwsInput, AwsOutput } from '../service.ts';
import { pageOf } from './cloudwatch-pages.ts';
import { dimensionBodies } from './metric-place.ts';

const pageSize = 500;
const recentlyMs = 3 * 3_600_000;

export function listMetrics(store: Pick<MetricStore, 'list'>, input: AwsInput): AwsOutput {
  const { Namespace, MetricName, Dimensions = [], RecentlyActive } = input;
  const asked = (Dimensions as { Name: string; Value?: string }[]).map(({ Name, Value = null }) => [Name, Value] as const);
  const found = store.list({
    ...(Namespace === undefined ? {} : { namespace: Namespace as string }),
    ...(MetricName === undefined ? {} : { name: MetricName as string }),
    ...(RecentlyActive === undefined ? {} : { withinMs: recentlyMs }),
    dimensions: Object.fromEntries(asked),
  });
  // One that was measured in several units is one metric.
  const byKey = new Map(
    found.map(({ place, metric }) => {
      const body = { Namespace: place.namespace, MetricName: metric.name, Dimensions: dimensionBodies(place.dimensions) };
      return [JSON.stringify([place.namespace, metric.name, body.Dimensions]), body];
    }),
  );
  const { items, next } = pageOf([...byKey], input, ([key]) => key, { limit: pageSize, errorCode: 'InvalidParameterValue' });
  return { Metrics: items.map(([, body]) => body), ...next };
}

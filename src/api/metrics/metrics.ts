/** Routes of stored metrics. */
import { z } from 'zod';
import { PlatformError } from '../../errors.ts';
import { penstockNamespace, percentileNamed, statisticOf, variantMetricKey } from '../../metrics/index.ts';
import { pageBody } from '../bodies.ts';
import { isoTime, limitParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

const time = z.iso.datetime();
const hourMs = 3_600_000;

export const metricBody = z.strictObject({
  namespace: z.string(),
  name: z.string(),
  unit: z.string(),
  dimensions: z.record(z.string(), z.string()),
});
export const seriesBody = z.strictObject({
  name: z.string(),
  unit: z.string().nullable().describe('Unit of all statistics except SampleCount; null if the metric has no data.'),
  period_s: z.number(),
  from: time,
  to: time,
  statistics: z.array(z.string()),
  points: z.array(z.strictObject({ at: time, values: z.array(z.number().nullable()) })).describe('Only periods with data.'),
});
export type MetricBody = z.infer<typeof metricBody>;
export type SeriesBody = z.infer<typeof seriesBody>;

const seriesQuery = z.strictObject({
  name: z.string().max(255).describe('For example `Latency`; see `GET /metrics`.'),
  namespace: z.string().max(255).default(penstockNamespace),
  endpoint: z.string().max(63).optional(),
  variant: z.string().max(63).default('AllTraffic'),
  dimensions: z.string().max(2000).optional().describe('JSON object of names and values, instead of endpoint and variant.'),
  statistics: z.string().max(200).default('SampleCount,Average,p50,p95,p99'),
  period_s: z.coerce.number().int().min(1).max(86_400).default(60),
  from: time.optional().describe('Default: one hour before `to`.'),
  to: time.optional().describe('Default: now.'),
});

export function metricRoutes({ series, clock }: Pick<ApiServices, 'series' | 'clock'>): ApiRoute[] {
  return [
    apiRoute('GET /metrics', {
      summary: 'List the metrics',
      query: z.strictObject({ namespace: z.string().max(255).optional(), endpoint: z.string().max(63).optional(), limit: limitParameter }),
      answer: pageBody(metricBody),
      handle: ({ query: { namespace, endpoint, limit = 500 } }) => {
        const dimensions = endpoint === undefined ? {} : { EndpointName: endpoint };
        const known = series.list({ ...(namespace === undefined ? {} : { namespace }), dimensions });
        const items = known
          .slice(0, limit)
          .map(({ metricKey: { namespace, dimensions }, metric: { name, unit } }): MetricBody => ({ namespace, name, unit, dimensions }));
        return { items, next: null };
      },
    }),
    apiRoute('GET /metrics/series', {
      summary: 'Get the statistics of a metric by period',
      description:
        'Resolution: 1 s for an hour, 10 s for a day, 1 minute for 90 days. A statistic is `SampleCount`, `Sum`, `Average`, `Minimum`, `Maximum`, ' +
        'or a percentile such as `p99.9`.',
      query: seriesQuery,
      answer: seriesBody,
      handle: async ({ query }) => {
        const statistics = query.statistics.split(',').map(statisticChecked);
        const toMs = query.to === undefined ? clock.wallMs() : Date.parse(query.to);
        const fromMs = query.from === undefined ? toMs - hourMs : Date.parse(query.from);
        if (fromMs >= toMs)
          throw new PlatformError('invalid_request', `expected from before to, got ${isoTime(fromMs)} and ${isoTime(toMs)}`);
        const seriesRequest = { metricKey: requestedKey(query), name: query.name, fromMs, toMs, periodMs: query.period_s * 1000 };
        const points = await series.series(seriesRequest);
        return {
          name: query.name,
          unit: series.unitsOf(seriesRequest.metricKey, query.name)[0] ?? null,
          period_s: query.period_s,
          from: isoTime(fromMs),
          to: isoTime(toMs),
          statistics,
          points: points.map((point) => ({ at: isoTime(point.atMs), values: statistics.map((name) => statisticOf(point, name)) })),
        };
      },
    }),
  ];
}

function requestedKey({ namespace, endpoint, variant, dimensions }: z.output<typeof seriesQuery>) {
  if (dimensions === undefined)
    return endpoint === undefined ? { namespace, dimensions: {} } : variantMetricKey(namespace, endpoint, variant);
  try {
    return { namespace, dimensions: z.record(z.string(), z.string()).parse(JSON.parse(dimensions)) };
  } catch {
    throw new PlatformError('invalid_request', 'dimensions: expected a JSON object with string values, such as {"EndpointName":"digits"}');
  }
}

function statisticChecked(text: string): string {
  const name = text.trim();
  if (['SampleCount', 'Sum', 'Average', 'Minimum', 'Maximum'].includes(name) || percentileNamed(name) !== null) return name;
  throw new PlatformError(
    'invalid_request',
    `statistics: expected SampleCount, Sum, Average, Minimum, Maximum or a percentile such as p99, got '${name.slice(0, 40)}'`,
  );
}

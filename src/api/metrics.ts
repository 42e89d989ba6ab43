/** Routes of what is kept of measurements, and of the alarms that look at them. */
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import {
  type Alarm,
  alarmRuleText,
  isAlarmOf,
  penstockNamespace,
  percentileNamed,
  placeOfVariant,
  statisticOf,
} from '../monitoring/index.ts';
import { pageOf } from './bodies.ts';
import { limitParameter, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

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
  unit: z.string().nullable().describe('Of all statistics but SampleCount; null where nothing was measured under that name.'),
  period_s: z.number(),
  from: time,
  to: time,
  statistics: z.array(z.string()),
  points: z
    .array(z.strictObject({ at: time, values: z.array(z.number().nullable()) }))
    .describe('Periods in which something was measured.'),
});
export const alarmBody = z.strictObject({
  name: z.string(),
  description: z.string(),
  state: z.enum(['OK', 'ALARM', 'INSUFFICIENT_DATA']),
  rule: z
    .string()
    .nullable()
    .describe('When it rings, `p99 of Latency > 50 in 3 of 5 x 60 s`; null where an endpoint has it by itself: its description tells.'),
  reason: z.string().describe('What the last look found.'),
  since: time,
  actions_enabled: z.boolean(),
});
export const alarmNoteBody = z.strictObject({ at: time, kind: z.string(), summary: z.string(), data: z.unknown() });
export type MetricBody = z.infer<typeof metricBody>;
export type SeriesBody = z.infer<typeof seriesBody>;
export type AlarmBody = z.infer<typeof alarmBody>;
export type AlarmNoteBody = z.infer<typeof alarmNoteBody>;

const seriesQuery = z.strictObject({
  name: z.string().max(255).describe('Such as `Latency`; see `GET /metrics`.'),
  namespace: z.string().max(255).default(penstockNamespace),
  endpoint: z.string().max(63).optional(),
  variant: z.string().max(63).default('AllTraffic'),
  dimensions: z.string().max(2000).optional().describe('JSON: name to value, in place of endpoint and variant.'),
  statistics: z.string().max(200).default('SampleCount,Average,p50,p95,p99'),
  period_s: z.coerce.number().int().min(1).max(86_400).default(60),
  from: time.optional().describe('An hour before `to` unless given.'),
  to: time.optional().describe('Now unless given.'),
});

export function metricRoutes(services: ApiServices): Route[] {
  const { series, clock } = services;
  return [
    route('GET /metrics', {
      summary: 'List what is measured',
      query: z.strictObject({ namespace: z.string().max(255).optional(), endpoint: z.string().max(63).optional(), limit: limitParameter }),
      answer: pageOf(metricBody),
      handle: ({ query: { namespace, endpoint, limit = 500 } }) => {
        const dimensions = endpoint === undefined ? {} : { EndpointName: endpoint };
        const known = series.list({ ...(namespace === undefined ? {} : { namespace }), dimensions });
        const items = known
          .slice(0, limit)
          .map(({ place, metric }): MetricBody => ({ ...metric, namespace: place.namespace, dimensions: place.dimensions }));
        return { items, next: null };
      },
    }),
    route('GET /metrics/series', {
      summary: 'Tell what was measured, by periods',
      description:
        'By the second for an hour, by ten seconds for a day, by the minute for 90 days. A statistic is `SampleCount`, `Sum`, `Average`, `Minimum`, `Maximum`, ' +
        'or a percentile such as `p99.9`.',
      query: seriesQuery,
      answer: seriesBody,
      handle: async ({ query }) => {
        const statistics = query.statistics.split(',').map(statisticChecked);
        const toMs = query.to === undefined ? clock.wallMs() : Date.parse(query.to);
        const fromMs = query.from === undefined ? toMs - hourMs : Date.parse(query.from);
        if (fromMs >= toMs)
          throw new PlatformError('invalid_request', `expected from before to, got ${timeOf(fromMs)} and ${timeOf(toMs)}`);
        const wish = { place: placeAsked(query), name: query.name, fromMs, toMs, periodMs: query.period_s * 1000 };
        const points = await series.series(wish);
        return {
          name: query.name,
          unit: series.unitsOf(wish.place, query.name)[0] ?? null,
          period_s: query.period_s,
          from: timeOf(fromMs),
          to: timeOf(toMs),
          statistics,
          points: points.map((point) => ({ at: timeOf(point.atMs), values: statistics.map((name) => statisticOf(point, name)) })),
        };
      },
    }),
    ...alarmRoutes(services),
  ];
}

function alarmRoutes({ alarms, deployments }: ApiServices): Route[] {
  return [
    route('GET /alarms', {
      summary: 'List the alarms, those that ring first',
      query: z.strictObject({
        state: z.enum(['OK', 'ALARM', 'INSUFFICIENT_DATA']).optional(),
        endpoint: z.string().max(100).optional().describe('Those that it has by itself, and those that look at what is measured of it.'),
      }),
      answer: pageOf(alarmBody),
      handle: ({ query: { state, endpoint } }) => {
        const about = alarms.list().filter((alarm) => endpoint === undefined || isAlarmOf(alarm, endpoint));
        if (endpoint !== undefined && about.length === 0) deployments.get(endpoint);
        const all = about.filter((alarm) => state === undefined || alarm.state === state);
        return {
          items: all
            .toSorted((a, b) => Number(b.state === 'ALARM') - Number(a.state === 'ALARM'))
            .map((alarm) => alarmBodyOf(alarm, alarms.foundLast(alarm.name))),
          next: null,
        };
      },
    }),
    route('GET /alarms/history', {
      summary: 'Tell what became of alarms, the latest first',
      query: z.strictObject({ name: z.string().max(255).optional(), limit: limitParameter }),
      answer: pageOf(alarmNoteBody.extend({ alarm: z.string() })),
      handle: async ({ query: { name, limit = 100 } }) => {
        const notes = await alarms.history({ name, limit });
        return {
          items: notes.map(({ alarm, atMs, kind, summary, data }) => ({ alarm, at: timeOf(atMs), kind, summary, data })),
          next: null,
        };
      },
    }),
  ];
}

function alarmBodyOf(alarm: Alarm, found: string | null): AlarmBody {
  const { name, description, state, stateReason, stateSinceMs, actionsEnabled } = alarm;
  return {
    name,
    description,
    state,
    rule: alarmRuleText(alarm),
    reason: found ?? stateReason,
    since: timeOf(stateSinceMs),
    actions_enabled: actionsEnabled,
  };
}

function placeAsked({ namespace, endpoint, variant, dimensions }: z.output<typeof seriesQuery>) {
  if (dimensions === undefined)
    return endpoint === undefined ? { namespace, dimensions: {} } : placeOfVariant(namespace, endpoint, variant);
  try {
    return { namespace, dimensions: z.record(z.string(), z.string()).parse(JSON.parse(dimensions)) };
  } catch {
    throw new PlatformError('invalid_request', 'dimensions: expected a JSON object of texts, such as {"EndpointName":"digits"}');
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

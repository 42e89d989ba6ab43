/** What an alarm looks at: the latest periods of its series, or of its expression. */
import { withExpressions } from '../math/metric-queries.ts';
import { Series } from '../math/value.ts';
import type { MetricStore } from '../series/metric-store.ts';
import type { AlarmDefinition, AlarmMetric } from './alarm.ts';
import { evaluate, statisticOf, type Verdict } from './evaluate.ts';

/**
 * Where some of the latest are missing, older ones count: so many more are looked at. CloudWatch says of its range only that it is 5 for 3
 * periods ("Configuring how CloudWatch alarms treat missing data").
 */
const olderMax = 2;

/** How an alarm is that nobody keeps: what it says of what was measured. */
export async function judgeAlarm(store: Pick<MetricStore, 'series'>, definition: AlarmDefinition, wallMs: number): Promise<Verdict> {
  return evaluate(definition.rule, await valuesOf(store, definition, wallMs), 'INSUFFICIENT_DATA');
}

/** Where nothing can be kept of what an alarm looks at, that nothing came does not make it well. */
export function withoutRoom(store: Pick<MetricStore, 'lacksRoomFor'>, { queries }: AlarmDefinition, verdict: Verdict): Verdict {
  if (verdict.state !== 'OK' || verdict.datapoints.length > 0) return verdict;
  const refused = queries.flatMap(({ metric }) =>
    metric !== null && store.lacksRoomFor([{ place: metric.place, metric: { name: metric.name, unit: metric.unit ?? 'None' } }]) > 0
      ? [metric.name]
      : [],
  );
  if (refused.length === 0) return verdict;
  return {
    ...verdict,
    state: 'INSUFFICIENT_DATA',
    reason: `nothing is kept of ${refused.join(', ')}: there are too many different metrics`,
  };
}

/** By period, rising, the last one the latest that is over; null where nothing was measured. */
export async function valuesOf(
  store: Pick<MetricStore, 'series'>,
  { rule, periodS, queries }: Pick<AlarmDefinition, 'rule' | 'periodS' | 'queries'>,
  wallMs: number,
): Promise<(number | null)[]> {
  const periodMs = periodS * 1000;
  const toMs = Math.floor(wallMs / periodMs) * periodMs;
  const count = rule.evaluationPeriods + olderMax;
  const fromMs = toMs - count * periodMs;
  const measured = new Map<string, Series>();
  for (const { id, metric } of queries) if (metric !== null) measured.set(id, await seriesOf(store, metric, { fromMs, toMs, periodMs }));
  const expressions = queries.flatMap(({ id, expression }) =>
    expression === null ? [] : [{ id, expression, periodS, spanOf: () => ({ fromMs, toMs }) }],
  );
  const watched = withExpressions(measured, expressions).get(queries.find(({ isWatched }) => isWatched)?.id ?? '');
  return Array.from({ length: count }, (_, i) => watched?.get(fromMs + i * periodMs) ?? null);
}

async function seriesOf(
  store: Pick<MetricStore, 'series'>,
  { place, name, unit, statistic }: AlarmMetric,
  span: { fromMs: number; toMs: number; periodMs: number },
): Promise<Series> {
  const points = await store.series({ place, name, unit, ...span });
  return new Series(
    span.periodMs / 1000,
    points.flatMap((point): [number, number][] => {
      const value = statisticOf(point, statistic);
      return value === null ? [] : [[point.atMs, value]];
    }),
  );
}

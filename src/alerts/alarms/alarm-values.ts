/** Reads the values an alarm evaluates: the latest periods of its series or expression. */

import type { MetricStore } from '../../metrics/index.ts';
import { MathSeries, statisticOf, withExpressions } from '../../metrics/index.ts';
import type { AlarmDefinition, AlarmMetric } from './alarm.ts';
import { type AlarmEvaluation, evaluate } from './evaluate.ts';

/**
 * Extra older periods to read, because older values replace missing ones. CloudWatch documents its evaluation range only by example: 5 for
 * 3 periods ("Configuring how CloudWatch alarms treat missing data").
 */
const olderMax = 2;

/** Evaluates an alarm that is not stored, from the measured values. */
export async function judgeAlarm(
  store: Pick<MetricStore, 'series'>,
  definition: AlarmDefinition,
  wallMs: number,
): Promise<AlarmEvaluation> {
  return evaluate(definition.rule, await valuesOf(store, definition, wallMs), 'INSUFFICIENT_DATA');
}

/** Turns OK into INSUFFICIENT_DATA if the metrics cannot be stored: missing data then says nothing about health. */
export function withoutCapacity(
  store: Pick<MetricStore, 'isFullFor'>,
  { queries }: AlarmDefinition,
  result: AlarmEvaluation,
): AlarmEvaluation {
  if (result.state !== 'OK' || result.datapoints.length > 0) return result;
  const unstored = queries.flatMap(({ metric }) =>
    metric !== null && store.isFullFor([{ metricKey: metric.metricKey, metric: { name: metric.name, unit: metric.unit ?? 'None' } }]) > 0
      ? [metric.name]
      : [],
  );
  if (unstored.length === 0) return result;
  return {
    ...result,
    state: 'INSUFFICIENT_DATA',
    reason: `no data is stored for ${unstored.join(', ')}: there are too many different metrics`,
  };
}

/** One value per period, oldest first, the last one being the latest complete period; null if nothing was measured. */
export async function valuesOf(
  store: Pick<MetricStore, 'series'>,
  { rule, periodS, queries }: Pick<AlarmDefinition, 'rule' | 'periodS' | 'queries'>,
  wallMs: number,
): Promise<(number | null)[]> {
  const periodMs = periodS * 1000;
  const toMs = Math.floor(wallMs / periodMs) * periodMs;
  const count = rule.evaluationPeriods + olderMax;
  const fromMs = toMs - count * periodMs;
  const measured = new Map<string, MathSeries>();
  for (const { id, metric } of queries) if (metric !== null) measured.set(id, await seriesOf(store, metric, { fromMs, toMs, periodMs }));
  const expressions = queries.flatMap(({ id, expression }) =>
    expression === null ? [] : [{ id, expression, periodS, spanOf: () => ({ fromMs, toMs }) }],
  );
  const watched = withExpressions(measured, expressions).get(queries.find(({ isWatched }) => isWatched)?.id ?? '');
  return Array.from({ length: count }, (_, i) => watched?.get(fromMs + i * periodMs) ?? null);
}

async function seriesOf(
  store: Pick<MetricStore, 'series'>,
  { metricKey, name, unit, statistic }: AlarmMetric,
  span: { fromMs: number; toMs: number; periodMs: number },
): Promise<MathSeries> {
  const points = await store.series({ metricKey, name, unit, ...span });
  return new MathSeries(
    span.periodMs / 1000,
    points.flatMap((point): [number, number][] => {
      const value = statisticOf(point, statistic);
      return value === null ? [] : [[point.atMs, value]];
    }),
  );
}

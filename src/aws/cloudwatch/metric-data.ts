/** GetMetricData: several metrics, and expressions over them. */
import { MathSeries, type MetricStore, statisticOf, withExpressions } from '../../metrics/index.ts';
import type { AwsInput, AwsOutput } from '../service.ts';
import { invalidCombination, invalidValue } from './cloudwatch-errors.ts';
import { positionOf, tokenAt } from './cloudwatch-pages.ts';
import { timeRangeOf } from './metric-key.ts';
import { type RequestedMetric, type RequestedQuery, readQueries } from './metric-queries.ts';

const queriesMax = 500;
const pointsMax = 100_800;
/** Limit for all queries of a call together, before pagination. */
const periodsMax = 1_000_000;

/** At least one query must return data; others can be inputs of expressions. */
export async function getMetricData(store: Pick<MetricStore, 'series'>, input: AwsInput): Promise<AwsOutput> {
  const { MaxDatapoints = pointsMax, ScanBy = 'TimestampDescending' } = input;
  const limit = Number(MaxDatapoints);
  if (!(limit >= 1 && limit <= pointsMax)) throw invalidValue(`The parameter MaxDatapoints must be 1 to ${pointsMax}, got ${limit}.`);
  const queries = readQueries(input.MetricDataQueries, 'MetricDataQueries', queriesMax);
  if (!queries.some(({ returnsData }) => returnsData))
    throw invalidCombination('ReturnData is false for all of the queries: expected at least one query that returns data.');
  const all = await seriesOf(store, queries, input);
  const results = queries
    .filter(({ returnsData }) => returnsData)
    .map(({ id, label }) => {
      const points = [...(all.get(id) ?? [])].sort(([a], [b]) => (ScanBy === 'TimestampAscending' ? a - b : b - a));
      return { id, label, points };
    });
  return pageOfPoints(results, input, limit);
}

async function seriesOf(
  store: Pick<MetricStore, 'series'>,
  queries: readonly RequestedQuery[],
  input: AwsInput,
): Promise<Map<string, MathSeries>> {
  const metrics = queries.flatMap(({ id, metric }) => (metric === null ? [] : [{ id, metric }]));
  const spans = metrics.map(({ metric: { periodS } }) => ({ periodS, ...timeRangeOf(input, periodS) }));
  const shortest = Math.min(...metrics.map(({ metric }) => metric.periodS), 86_400);
  const expressions = queries.flatMap(({ id, expression, periodS: own }) => {
    if (expression === null) return [];
    const periodS = own ?? (metrics.length === 0 ? 60 : shortest);
    return [{ id, expression, periodS, spanOf: (each: number) => timeRangeOf(input, each) }];
  });
  // An expression may have a value in each period of its finest series.
  const filled = expressions.map(({ periodS, spanOf: of }) => {
    const least = Math.min(periodS, shortest);
    return { periodS: least, ...of(least) };
  });
  const periods = [...spans, ...filled].reduce((sum, { periodS, fromMs, toMs }) => sum + Math.ceil((toMs - fromMs) / (1000 * periodS)), 0);
  if (periods > periodsMax) {
    throw invalidCombination(
      `You have requested up to ${periods} datapoints, which exceeds the limit of one call (${periodsMax}): increase Period, or decrease the time range.`,
    );
  }
  const measured = new Map<string, MathSeries>();
  for (const { id, metric } of metrics) measured.set(id, await measuredSeries(store, metric, timeRangeOf(input, metric.periodS)));
  return withExpressions(measured, expressions);
}

async function measuredSeries(
  store: Pick<MetricStore, 'series'>,
  { metricKey, name, unit, statistic, periodS }: RequestedMetric,
  span: { readonly fromMs: number; readonly toMs: number },
): Promise<MathSeries> {
  const points = await store.series({ metricKey, name, unit, ...span, originMs: span.fromMs, periodMs: 1000 * periodS });
  return new MathSeries(
    periodS,
    points.flatMap((point): [number, number][] => {
      const value = statisticOf(point, statistic);
      return value === null ? [] : [[point.atMs, value]];
    }),
  );
}

interface Result {
  readonly id: string;
  readonly label: string;
  readonly points: readonly (readonly [number, number])[];
}

/** Takes up to `limit` points, result by result. */
function pageOfPoints(results: readonly Result[], input: AwsInput, limit: number): AwsOutput {
  let skipped = Number(positionOf(input, 'InvalidNextToken') ?? 0);
  const isFirst = skipped === 0;
  let [left, taken] = [limit, skipped];
  const bodies: Record<string, unknown>[] = [];
  for (const { id: Id, label: Label, points } of results) {
    const from = Math.min(skipped, points.length);
    skipped -= from;
    const shown = points.slice(from, from + left);
    if (shown.length === 0 && !(points.length === 0 && isFirst)) continue;
    left -= shown.length;
    taken += shown.length;
    const isWhole = from + shown.length === points.length;
    bodies.push({
      Id,
      Label,
      Timestamps: shown.map(([atMs]) => new Date(atMs)),
      Values: shown.map(([, value]) => value),
      StatusCode: isWhole ? 'Complete' : 'PartialData',
    });
  }
  const total = results.reduce((sum, { points }) => sum + points.length, 0);
  return { MetricDataResults: bodies, Messages: [], ...(taken < total ? { NextToken: tokenAt(input, String(taken)) } : {}) };
}

/** GetMetricData: many metrics, and expressions over them. */
import { type MetricStore, Series, statisticOf, withExpressions } from '../../monitoring/index.ts';
import type { AwsInput, AwsOutput } from '../service.ts';
import { placeOf, tokenAt } from './cloudwatch-pages.ts';
import { spanOf } from './metric-place.ts';
import { type AskedMetric, type AskedQuery, readQueries } from './metric-queries.ts';
import { wrongCombination, wrongValue } from './refusals.ts';

const queriesMax = 500;
const pointsMax = 100_800;
/** Of all queries together, before anything is cut into pages. */
const periodsMax = 1_000_000;

export async function getMetricData(store: Pick<MetricStore, 'series'>, input: AwsInput): Promise<AwsOutput> {
  const { MaxDatapoints = pointsMax, ScanBy = 'TimestampDescending' } = input;
  const limit = Number(MaxDatapoints);
  if (!(limit >= 1 && limit <= pointsMax)) throw wrongValue(`The parameter MaxDatapoints must be 1 to ${pointsMax}, got ${limit}.`);
  const queries = readQueries(input.MetricDataQueries, 'MetricDataQueries', queriesMax);
  if (!queries.some(({ returnsData }) => returnsData))
    throw wrongCombination('ReturnData is false for all of the queries: nothing is asked for.');
  const all = await seriesOf(store, queries, input);
  const results = queries
    .filter(({ returnsData }) => returnsData)
    .map(({ id, label }) => {
      const points = [...(all.get(id) ?? [])].sort(([a], [b]) => (ScanBy === 'TimestampAscending' ? a - b : b - a));
      return { id, label, points };
    });
  return pageOfPoints(results, input, limit);
}

async function seriesOf(store: Pick<MetricStore, 'series'>, queries: readonly AskedQuery[], input: AwsInput): Promise<Map<string, Series>> {
  const metrics = queries.flatMap(({ id, metric }) => (metric === null ? [] : [{ id, metric }]));
  const spans = metrics.map(({ metric: { periodS } }) => ({ periodS, ...spanOf(input, periodS) }));
  const shortest = Math.min(...metrics.map(({ metric }) => metric.periodS), 86_400);
  const expressions = queries.flatMap(({ id, expression, periodS: own }) => {
    if (expression === null) return [];
    const periodS = own ?? (metrics.length === 0 ? 60 : shortest);
    return [{ id, expression, periodS, spanOf: (each: number) => spanOf(input, each) }];
  });
  // An expression may fill each period of the shortest of its series.
  const filled = expressions.map(({ periodS, spanOf: of }) => {
    const least = Math.min(periodS, shortest);
    return { periodS: least, ...of(least) };
  });
  const periods = [...spans, ...filled].reduce((sum, { periodS, fromMs, toMs }) => sum + Math.ceil((toMs - fromMs) / (1000 * periodS)), 0);
  if (periods > periodsMax) {
    throw wrongCombination(
      `You have requested up to ${periods} datapoints, which exceeds what is reckoned at once (${periodsMax}): increase Period, or decrease the time range.`,
    );
  }
  const measured = new Map<string, Series>();
  for (const { id, metric } of metrics) measured.set(id, await measuredSeries(store, metric, spanOf(input, metric.periodS)));
  return withExpressions(measured, expressions);
}

async function measuredSeries(
  store: Pick<MetricStore, 'series'>,
  { place, name, unit, statistic, periodS }: AskedMetric,
  span: { readonly fromMs: number; readonly toMs: number },
): Promise<Series> {
  const points = await store.series({ place, name, unit, ...span, originMs: span.fromMs, periodMs: 1000 * periodS });
  return new Series(
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

/** So many points, of one result after the other. */
function pageOfPoints(results: readonly Result[], input: AwsInput, limit: number): AwsOutput {
  let skipped = Number(placeOf(input, 'InvalidNextToken') ?? 0);
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

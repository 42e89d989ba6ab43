/** GetMetricStatistics: several statistics of one metric. */
import { type MetricStore, statisticOf } from '../../metrics/index.ts';
import type { AwsInput, AwsOutput } from '../service.ts';
import { invalidCombination } from './cloudwatch-errors.ts';
import { checkPeriod, checkStatistic, dimensionsOf, timeRangeOf } from './metric-key.ts';

const pointsMax = 1440;

export async function getMetricStatistics(store: Pick<MetricStore, 'series' | 'unitsOf'>, input: AwsInput): Promise<AwsOutput> {
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

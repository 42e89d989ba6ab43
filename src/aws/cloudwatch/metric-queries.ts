/** Parses and validates the MetricDataQueries of GetMetricData and of alarms. Pure. */
import { type MetricKey, parseMath } from '../../metrics/index.ts';
import { invalidCombination, invalidValue, missingParameter } from './cloudwatch-errors.ts';
import { checkPeriod, checkStatistic, dimensionsOf } from './metric-key.ts';

/** The metric of a query, with the statistic and period to read. */
export interface RequestedMetric {
  readonly metricKey: MetricKey;
  readonly name: string;
  readonly unit: string | undefined;
  readonly statistic: string;
  /** Seconds. */
  readonly periodS: number;
}

/** Either a metric or an expression over other queries. */
export interface RequestedQuery {
  readonly id: string;
  readonly label: string;
  readonly metric: RequestedMetric | null;
  readonly expression: string | null;
  /** Null unless the expression specifies a period. */
  readonly periodS: number | null;
  readonly returnsData: boolean;
}

interface QueryBody {
  readonly Id: string;
  readonly MetricStat?: {
    readonly Metric: { readonly Namespace?: string; readonly MetricName?: string; readonly Dimensions?: unknown };
    readonly Period: number;
    readonly Stat: string;
    readonly Unit?: string;
  };
  readonly Expression?: string;
  readonly Label?: string;
  readonly ReturnData?: boolean;
  readonly Period?: number;
}

/** `parameter` is the name of the member in the call. */
export function readQueries(bodies: unknown, parameter: string, most: number): RequestedQuery[] {
  const all = bodies as readonly QueryBody[];
  if (all.length === 0) throw missingParameter(`The parameter ${parameter} is required.`);
  if (all.length > most) throw invalidValue(`The collection ${parameter} must not have a size greater than ${most}.`);
  const ids = new Set<string>();
  return all.map((body, index) => {
    const at = `${parameter}.member.${index + 1}`;
    if (!/^[a-z]\w*$/.test(body.Id))
      throw invalidValue(`The value ${body.Id} for parameter ${at}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.`);
    if (ids.has(body.Id)) throw invalidValue(`The values for parameter Id in ${parameter} are not unique: ${body.Id} stands twice.`);
    ids.add(body.Id);
    return readQuery(body, at);
  });
}

function readQuery({ Id: id, MetricStat, Expression, Label, ReturnData = true, Period }: QueryBody, at: string): RequestedQuery {
  if ((MetricStat === undefined) === (Expression === undefined))
    throw invalidCombination(`Exactly one of ${at}.MetricStat and ${at}.Expression must be specified.`);
  const periodS = Period === undefined ? null : checkPeriod(Period, `${at}.Period`);
  const common = { id, periodS, returnsData: ReturnData };
  if (MetricStat === undefined) {
    const expression = String(Expression);
    parseMath(expression);
    return { ...common, label: Label ?? id, metric: null, expression };
  }
  const { Metric, Stat, Unit: unit } = MetricStat;
  const { Namespace: namespace, MetricName: name, Dimensions } = Metric;
  if (namespace === undefined || name === undefined)
    throw missingParameter(`The parameters ${at}.MetricStat.Metric.Namespace and MetricName are required.`);
  const metric: RequestedMetric = {
    metricKey: { namespace, dimensions: dimensionsOf(Dimensions, `${at}.MetricStat.Metric.Dimensions`) },
    name,
    unit,
    statistic: checkStatistic(Stat, `${at}.MetricStat.Stat`),
    periodS: checkPeriod(MetricStat.Period, `${at}.MetricStat.Period`),
  };
  return { ...common, label: Label ?? name, metric, expression: null };
}

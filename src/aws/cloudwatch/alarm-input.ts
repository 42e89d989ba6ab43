/** PutMetricAlarm: what a caller wishes to be told of, read and checked. Pure. */
import { type AlarmDefinition, type AlarmMetric, type AlarmQuery, type AlarmRule, comparisons } from '../../monitoring/index.ts';
import type { AwsInput } from '../service.ts';
import { checkPeriod, checkStatistic, dimensionsOf } from './metric-place.ts';
import { readQueries } from './metric-queries.ts';
import { missing, wrongCombination, wrongValue } from './refusals.ts';

const queriesMax = 20;
/** Of all periods together: a day, or a week where each takes an hour or more. */
const lookedBackSeconds = { short: 86_400, long: 7 * 86_400 } as const;
const missingDataWords = ['missing', 'ignore', 'breaching', 'notBreaching'] as const;

/** What AWS's clients said that the alarm itself has no use for. */
export interface AlarmEcho {
  readonly metrics?: readonly Readonly<Record<string, unknown>>[];
  readonly lowSamples?: string;
}

/** `checkAction` throws for what no action can be. */
export function readAlarm(input: AwsInput, checkAction: (action: string) => void): AlarmDefinition {
  const { AlarmName, AlarmDescription = '', ActionsEnabled = true, EvaluateLowSampleCountPercentile: lowSamples, Metrics } = input;
  refuseOthers(input);
  const { queries, periodS } = Metrics === undefined ? readMetric(input) : readExpression(input);
  const rule = readRule(input);
  const most = periodS >= 3600 ? lookedBackSeconds.long : lookedBackSeconds.short;
  if (rule.evaluationPeriods * periodS > most)
    throw wrongCombination(`Metrics cannot be checked across more than ${most} seconds (EvaluationPeriods * Period must be <= ${most}).`);
  const actionsOf = (name: string): string[] => {
    const actions = (input[name] ?? []) as string[];
    for (const action of actions) checkAction(action);
    return [...actions];
  };
  const echo: AlarmEcho = {
    ...(Metrics === undefined ? {} : { metrics: Metrics as NonNullable<AlarmEcho['metrics']> }),
    ...(lowSamples === undefined ? {} : { lowSamples: lowSamples as string }),
  };
  return {
    name: String(AlarmName),
    description: String(AlarmDescription),
    rule,
    periodS,
    queries,
    actionsEnabled: ActionsEnabled === true,
    actions: { OK: actionsOf('OKActions'), ALARM: actionsOf('AlarmActions'), INSUFFICIENT_DATA: actionsOf('InsufficientDataActions') },
    echo: { ...echo },
  };
}

function refuseOthers({ EvaluationCriteria, ThresholdMetricId, ComparisonOperator }: AwsInput): void {
  if (EvaluationCriteria !== undefined)
    throw wrongValue('The parameter EvaluationCriteria is not supported: PromQL is not evaluated here.');
  if (ThresholdMetricId !== undefined || (ComparisonOperator !== undefined && !Object.hasOwn(comparisons, ComparisonOperator as string)))
    throw wrongValue(`Alarms on bands of anomalies are not supported: give a Threshold and one of ${Object.keys(comparisons).join(', ')}.`);
}

function readRule(input: AwsInput): AlarmRule {
  const { ComparisonOperator, Threshold, EvaluationPeriods, DatapointsToAlarm = EvaluationPeriods, TreatMissingData = 'missing' } = input;
  for (const [name, value] of Object.entries({ ComparisonOperator, EvaluationPeriods, Threshold }))
    if (value === undefined) throw missing(`The parameter ${name} is required.`);
  const [evaluationPeriods, datapointsToAlarm, threshold] = [Number(EvaluationPeriods), Number(DatapointsToAlarm), Number(Threshold)];
  if (!Number.isFinite(threshold)) throw wrongValue(`The value ${threshold} for parameter Threshold is invalid.`);
  if (datapointsToAlarm > evaluationPeriods)
    throw wrongCombination(
      `DatapointsToAlarm (${datapointsToAlarm}) must be less than or equal to EvaluationPeriods (${evaluationPeriods}).`,
    );
  const missingData = missingDataWords.find((word) => word === TreatMissingData);
  if (missingData === undefined)
    throw wrongValue(`The value ${String(TreatMissingData)} for parameter TreatMissingData is not one of ${missingDataWords.join(', ')}.`);
  return { comparison: ComparisonOperator as AlarmRule['comparison'], threshold, evaluationPeriods, datapointsToAlarm, missingData };
}

interface Watched {
  readonly queries: readonly AlarmQuery[];
  readonly periodS: number;
}

function readMetric(input: AwsInput): Watched {
  const { MetricName, Namespace, Dimensions, Statistic, ExtendedStatistic, Unit, Period } = input;
  for (const [name, value] of Object.entries({ MetricName, Namespace, Period }))
    if (value === undefined) throw missing(`The parameter ${name} is required, or Metrics in its stead.`);
  if ((Statistic === undefined) === (ExtendedStatistic === undefined))
    throw wrongCombination('Exactly one element of [Statistic, ExtendedStatistic] must be specified.');
  const metric: AlarmMetric = {
    place: { namespace: String(Namespace), dimensions: dimensionsOf(Dimensions, 'Dimensions') },
    name: String(MetricName),
    ...(Unit === undefined ? {} : { unit: Unit as string }),
    statistic: checkStatistic(String(Statistic ?? ExtendedStatistic), Statistic === undefined ? 'ExtendedStatistic' : 'Statistic'),
  };
  return { queries: [{ id: 'm1', metric, expression: null, isWatched: true }], periodS: alarmPeriod(Number(Period)) };
}

function readExpression(input: AwsInput): Watched {
  const others = ['MetricName', 'Namespace', 'Dimensions', 'Statistic', 'ExtendedStatistic', 'Unit', 'Period'];
  const also = others.filter((name) => input[name] !== undefined);
  if (also.length > 0) throw wrongCombination(`Metrics cannot be specified together with ${also.join(', ')}.`);
  const asked = readQueries(input.Metrics, 'Metrics', queriesMax);
  const watched = asked.filter(({ returnsData }) => returnsData);
  if (watched.length !== 1) throw wrongCombination(`Exactly one element of the metrics list should return data, got ${watched.length}.`);
  const periods = new Set(asked.flatMap(({ metric, periodS }) => metric?.periodS ?? periodS ?? []));
  const [periodS] = periods;
  if (periodS === undefined) throw missing('Metrics must hold at least one MetricStat: an alarm on no metric never has data.');
  if (periods.size > 1) throw wrongCombination(`All metrics of an alarm must have the same Period, got ${[...periods].join(', ')}.`);
  const queries = asked.map(({ id, metric, expression, returnsData: isWatched }): AlarmQuery => {
    if (metric === null) return { id, metric: null, expression, isWatched };
    const { place, name, unit, statistic } = metric;
    return { id, metric: { place, name, ...(unit === undefined ? {} : { unit }), statistic }, expression: null, isWatched };
  });
  return { queries, periodS: alarmPeriod(periodS) };
}

function alarmPeriod(seconds: number): number {
  if (checkPeriod(seconds) >= 10) return seconds;
  throw wrongValue(`The parameter Period of an alarm must be 10, 20, 30 or a multiple of 60, got ${seconds}.`);
}

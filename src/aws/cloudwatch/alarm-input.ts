/** Parses and validates the input of PutMetricAlarm. Pure. */
import { type AlarmDefinition, type AlarmMetric, type AlarmQuery, type AlarmRule, comparisonOperators } from '../../alerts/index.ts';
import type { AwsInput } from '../service.ts';
import { invalidCombination, invalidValue, missingParameter } from './cloudwatch-errors.ts';
import { checkPeriod, checkStatistic, dimensionsOf } from './metric-key.ts';
import { readQueries } from './metric-queries.ts';

const queriesMax = 20;
/** Limits for all periods together: a day, or a week for periods of an hour or longer. */
const evaluatedSecondsMax = { short: 86_400, long: 7 * 86_400 } as const;
const missingDataWords = ['missing', 'ignore', 'breaching', 'notBreaching'] as const;

/** Members of the input that the alarm does not use but returns in descriptions. */
export interface AlarmEcho {
  readonly metrics?: readonly Readonly<Record<string, unknown>>[];
  readonly lowSamples?: string;
}

/** `checkAction` throws for an action that cannot be executed. */
export function readAlarm(input: AwsInput, checkAction: (action: string) => void): AlarmDefinition {
  const { AlarmName, AlarmDescription = '', ActionsEnabled = true, EvaluateLowSampleCountPercentile: lowSamples, Metrics } = input;
  refuseOthers(input);
  const { queries, periodS } = Metrics === undefined ? readMetric(input) : readExpression(input);
  const rule = readRule(input);
  const most = periodS >= 3600 ? evaluatedSecondsMax.long : evaluatedSecondsMax.short;
  if (rule.evaluationPeriods * periodS > most)
    throw invalidCombination(`Metrics cannot be checked across more than ${most} seconds (EvaluationPeriods * Period must be <= ${most}).`);
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
    throw invalidValue('The parameter EvaluationCriteria is not supported: PromQL is not evaluated here.');
  if (
    ThresholdMetricId !== undefined ||
    (ComparisonOperator !== undefined && !Object.hasOwn(comparisonOperators, ComparisonOperator as string))
  )
    throw invalidValue(
      `Alarms on bands of anomalies are not supported: give a Threshold and one of ${Object.keys(comparisonOperators).join(', ')}.`,
    );
}

function readRule(input: AwsInput): AlarmRule {
  const { ComparisonOperator, Threshold, EvaluationPeriods, DatapointsToAlarm = EvaluationPeriods, TreatMissingData = 'missing' } = input;
  for (const [name, value] of Object.entries({ ComparisonOperator, EvaluationPeriods, Threshold }))
    if (value === undefined) throw missingParameter(`The parameter ${name} is required.`);
  const [evaluationPeriods, datapointsToAlarm, threshold] = [Number(EvaluationPeriods), Number(DatapointsToAlarm), Number(Threshold)];
  if (!Number.isFinite(threshold)) throw invalidValue(`The value ${threshold} for parameter Threshold is invalid.`);
  if (datapointsToAlarm > evaluationPeriods)
    throw invalidCombination(
      `DatapointsToAlarm (${datapointsToAlarm}) must be less than or equal to EvaluationPeriods (${evaluationPeriods}).`,
    );
  const missingData = missingDataWords.find((word) => word === TreatMissingData);
  if (missingData === undefined)
    throw invalidValue(
      `The value ${String(TreatMissingData)} for parameter TreatMissingData is not one of ${missingDataWords.join(', ')}.`,
    );
  return { comparison: ComparisonOperator as AlarmRule['comparison'], threshold, evaluationPeriods, datapointsToAlarm, missingData };
}

interface Watched {
  readonly queries: readonly AlarmQuery[];
  readonly periodS: number;
}

function readMetric(input: AwsInput): Watched {
  const { MetricName, Namespace, Dimensions, Statistic, ExtendedStatistic, Unit, Period } = input;
  for (const [name, value] of Object.entries({ MetricName, Namespace, Period }))
    if (value === undefined) throw missingParameter(`The parameter ${name} is required unless Metrics is given.`);
  if ((Statistic === undefined) === (ExtendedStatistic === undefined))
    throw invalidCombination('Exactly one element of [Statistic, ExtendedStatistic] must be specified.');
  const metric: AlarmMetric = {
    metricKey: { namespace: String(Namespace), dimensions: dimensionsOf(Dimensions, 'Dimensions') },
    name: String(MetricName),
    ...(Unit === undefined ? {} : { unit: Unit as string }),
    statistic: checkStatistic(String(Statistic ?? ExtendedStatistic), Statistic === undefined ? 'ExtendedStatistic' : 'Statistic'),
  };
  return { queries: [{ id: 'm1', metric, expression: null, isWatched: true }], periodS: alarmPeriod(Number(Period)) };
}

function readExpression(input: AwsInput): Watched {
  const others = ['MetricName', 'Namespace', 'Dimensions', 'Statistic', 'ExtendedStatistic', 'Unit', 'Period'];
  const also = others.filter((name) => input[name] !== undefined);
  if (also.length > 0) throw invalidCombination(`Metrics cannot be specified together with ${also.join(', ')}.`);
  const requested = readQueries(input.Metrics, 'Metrics', queriesMax);
  const watched = requested.filter(({ returnsData }) => returnsData);
  if (watched.length !== 1) throw invalidCombination(`Exactly one element of the metrics list should return data, got ${watched.length}.`);
  const periods = new Set(requested.flatMap(({ metric, periodS }) => metric?.periodS ?? periodS ?? []));
  const [periodS] = periods;
  if (periodS === undefined) throw missingParameter('Metrics must hold at least one MetricStat: an alarm on no metric never has data.');
  if (periods.size > 1) throw invalidCombination(`All metrics of an alarm must have the same Period, got ${[...periods].join(', ')}.`);
  const queries = requested.map(({ id, metric, expression, returnsData: isWatched }): AlarmQuery => {
    if (metric === null) return { id, metric: null, expression, isWatched };
    const { metricKey, name, unit, statistic } = metric;
    return { id, metric: { metricKey, name, ...(unit === undefined ? {} : { unit }), statistic }, expression: null, isWatched };
  });
  return { queries, periodS: alarmPeriod(periodS) };
}

function alarmPeriod(seconds: number): number {
  if (checkPeriod(seconds) >= 10) return seconds;
  throw invalidValue(`The parameter Period of an alarm must be 10, 20, 30 or a multiple of 60, got ${seconds}.`);
}

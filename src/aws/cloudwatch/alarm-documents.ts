/** Alarms and their history in CloudWatch's format. Pure. */
import type { Alarm, AlarmMetric, AlarmNote } from '../../alerts/index.ts';
import type { AwsLocation } from '../service.ts';
import type { AlarmEcho } from './alarm-input.ts';
import { dimensionBodies } from './metric-key.ts';

const historyDataMax = 4095;

export function alarmArn({ region, account }: AwsLocation, name: string): string {
  return `arn:aws:cloudwatch:${region}:${account}:alarm:${name}`;
}

/** An element of DescribeAlarms. */
export function alarmDocument(awsLocation: AwsLocation, alarm: Alarm): Record<string, unknown> {
  const { name, description, rule, actions } = alarm;
  const { lowSamples } = (alarm.echo ?? {}) as AlarmEcho;
  return {
    AlarmName: name,
    AlarmArn: alarmArn(awsLocation, name),
    ...(description === '' ? {} : { AlarmDescription: description }),
    AlarmConfigurationUpdatedTimestamp: new Date(alarm.updatedAtMs),
    ActionsEnabled: alarm.actionsEnabled,
    OKActions: actions.OK,
    AlarmActions: actions.ALARM,
    InsufficientDataActions: actions.INSUFFICIENT_DATA,
    StateValue: alarm.state,
    StateReason: alarm.stateReason,
    StateUpdatedTimestamp: new Date(alarm.stateSinceMs),
    StateTransitionedTimestamp: new Date(alarm.stateSinceMs),
    ...watchedBody(alarm),
    EvaluationPeriods: rule.evaluationPeriods,
    DatapointsToAlarm: rule.datapointsToAlarm,
    Threshold: rule.threshold,
    ComparisonOperator: rule.comparison,
    TreatMissingData: rule.missingData,
    ...(lowSamples === undefined ? {} : { EvaluateLowSampleCountPercentile: lowSamples }),
  };
}

/** A metric alarm shows its metric, an expression alarm its queries, and an alarm evaluated elsewhere only its period. */
function watchedBody({ queries, periodS, echo }: Alarm): Record<string, unknown> {
  const { metrics } = (echo ?? {}) as AlarmEcho;
  const metric = metrics === undefined ? queries[0]?.metric : undefined;
  if (metrics !== undefined) return { Metrics: metrics };
  return metric === undefined || metric === null ? { Period: periodS } : { ...metricBody(metric), Period: periodS };
}

function metricBody({ metricKey, name, unit, statistic }: AlarmMetric): Record<string, unknown> {
  return {
    Namespace: metricKey.namespace,
    MetricName: name,
    Dimensions: dimensionBodies(metricKey.dimensions),
    ...(unit === undefined ? {} : { Unit: unit }),
    ...(statistic.startsWith('p') ? { ExtendedStatistic: statistic } : { Statistic: statistic }),
  };
}

/** An element of DescribeAlarmHistory; every alarm counts as a metric alarm. */
export function historyDocument({ alarm, atMs, kind, summary, data }: AlarmNote): Record<string, unknown> {
  return {
    AlarmName: alarm,
    AlarmType: 'MetricAlarm',
    Timestamp: new Date(atMs),
    HistoryItemType: kind,
    HistorySummary: summary,
    HistoryData: historyData(kind, data),
  };
}

function historyData(kind: AlarmNote['kind'], data: unknown): string {
  if (kind !== 'StateUpdate') return JSON.stringify(data).slice(0, historyDataMax);
  const { oldState, newState, reason, datapoints } = data as Record<string, unknown>;
  const stateReasonData = { recentDatapoints: datapoints ?? [] };
  const reported = {
    version: '1.0',
    oldState: { stateValue: oldState },
    newState: { stateValue: newState, stateReason: reason, stateReasonData },
  };
  return JSON.stringify(reported).slice(0, historyDataMax);
}

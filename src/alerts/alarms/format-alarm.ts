/** Short texts about alarms. Pure. */
import { nameKey, sameName } from '../../names.ts';
import type { AlarmDefinition } from './alarm.ts';
import { defaultAlarmNames } from './default-alarms.ts';

/** Signs for texts. */
export const comparisonSigns = {
  GreaterThanOrEqualToThreshold: '>=',
  GreaterThanThreshold: '>',
  LessThanThreshold: '<',
  LessThanOrEqualToThreshold: '<=',
} as const;

/** `p99 of Latency > 50 in 3 of 5 x 60 s`. Null for default alarms, which are not evaluated by such a rule. */
export function alarmRuleText({ queries, rule, periodS }: Pick<AlarmDefinition, 'queries' | 'rule' | 'periodS'>): string | null {
  const watched = queries.find(({ isWatched }) => isWatched);
  if (watched === undefined) return null;
  const subject = watched.metric === null ? watched.expression : `${watched.metric.statistic} of ${watched.metric.name}`;
  const { comparison, threshold, datapointsToAlarm, evaluationPeriods } = rule;
  return `${subject} ${comparisonSigns[comparison]} ${threshold} in ${datapointsToAlarm} of ${evaluationPeriods} x ${periodS} s`;
}

/** Whether this is a default alarm of the endpoint or measures the endpoint. */
export function isAlarmOf({ name, queries }: Pick<AlarmDefinition, 'name' | 'queries'>, endpoint: string): boolean {
  const isMeasured = queries.some(({ metric }) => metric?.metricKey.dimensions.EndpointName?.toLowerCase() === nameKey(endpoint));
  return isMeasured || defaultAlarmNames(endpoint).some((own) => sameName(own, name));
}

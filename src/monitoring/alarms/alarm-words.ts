/** What an alarm is about, in short. Pure. */
import type { AlarmDefinition } from './alarm.ts';
import { defaultAlarmNames } from './default-alarms.ts';

const signs = {
  GreaterThanOrEqualToThreshold: '>=',
  GreaterThanThreshold: '>',
  LessThanThreshold: '<',
  LessThanOrEqualToThreshold: '<=',
} as const;

/** `p99 of Latency > 50 in 3 of 5 x 60 s`; null where an alarm is judged by no such rule, as those that endpoints have by themselves. */
export function alarmRuleText({ queries, rule, periodS }: Pick<AlarmDefinition, 'queries' | 'rule' | 'periodS'>): string | null {
  const watched = queries.find(({ isWatched }) => isWatched);
  if (watched === undefined) return null;
  const what = watched.metric === null ? watched.expression : `${watched.metric.statistic} of ${watched.metric.name}`;
  const { comparison, threshold, datapointsToAlarm, evaluationPeriods } = rule;
  return `${what} ${signs[comparison]} ${threshold} in ${datapointsToAlarm} of ${evaluationPeriods} x ${periodS} s`;
}

/** Whether the endpoint has it by itself, or it looks at something that was measured of it. */
export function isAlarmOf({ name, queries }: Pick<AlarmDefinition, 'name' | 'queries'>, endpoint: string): boolean {
  const isMeasured = queries.some(({ metric }) => metric?.place.dimensions.EndpointName?.toLowerCase() === endpoint.toLowerCase());
  return isMeasured || defaultAlarmNames(endpoint).some((own) => own.toLowerCase() === name.toLowerCase());
}

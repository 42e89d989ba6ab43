/** Parses the rule of an alarm on one metric, in the form in which `alarmRuleText` shows it. Pure. */
import { PlatformError } from '../../errors.ts';
import { percentileNamed } from '../../metrics/index.ts';
import { parseDurationMs } from '../../objective.ts';
import type { AlarmDefinition } from './alarm.ts';
import { type AlarmRule } from './evaluate.ts';
import { comparisonSigns } from './format-alarm.ts';

/** A rule as a user wrote it in one line. */
export interface ParsedAlarmRule extends Pick<AlarmDefinition, 'periodS'> {
  readonly metric: string;
  readonly statistic: string;
  readonly rule: Omit<AlarmRule, 'missingData'>;
}

const pattern = /^(\S+)\s+of\s+(.+?)\s*(>=|<=|>|<)\s*([-+]?[\d.]+(?:e[-+]?\d+)?)(?:\s+in\s+(\d{1,6})\s+of\s+(\d{1,6})\s*x\s*(.+))?$/i;
const statistics = ['SampleCount', 'Sum', 'Average', 'Minimum', 'Maximum'];
/** CloudWatch's limits for all periods together: a day, or a week for periods of an hour or longer. */
const evaluatedSecondsMax = { short: 86_400, long: 7 * 86_400 } as const;

/** Without `in M of N x PERIOD`: one period of a minute. Throws `invalid_request`. */
export function parseAlarmRule(text: string): ParsedAlarmRule {
  const [, statistic, metric, sign, threshold, breaching = '1', periods = '1', period = '60 s'] = pattern.exec(text.trim()) ?? [];
  if (statistic === undefined || metric === undefined || !Number.isFinite(Number(threshold))) {
    throw refused(`the rule '${text.slice(0, 100)}' is not understood: expected such as 'p99 of Latency > 50 in 3 of 5 x 60s'`);
  }
  if (!statistics.includes(statistic) && percentileNamed(statistic) === null) {
    throw refused(`unknown statistic '${statistic.slice(0, 40)}': expected ${statistics.join(', ')} or a percentile such as p99`);
  }
  const [comparison] = Object.entries(comparisonSigns).find(([, own]) => own === sign) as [AlarmRule['comparison'], string];
  const [datapointsToAlarm, evaluationPeriods] = [Number(breaching), Number(periods)];
  if (datapointsToAlarm < 1 || datapointsToAlarm > evaluationPeriods) {
    throw refused(`expected at least 1 and at most all ${evaluationPeriods} periods, got ${datapointsToAlarm} of ${evaluationPeriods}`);
  }
  const periodS = parseDurationMs(period.replaceAll(' ', '')) / 1000;
  checkPeriod(periodS, evaluationPeriods);
  return { metric, statistic, periodS, rule: { comparison, threshold: Number(threshold), datapointsToAlarm, evaluationPeriods } };
}

function checkPeriod(periodS: number, evaluationPeriods: number): void {
  const isAllowed = [10, 20, 30].includes(periodS) || (periodS % 60 === 0 && periodS >= 60 && periodS <= 86_400);
  if (!isAllowed) throw refused(`expected a period of 10s, 20s, 30s or whole minutes up to a day, got ${periodS} s`);
  const most = periodS >= 3600 ? evaluatedSecondsMax.long : evaluatedSecondsMax.short;
  if (evaluationPeriods * periodS > most) {
    throw refused(`${evaluationPeriods} periods of ${periodS} s are too many: expected at most ${most / periodS}`);
  }
}

function refused(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

/** CloudWatch's alarm evaluation, as pure functions of the measured values. */

/** As CloudWatch has them. */
export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

/** By CloudWatch's name; each compares a value with the threshold. */
export const comparisonOperators = {
  GreaterThanOrEqualToThreshold: (value: number, threshold: number): boolean => value >= threshold,
  GreaterThanThreshold: (value: number, threshold: number): boolean => value > threshold,
  LessThanThreshold: (value: number, threshold: number): boolean => value < threshold,
  LessThanOrEqualToThreshold: (value: number, threshold: number): boolean => value <= threshold,
} as const;
/** Operators for fixed thresholds; those for bands are not supported. */
export type ComparisonOperator = keyof typeof comparisonOperators;

/** How a period without data is treated. */
export type MissingData = 'missing' | 'ignore' | 'breaching' | 'notBreaching';

/** M of the latest N periods must breach. */
export interface AlarmRule {
  readonly comparison: ComparisonOperator;
  readonly threshold: number;
  /** N: number of latest periods to evaluate. */
  readonly evaluationPeriods: number;
  /** M: number of them that must breach. */
  readonly datapointsToAlarm: number;
  readonly missingData: MissingData;
}

/** The result of one evaluation. */
export interface AlarmEvaluation {
  readonly state: AlarmState;
  /** `Threshold Crossed: ...` */
  readonly reason: string;
  /** The evaluated values, latest first. */
  readonly datapoints: readonly number[];
}

/**
 * `values` are by period, latest last; null if nothing was measured. More than N may be passed: older values replace missing ones among the
 * latest N. Only periods still missing are treated as `missingData` says ("Configuring how CloudWatch alarms treat missing data", Amazon
 * CloudWatch User Guide, with its two tables).
 */
export function evaluate(rule: AlarmRule, values: readonly (number | null)[], before: AlarmState): AlarmEvaluation {
  const { comparison, threshold, evaluationPeriods: n, datapointsToAlarm: m, missingData } = rule;
  const latest = values.toReversed();
  const datapoints = latest.filter((value) => value !== null).slice(0, n);
  if (datapoints.length === 0) return withoutData(rule, before);
  const breaching = datapoints.filter((value) => comparisonOperators[comparison](value, threshold)).length;
  const missing = n - datapoints.length;
  const reported = (state: AlarmState, why: string): AlarmEvaluation => ({ state, reason: why, datapoints });
  const datapointsText = `${datapoints.length} datapoint${datapoints.length === 1 ? '' : 's'} [${datapoints.map(String).join(', ')}]`;
  const crossed = `Threshold Crossed: ${breaching} out of ${datapointsText} ${breaching === 1 ? 'was' : 'were'} ${comparisonTexts[comparison]} the threshold (${threshold})`;
  const firing = (): AlarmEvaluation =>
    reported('ALARM', `${crossed} (minimum ${m} datapoint${m === 1 ? '' : 's'} for OK -> ALARM transition).`);
  const recovered = (): AlarmEvaluation => reported('OK', `${crossed} (minimum ${n - m + 1} not breaching for ALARM -> OK transition).`);
  if (breaching >= m || (missingData === 'breaching' && breaching + missing >= m)) return firing();
  if (missingData === 'breaching' || missingData === 'notBreaching' || datapoints.length > breaching) return recovered();
  // All values breach. If they arrived only now, the next period may still recover.
  const oldest = 1 + latest.findLastIndex((value) => value !== null);
  if (missingData === 'missing' && oldest >= m) return firing();
  return reported(before, `${crossed}, ${missing} missing: the state is kept.`);
}

function withoutData({ evaluationPeriods: n, missingData }: AlarmRule, before: AlarmState): AlarmEvaluation {
  const nothing = `no datapoints were received for ${n} period${n === 1 ? '' : 's'}`;
  const reported = (state: AlarmState, reason: string): AlarmEvaluation => ({ state, reason, datapoints: [] });
  if (missingData === 'breaching') return reported('ALARM', `Threshold Crossed: ${nothing} and missing ones count as breaching.`);
  if (missingData === 'notBreaching') return reported('OK', `Threshold Crossed: ${nothing} and missing ones count as not breaching.`);
  if (missingData === 'ignore') return reported(before, `Unchecked: ${nothing} and the state is kept.`);
  return reported('INSUFFICIENT_DATA', `Insufficient Data: ${nothing}.`);
}

const comparisonTexts: Readonly<Record<ComparisonOperator, string>> = {
  GreaterThanOrEqualToThreshold: 'greater than or equal to',
  GreaterThanThreshold: 'greater than',
  LessThanThreshold: 'less than',
  LessThanOrEqualToThreshold: 'less than or equal to',
};

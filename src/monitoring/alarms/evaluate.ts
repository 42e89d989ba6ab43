/** When an alarm rings: CloudWatch's rules, as pure functions of what was measured. */
import { type Measured, percentileOf } from '../series/measured.ts';

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

export const comparisons = {
  GreaterThanOrEqualToThreshold: (value: number, threshold: number): boolean => value >= threshold,
  GreaterThanThreshold: (value: number, threshold: number): boolean => value > threshold,
  LessThanThreshold: (value: number, threshold: number): boolean => value < threshold,
  LessThanOrEqualToThreshold: (value: number, threshold: number): boolean => value <= threshold,
} as const;
export type Comparison = keyof typeof comparisons;

/** What a period without data counts as. */
export type MissingData = 'missing' | 'ignore' | 'breaching' | 'notBreaching';

export interface AlarmRule {
  readonly comparison: Comparison;
  readonly threshold: number;
  /** N: how many of the latest periods are looked at. */
  readonly evaluationPeriods: number;
  /** M: so many of them must breach. */
  readonly datapointsToAlarm: number;
  readonly missingData: MissingData;
}

export interface Verdict {
  readonly state: AlarmState;
  /** `Threshold Crossed: ...` */
  readonly reason: string;
  /** The values that counted, the latest first. */
  readonly datapoints: readonly number[];
}

/**
 * `values` by period, the latest last; null where nothing was measured. More than N may be given: where some of the latest N are missing,
 * older ones take their places, and only what is missing still is what `missingData` says ("Configuring how CloudWatch alarms treat missing
 * data", Amazon CloudWatch User Guide, with its two tables).
 */
export function evaluate(rule: AlarmRule, values: readonly (number | null)[], before: AlarmState): Verdict {
  const { comparison, threshold, evaluationPeriods: n, datapointsToAlarm: m, missingData } = rule;
  const latest = values.toReversed();
  const datapoints = latest.filter((value) => value !== null).slice(0, n);
  if (datapoints.length === 0) return withoutData(rule, before);
  const breaching = datapoints.filter((value) => comparisons[comparison](value, threshold)).length;
  const missing = n - datapoints.length;
  const told = (state: AlarmState, why: string): Verdict => ({ state, reason: why, datapoints });
  const shown = `${datapoints.length} datapoint${datapoints.length === 1 ? '' : 's'} [${datapoints.map(String).join(', ')}]`;
  const crossed = `Threshold Crossed: ${breaching} out of ${shown} ${breaching === 1 ? 'was' : 'were'} ${words[comparison]} the threshold (${threshold})`;
  const ringing = (): Verdict => told('ALARM', `${crossed} (minimum ${m} datapoint${m === 1 ? '' : 's'} for OK -> ALARM transition).`);
  const calm = (): Verdict => told('OK', `${crossed} (minimum ${n - m + 1} not breaching for ALARM -> OK transition).`);
  if (breaching >= m || (missingData === 'breaching' && breaching + missing >= m)) return ringing();
  if (missingData === 'breaching' || missingData === 'notBreaching' || datapoints.length > breaching) return calm();
  // All that came breaches. Nothing says that it is better since then, but the next period may, where it came only now.
  const oldest = 1 + latest.findLastIndex((value) => value !== null);
  if (missingData === 'missing' && oldest >= m) return ringing();
  return told(before, `${crossed}, ${missing} missing: the state is kept.`);
}

function withoutData({ evaluationPeriods: n, missingData }: AlarmRule, before: AlarmState): Verdict {
  const nothing = `no datapoints were received for ${n} period${n === 1 ? '' : 's'}`;
  const told = (state: AlarmState, reason: string): Verdict => ({ state, reason, datapoints: [] });
  if (missingData === 'breaching') return told('ALARM', `Threshold Crossed: ${nothing} and missing ones count as breaching.`);
  if (missingData === 'notBreaching') return told('OK', `Threshold Crossed: ${nothing} and missing ones count as not breaching.`);
  if (missingData === 'ignore') return told(before, `Unchecked: ${nothing} and the state is kept.`);
  return told('INSUFFICIENT_DATA', `Insufficient Data: ${nothing}.`);
}

const words: Readonly<Record<Comparison, string>> = {
  GreaterThanOrEqualToThreshold: 'greater than or equal to',
  GreaterThanThreshold: 'greater than',
  LessThanThreshold: 'less than',
  LessThanOrEqualToThreshold: 'less than or equal to',
};

/** `p0` to `p100`, with decimals. Null where it is none. */
export function percentileNamed(text: string): number | null {
  const [, digits] = /^p(\d{1,3}(?:\.\d{1,10})?)$/.exec(text) ?? [];
  const percentile = digits === undefined ? Number.NaN : Number(digits);
  return percentile <= 100 ? percentile : null;
}

/** A statistic by CloudWatch's name, or a percentile such as `p99.9`; null where nothing was measured, or it is neither. */
export function statisticOf(measured: Measured, name: string): number | null {
  if (measured.count === 0) return null;
  if (name === 'SampleCount') return measured.count;
  if (name === 'Sum') return measured.sum;
  if (name === 'Average') return measured.sum / measured.count;
  if (name === 'Minimum') return measured.min;
  if (name === 'Maximum') return measured.max;
  const percentile = percentileNamed(name);
  return percentile === null ? null : percentileOf(measured, percentile);
}

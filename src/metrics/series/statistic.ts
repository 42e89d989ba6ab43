/** Statistics of a measured series by CloudWatch's names. */
import { type Measured, percentileOf } from './measured.ts';

/** Parses `p0` to `p100`, with decimals. Null for anything else. */
export function percentileNamed(text: string): number | null {
  const [, digits] = /^p(\d{1,3}(?:\.\d{1,10})?)$/.exec(text) ?? [];
  const percentile = digits === undefined ? Number.NaN : Number(digits);
  return percentile <= 100 ? percentile : null;
}

/** A statistic by CloudWatch's name or a percentile such as `p99.9`. Null if nothing was measured or the name is unknown. */
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

/** Parses CloudWatch's metric names, dimensions, periods and statistics. Pure. */
import { type MetricKey, percentileNamed } from '../../metrics/index.ts';
import { invalidCombination, invalidValue } from './cloudwatch-errors.ts';

export interface DimensionBody {
  readonly Name: string;
  readonly Value: string;
}

const statistics = ['SampleCount', 'Average', 'Sum', 'Minimum', 'Maximum'] as const;

/** Characters that dimensions must not contain. */
const notPrintable = /[^\x20-\x7e]/;

/** Throws `InvalidParameterValue`; `at` is the path of the dimensions in the input. */
export function dimensionsOf(bodies: unknown, at: string): Record<string, string> {
  const dimensions: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [index, { Name, Value }] of ((bodies ?? []) as readonly DimensionBody[]).entries()) {
    const member = `${at}.member.${index + 1}`;
    if (Name.trim() === '' || Name.startsWith(':') || notPrintable.test(Name))
      throw invalidValue(`The value ${Name} for parameter ${member}.Name is invalid: printable ASCII that begins with no colon.`);
    if (Value.trim() === '' || notPrintable.test(Value))
      throw invalidValue(`The value ${Value} for parameter ${member}.Value is invalid: printable ASCII is expected.`);
    if (Name in dimensions) throw invalidValue(`The parameter ${at} names the dimension ${Name} twice.`);
    dimensions[Name] = Value;
  }
  return { ...dimensions };
}

export function dimensionBodies(dimensions: MetricKey['dimensions']): DimensionBody[] {
  return Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
}

/** In seconds. Throws `InvalidParameterValue` unless the period is 1, 5, 10, 20, 30 or a multiple of 60. */
export function checkPeriod(seconds: number, at = 'Period'): number {
  if (seconds >= 60 ? seconds % 60 === 0 && seconds <= 86_400 * 7 : [1, 5, 10, 20, 30].includes(seconds)) return seconds;
  throw invalidValue(`The parameter ${at} must be 1, 5, 10, 20, 30 or a multiple of 60, got ${seconds}.`);
}

/** Throws `InvalidParameterValue` for an unknown statistic. */
export function checkStatistic(name: string, at = 'Stat'): string {
  if ((statistics as readonly string[]).includes(name) || percentileNamed(name) !== null) return name;
  throw invalidValue(
    `The value ${name.slice(0, 40)} for parameter ${at} is not supported: expected ${statistics.join(', ')}, or p0.0 to p100 such as p99.9.`,
  );
}

/** In epoch milliseconds. Rounds the start down as CloudWatch does: to whole minutes, or to whole periods if they are shorter. */
export function timeRangeOf({ StartTime, EndTime }: Readonly<Record<string, unknown>>, periodS: number): { fromMs: number; toMs: number } {
  const [startMs, toMs] = [Number(StartTime), Number(EndTime)];
  if (startMs >= toMs) throw invalidCombination('The parameter StartTime must be less than the parameter EndTime.');
  const stepMs = Math.min(periodS, 60) * 1000;
  return { fromMs: Math.floor(startMs / stepMs) * stepMs, toMs };
}

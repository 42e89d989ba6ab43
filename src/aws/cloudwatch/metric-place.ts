/** Metrics as CloudWatch names them: namespace, name, dimensions; periods and statistics. Pure. */
import { type MetricPlace, percentileNamed } from '../../monitoring/index.ts';
import { wrongCombination, wrongValue } from './refusals.ts';

export interface DimensionBody {
  readonly Name: string;
  readonly Value: string;
}

const statistics = ['SampleCount', 'Average', 'Sum', 'Minimum', 'Maximum'] as const;

/** What no text of a dimension may hold. */
const notPrintable = /[^\x20-\x7e]/;

/** Throws `InvalidParameterValue`; `at` is where they stand in the call. */
export function dimensionsOf(bodies: unknown, at: string): Record<string, string> {
  const dimensions: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [index, { Name, Value }] of ((bodies ?? []) as readonly DimensionBody[]).entries()) {
    const member = `${at}.member.${index + 1}`;
    if (Name.trim() === '' || Name.startsWith(':') || notPrintable.test(Name))
      throw wrongValue(`The value ${Name} for parameter ${member}.Name is invalid: printable ASCII that begins with no colon.`);
    if (Value.trim() === '' || notPrintable.test(Value))
      throw wrongValue(`The value ${Value} for parameter ${member}.Value is invalid: printable ASCII is expected.`);
    if (Name in dimensions) throw wrongValue(`The parameter ${at} names the dimension ${Name} twice.`);
    dimensions[Name] = Value;
  }
  return { ...dimensions };
}

export function dimensionBodies(dimensions: MetricPlace['dimensions']): DimensionBody[] {
  return Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
}

/** Seconds. Throws `InvalidParameterValue` for what is neither 1, 5, 10, 20, 30 nor whole minutes. */
export function checkPeriod(seconds: number, at = 'Period'): number {
  if (seconds >= 60 ? seconds % 60 === 0 && seconds <= 86_400 * 7 : [1, 5, 10, 20, 30].includes(seconds)) return seconds;
  throw wrongValue(`The parameter ${at} must be 1, 5, 10, 20, 30 or a multiple of 60, got ${seconds}.`);
}

/** Throws `InvalidParameterValue` for what is no statistic that is kept. */
export function checkStatistic(name: string, at = 'Stat'): string {
  if ((statistics as readonly string[]).includes(name) || percentileNamed(name) !== null) return name;
  throw wrongValue(
    `The value ${name.slice(0, 40)} for parameter ${at} is not supported: expected ${statistics.join(', ')}, or p0.0 to p100 such as p99.9.`,
  );
}

/** Epoch milliseconds, the first rounded down as CloudWatch does: whole minutes, or whole periods where those are shorter. */
export function spanOf({ StartTime, EndTime }: Readonly<Record<string, unknown>>, periodS: number): { fromMs: number; toMs: number } {
  const [startMs, toMs] = [Number(StartTime), Number(EndTime)];
  if (startMs >= toMs) throw wrongCombination('The parameter StartTime must be less than the parameter EndTime.');
  const stepMs = Math.min(periodS, 60) * 1000;
  return { fromMs: Math.floor(startMs / stepMs) * stepMs, toMs };
}

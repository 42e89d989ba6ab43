/**
 * Finds metrics in lines of output, in time linear in the lines: the patterns of RE2, without look-around and back-references. Runs in a
 * thread. Pure.
 */
import { RE2JS } from 're2js';
import { messageOf } from '../../errors.ts';
import { threadTask } from '../../threads/index.ts';
import type { TrainingMetric } from '../spec.ts';
import type { TrainingMetricValue } from '../training-job.ts';

/** Patterns, and lines to find them in. Plain data for the thread. */
export interface MatchRequest {
  readonly metrics: readonly TrainingMetric[];
  readonly lines: readonly { readonly atMs: number; readonly line: string }[];
}

interface MetricMatcher {
  readonly name: string;
  /** A text that every matching line contains; empty: unknown. Searching for it is many times faster than matching. */
  readonly literal: string;
  readonly pattern: RE2JS;
}

/** Values per pattern and line: a line of 256 KiB could otherwise hold 100,000. */
const matchesPerLine = 100;
const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const compiled = new Map<string, RE2JS>();
const compiledMax = 500;

/** One sentence per invalid pattern; empty if all are valid. */
export const checkMetricsTask = threadTask(import.meta.url, 'checkMetricsTask', (metrics: readonly TrainingMetric[]): readonly string[] =>
  metrics.flatMap(({ name, regex }) => {
    const shown = `MetricDefinitions: regex '${regex.slice(0, 100)}' of '${name.slice(0, 60)}' cannot be used:`;
    if (/\(\?<?[=!]/.test(regex)) return [`${shown} ${/\(\?<[=!]/.test(regex) ? 'look-behind' : 'look-ahead'} is not supported.`];
    try {
      return compile(regex).groupCount() === 0 ? [`${shown} it has no capture group, such as acc=([0-9.]+).`] : [];
    } catch (error) {
      return [`${shown} ${messageOf(error)}.`];
    }
  }),
);

/** The first capture group of each match that is a finite number, in the order of lines and metrics. */
export const matchMetricsTask = threadTask(
  import.meta.url,
  'matchMetricsTask',
  ({ metrics, lines }: MatchRequest): readonly TrainingMetricValue[] => {
    const matchers = metrics.map(({ name, regex }): MetricMatcher => ({ name, literal: leadingLiteral(regex), pattern: compile(regex) }));
    const values: TrainingMetricValue[] = [];
    for (const { atMs, line } of lines) {
      for (const { name, literal, pattern } of matchers) {
        if (literal !== '' && !line.includes(literal)) continue;
        const matcher = pattern.matcher(line);
        for (let count = 0; count < matchesPerLine && matcher.find(); count++) {
          const value = numberOf(matcher.group(1));
          if (value !== null) values.push({ name, value, atMs });
        }
      }
    }
    return values;
  },
);

/** Null for anything but a finite decimal number. */
function numberOf(text: string | null): number | null {
  if (text === null || !number.test(text)) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

function compile(regex: string): RE2JS {
  const known = compiled.get(regex);
  if (known !== undefined) return known;
  const pattern = RE2JS.compile(regex);
  if (compiled.size >= compiledMax) compiled.clear();
  compiled.set(regex, pattern);
  return pattern;
}

/** The literal text at the beginning of a pattern; empty if there is none, or if the pattern has alternatives. */
export function leadingLiteral(regex: string): string {
  if (regex.includes('|')) return '';
  const [text = ''] = /^[A-Za-z0-9 _=:,;<>@#%&~"'/-]*/.exec(regex.replace(/^\^/, '')) ?? [];
  const next = regex.replace(/^\^/, '')[text.length] ?? '';
  return '*?{+'.includes(next) && next !== '' ? text.slice(0, -1) : text;
}

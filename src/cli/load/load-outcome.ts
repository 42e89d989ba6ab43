/** What a load has shown, in numbers and in words. Pure. */
import { formatObjective, type Objective } from '../../objective.ts';
import { fields, table } from '../table.ts';
import { msText, shareText } from '../words.ts';
import type { LoadReport } from './run-load.ts';

export interface LoadOutcome {
  readonly endpoint: string;
  readonly loop: 'open' | 'closed';
  /** Such as `poisson arrivals, 200/s for 30 s`. */
  readonly load: string;
  readonly requests: number;
  readonly answered: number;
  readonly failed: number;
  readonly elapsed_ms: number;
  readonly answered_per_second: number;
  /** Null where nobody was answered. */
  readonly latency_ms: Readonly<Record<'p50' | 'p90' | 'p95' | 'p99' | 'p999' | 'max', number>> | null;
  readonly objective: string | null;
  /** Of all requests, those that failed included; null without an objective, or without requests. */
  readonly in_time: number | null;
  readonly kept: boolean | null;
  readonly failures: readonly { readonly kind: string; readonly count: number; readonly first: string }[];
}

export function outcomeOf(
  report: Omit<LoadReport, 'answers'>,
  about: Pick<LoadOutcome, 'endpoint' | 'loop' | 'load'>,
  objective: Objective | null,
): LoadOutcome {
  const { failures, excuses, elapsedMs } = report;
  const sorted = report.latenciesMs.toSorted((a, b) => a - b);
  const failed = failures.reduce((sum, [, count]) => sum + count, 0);
  const requests = sorted.length + failed;
  // What failed kept no promise.
  const inTime =
    objective === null || requests === 0 ? null : sorted.filter((latencyMs) => latencyMs <= objective.latencyMs).length / requests;
  const first = new Map(excuses);
  return {
    ...about,
    requests,
    answered: sorted.length,
    failed,
    elapsed_ms: elapsedMs,
    answered_per_second: elapsedMs === 0 ? 0 : (sorted.length * 1000) / elapsedMs,
    latency_ms: sorted.length === 0 ? null : latenciesIn(sorted),
    objective: objective === null ? null : formatObjective(objective),
    in_time: inTime,
    kept: inTime === null || objective === null ? null : inTime * 100 >= objective.percentile,
    failures: failures
      .toSorted(([, a], [, b]) => b - a)
      .map(([kind, count]) => ({ kind, count, first: reasonIn(first.get(kind) ?? '', kind) })),
  };
}

/** Nearest rank. */
function latenciesIn(sorted: readonly number[]): NonNullable<LoadOutcome['latency_ms']> {
  const at = (quantile: number): number => sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] as number;
  return { p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), p999: at(0.999), max: at(1) };
}

function reasonIn(body: string, kind: string): string {
  if (kind === 'broken') return 'the connection ended, or none could be had';
  return /"error": ?"((?:[^"\\]|\\.)*)/.exec(body)?.[1]?.replaceAll('\\"', '"') ?? body.trim();
}

export function outcomeText(outcome: LoadOutcome): string {
  const { endpoint, loop, load, latency_ms: latency, objective, in_time: inTime, kept, failures } = outcome;
  const promise =
    objective === null || inTime === null ? null : `${objective}: ${kept ? 'kept' : 'not kept'}, ${shareText(inTime)} in time`;
  const text = fields([
    ['endpoint', endpoint],
    ['load', `${load} (${loop} loop)`],
    ['answered', `${outcome.answered} of ${outcome.requests}, ${Math.round(10 * outcome.answered_per_second) / 10}/s`],
    ['failed', outcome.failed],
    ['latency', latency === null ? null : latencyText(latency)],
    ['promise', promise],
  ]);
  const told = table(failures, [
    { title: 'FAILED', cell: ({ kind }) => kind },
    { title: 'COUNT', cell: ({ count }) => count, align: 'right' },
    { title: 'THE FIRST SAYS', cell: ({ first }) => first.slice(0, 160) },
  ]);
  const since =
    loop === 'open'
      ? 'latency counts from when a request was to be sent, so what waits behind slow answers is in it'
      : 'latency counts from the sending: who is answered slowly asks less, so waits are understated; --rate counts them';
  return `${text}${failures.length === 0 ? '' : `\n${told}`}${since}\n`;
}

function latencyText(latency: NonNullable<LoadOutcome['latency_ms']>): string {
  const { p999, max, ...others } = latency;
  const parts = Object.entries(others).map(([name, ms]) => `${name} ${msText(ms)}`);
  return [...parts, `p99.9 ${msText(p999)}`, `max ${msText(max)}`].join(', ');
}

/** Sums of cost lines by endpoint and by time, and the periods to choose from. Pure functions; all times are UTC, as the server counts. */
import type { CostsBody } from '../../../src/api/index.ts';
import { pricePerMillion } from '../kit/format/money.ts';

type CostItem = CostsBody['items'][number];

export interface CostSum {
  /** US dollars of instances, without provisioned functions. */
  readonly instanceUsd: number;
  /** US dollars of functions, provisioned ones included. */
  readonly functionUsd: number;
  readonly totalUsd: number;
  readonly requests: number;
  readonly failedRequests: number;
  readonly coldStarts: number;
  /** Null below a thousand requests. */
  readonly usdPerMillion: number | null;
}

type Counted = Omit<CostItem, 'at' | 'endpoint' | 'variant'>;

export function costSum(items: readonly Counted[]): CostSum {
  const sum = (pick: (item: Counted) => number): number => items.reduce((total, item) => total + pick(item), 0);
  const [totalUsd, requests] = [sum((item) => item.total_usd), sum((item) => item.requests)];
  return {
    instanceUsd: sum((item) => item.instance_usd - item.provisioned_usd),
    functionUsd: sum((item) => item.function_usd + item.provisioned_usd),
    totalUsd,
    requests,
    failedRequests: sum((item) => item.failed_requests),
    coldStarts: sum((item) => item.cold_starts),
    usdPerMillion: pricePerMillion(totalUsd, requests),
  };
}

export interface NamedSum extends CostSum {
  readonly endpoint: string;
  readonly variants: readonly string[];
}

/** The most expensive endpoint first. */
export function sumsByEndpoint(items: readonly CostItem[]): NamedSum[] {
  return [...Map.groupBy(items, ({ endpoint }) => endpoint)]
    .map(([endpoint, lines]) => ({ endpoint, variants: [...new Set(lines.map(({ variant }) => variant))], ...costSum(lines) }))
    .toSorted((a, b) => b.totalUsd - a.totalUsd || a.endpoint.localeCompare(b.endpoint));
}

export interface TimedSum extends CostSum {
  /** Start of the hour or day, epoch milliseconds. */
  readonly atMs: number;
}

/** One sum per step from `fromMs` to `toMs`, also for steps without use. */
export function sumsByTime(items: readonly CostItem[], { fromMs, toMs, stepMs }: CostSpan): TimedSum[] {
  const lines = Map.groupBy(items, ({ at }) => Date.parse(at));
  const first = fromMs - (fromMs % stepMs);
  const steps = Math.max(0, Math.ceil((toMs - first) / stepMs));
  return Array.from({ length: steps }, (_, index) => {
    const atMs = first + index * stepMs;
    return { atMs, ...costSum(lines.get(atMs) ?? []) };
  });
}

export interface CostSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export const costRanges = [
  { name: 'month', title: 'Month to date' },
  { name: 'last', title: 'Last month' },
  { name: '7d', title: '7 d' },
  { name: '24h', title: '24 h' },
] as const;

export type CostRangeName = (typeof costRanges)[number]['name'];

export const monthStart = (ms: number, offset = 0): number => {
  const at = new Date(ms);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + offset);
};

/** Whole UTC days, except for 24 h, which has whole hours. */
export function costSpan(name: CostRangeName, nowMs: number): CostSpan {
  if (name === '24h') return { fromMs: nowMs - (nowMs % hourMs) - 23 * hourMs, toMs: nowMs, stepMs: hourMs };
  if (name === '7d') return { fromMs: nowMs - (nowMs % dayMs) - 6 * dayMs, toMs: nowMs, stepMs: dayMs };
  if (name === 'last') return { fromMs: monthStart(nowMs, -1), toMs: monthStart(nowMs), stepMs: dayMs };
  return { fromMs: monthStart(nowMs), toMs: nowMs, stepMs: dayMs };
}

const paceMsMin = 600_000;

/**
 * What the month will cost at the pace of the last 24 hours. `lastDay` has a line per hour. The hour of the first use is left out, because
 * it may not have been used in full. Null if there are less than ten minutes to judge by.
 */
export function monthAtThisPace(monthUsd: number, lastDay: readonly CostItem[], nowMs: number): number | null {
  if (lastDay.length === 0) return monthUsd;
  const { fromMs } = costSpan('24h', nowMs);
  const firstMs = Math.min(...lastDay.map(({ at }) => Date.parse(at)));
  const sinceMs = firstMs <= fromMs ? fromMs : firstMs + hourMs;
  const elapsedMs = nowMs - sinceMs;
  if (elapsedMs < paceMsMin) return null;
  const { totalUsd } = costSum(lastDay.filter(({ at }) => Date.parse(at) >= sinceMs));
  return monthUsd + (totalUsd / elapsedMs) * (monthStart(nowMs, 1) - nowMs);
}

export const costCsvHeader = [
  'from',
  'endpoint',
  'variant',
  'instance_usd',
  'function_usd',
  'provisioned_usd',
  'total_usd',
  'failed_runs_usd',
  'instance_seconds',
  'function_gb_seconds',
  'invocations',
  'cold_starts',
  'requests',
  'failed_requests',
] as const;

/** The rows of the CSV export, with the names of the API. */
export function costCsvRows(items: readonly CostItem[]): (string | number)[][] {
  return items.map((item) => costCsvHeader.map((name) => (name === 'from' ? item.at : item[name])));
}

/** Summarises a history: sums over the visible range and current values. */
import type { EndpointBody, HistoryBody } from '../../../../src/api/index.ts';
import { pricePerMillion } from '../../kit/format/money.ts';
import type { ChosenRange } from '../../kit/page/time-range.tsx';

type Columns = HistoryBody['columns'];

export interface HistorySums {
  /** Requests per second, now. */
  readonly rate: number | null;
  /** The highest rate of a single period, in requests per second. */
  readonly peakRate: number | null;
  /** Epoch seconds. */
  readonly peakAt: number | null;
  /** Current latency at the objective's percentile, or p95 without an objective. */
  readonly promisedMs: number | null;
  /** Share of the requests with an objective. */
  readonly inTime: number | null;
  /** Share of all requests that functions served. */
  readonly functionShare: number | null;
  readonly functionRate: number | null;
  readonly meanBatch: number | null;
  /** Current cost of instances and functions together. */
  readonly usdPerHour: number | null;
  readonly usdPerMillion: number | null;
  readonly requestsPerHour: number | null;
}

/** The in-time share of the visible range. For the last hour it is the server's value, as in the command line; otherwise it is computed. */
export function shownInTime(
  endpoint: Pick<EndpointBody, 'in_time'>,
  sums: Pick<HistorySums, 'inTime'>,
  { isZoomed, spanS }: Pick<ChosenRange, 'isZoomed' | 'spanS'>,
): number | null {
  return !isZoomed && spanS === 3600 ? endpoint.in_time : sums.inTime;
}

const freshPeriods = 6;

/** The latest value of the last six periods; null if all are gaps, so a stale value is never shown as current. */
export function now(column: Columns[keyof Columns]): number | null {
  for (let index = column.length - 1; index >= Math.max(0, column.length - freshPeriods); index--) {
    const value = column[index];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/** Null for everything without data. Periods without a rate count as zero requests in sums. */
export function sumsOf({ at, columns, period_s: periodS }: HistoryBody): HistorySums {
  const total = (name: keyof Columns, weight?: keyof Columns): number =>
    columns[name].reduce<number>((sum, value, index) => sum + (value ?? 0) * (weight === undefined ? 1 : (columns[weight][index] ?? 0)), 0);
  const weightOf = (name: keyof Columns): number =>
    columns.rate.reduce<number>((sum, rate, index) => sum + (columns[name][index] === null ? 0 : (rate ?? 0)), 0);
  const peakIndex = columns.rate.reduce<number>((best, value, index) => ((value ?? -1) > (columns.rate[best] ?? -1) ? index : best), 0);
  const requests = total('rate');
  const known = columns.rate.filter((value) => value !== null).length;
  const usd = total('instance_usd_per_hour') + total('function_usd_per_hour');
  const promisedWeight = weightOf('in_time');
  const [instanceUsd, functionUsd] = [now(columns.instance_usd_per_hour), now(columns.function_usd_per_hour)];
  return {
    rate: now(columns.rate) ?? (known > 0 ? 0 : null),
    peakRate: known === 0 ? null : (columns.rate[peakIndex] ?? null),
    peakAt: known === 0 ? null : (at[peakIndex] ?? null),
    promisedMs: now(columns.promised_ms) ?? now(columns.p95_ms),
    inTime: promisedWeight === 0 ? null : total('in_time', 'rate') / promisedWeight,
    functionShare: requests === 0 ? null : total('function_rate') / requests,
    functionRate: now(columns.function_rate),
    meanBatch: now(columns.mean_batch),
    usdPerHour: instanceUsd === null && functionUsd === null ? null : (instanceUsd ?? 0) + (functionUsd ?? 0),
    usdPerMillion: pricePerMillion((usd / 3600) * periodS, requests * periodS),
    requestsPerHour: known === 0 ? null : (requests / known) * 3600,
  };
}

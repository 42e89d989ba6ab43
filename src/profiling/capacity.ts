/** What one executor can carry: the batch size it should take, and the rate that gives. Pure. */
import { formatMs, type Objective } from '../objective.ts';
import type { ServiceTable } from './service-table.ts';

export interface BatchChoice {
  /** B: the most rows an instance takes at once. */
  readonly batchSize: number;
  /** Rows per second of one executor that always has a full batch (mu); 0 while nothing was measured. */
  readonly ratePerSecond: number;
  /** Whether the objective can be kept by this executor at all. */
  readonly feasible: boolean;
  readonly reason: string;
}

/** A model that computes as long for two rows as for one and one gains nothing by batches: a gain below this is noise of the measurement. */
const gainMin = 1.05;

/**
 * B, the batch size of an always-on executor:
 *
 *   B = argmax b / s(b)  over  { b : 2 s(b) + d <= L },   the smallest on ties
 *
 * because in the worst case a request waits for one whole batch and rides in the next. s(b) = S_q(b) with the quantile
 * of the objective, L its latency, d = overheadMs. Without an objective every b may be taken, and s is the median.
 * When no b is feasible the promise is broken anyway: then it is the b of best throughput, which at least keeps the
 * queue short, and the reason says what is missing.
 */
export function batchSizeFor(table: ServiceTable, objective: Objective | null, overheadMs: number): BatchChoice {
  if (!table.isKnown) return { batchSize: 1, ratePerSecond: 0, feasible: true, reason: 'the service time is not measured yet' };
  const serviceMs = objective === null ? (b: number) => table.medianMs(b) : (b: number) => table.quantileMs(objective.percentile / 100, b);
  const latencyMs = objective === null ? Number.POSITIVE_INFINITY : objective.latencyMs;
  const isFeasible = 2 * serviceMs(1) + overheadMs <= latencyMs;
  let best = { b: 1, rowsPerMs: 1 / serviceMs(1) };
  for (let b = 2; b <= table.batchMax; b++) {
    const ms = serviceMs(b);
    if (isFeasible && 2 * ms + overheadMs > latencyMs) break; // s never falls with b
    if (b / ms > best.rowsPerMs) best = { b, rowsPerMs: b / ms };
  }
  // By the medians: a single slow run of one row looks like a gain in the tail.
  const gain = (best.b * table.medianMs(1)) / table.medianMs(best.b);
  if (gain < gainMin) best = { b: 1, rowsPerMs: 1 / serviceMs(1) };
  const ratePerSecond = best.rowsPerMs * 1000;
  if (!isFeasible) {
    const reason = `cannot meet ${formatMs(latencyMs)}: 2*s(1)+d = ${round(2 * serviceMs(1) + overheadMs)} ms; ${round(ratePerSecond)} rows/s at b=${best.b} is the most`;
    return { batchSize: best.b, ratePerSecond, feasible: false, reason };
  }
  const bound = objective === null ? 'no objective' : `2*s(${best.b})+d = ${round(2 * serviceMs(best.b) + overheadMs)} ms`;
  const reason = `${round(ratePerSecond)} rows/s at b=${best.b}, the most of 1..${table.batchMax} (${bound})`;
  return { batchSize: best.b, ratePerSecond, feasible: true, reason };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** Capacity of one executor: batch size, throughput and cost per request. Pure functions. */
import { executorUsd, type FunctionPrices, functionUsd } from '../costs/index.ts';
import { formatMs, type Objective, objectiveShare } from '../objective.ts';
import type { ServiceTable } from './service-table.ts';

/** Service times s(b) of an executor by quantile, measured or synthetic. */
export type ServiceCurve = Pick<ServiceTable, 'batchMax' | 'isKnown' | 'quantileMs' | 'plannedMs' | 'medianMs'>;

/** Time in addition to the service time, in milliseconds: encoding, sending, and the round trip to the worker. */
export const platformOverheadMs = 0.5;

/** The batch size of an executor, and its throughput with it. */
export interface BatchChoice {
  /** B: the maximum number of rows in a batch. */
  readonly batchSize: number;
  /** mu: rows per second with full batches; 0 before the first measurement. */
  readonly ratePerSecond: number;
  /** True if this executor can meet the objective. */
  readonly feasible: boolean;
  readonly reason: string;
}

/** Batching must raise throughput by this factor; smaller gains are measurement noise. */
const gainMin = 1.05;

/**
 * B, the batch size of an always-on executor:
 *
 *   B = argmax b / s(b)  over  { b : 2 s(b) + d <= L },   the smallest on ties
 *
 * In the worst case a request waits for one whole batch and runs in the next, hence the factor 2. s(b) = S_q(b), where q is the
 * quantile of the objective, L its latency, and d = overheadMs. Without an objective every b is allowed, and s is the median.
 * A larger b is also taken if s is flat beyond the bound (`flatBeyond`). If no b is feasible, the objective cannot be met. Then B is the b with the best throughput, which keeps the queue short, and
 * the reason explains why.
 */
export function batchSizeFor(table: ServiceCurve, objective: Objective | null, overheadMs: number): BatchChoice {
  return choiceFor(table, serviceUnder(table, objective, 'quantileMs'), objective, overheadMs);
}

function choiceFor(table: ServiceCurve, serviceMs: (b: number) => number, objective: Objective | null, overheadMs: number): BatchChoice {
  if (!table.isKnown) return { batchSize: 1, ratePerSecond: 0, feasible: true, reason: 'the service time is not measured yet' };
  const latencyMs = objective === null ? Number.POSITIVE_INFINITY : objective.latencyMs;
  const isFeasible = 2 * serviceMs(1) + overheadMs <= latencyMs;
  let best = { b: 1, rowsPerMs: 1 / serviceMs(1) };
  for (let b = 2; b <= table.batchMax; b++) {
    const ms = serviceMs(b);
    if (isFeasible && 2 * ms + overheadMs > latencyMs) break; // s never decreases with b
    if (b / ms > best.rowsPerMs) best = { b, rowsPerMs: b / ms };
  }
  if (isFeasible) best = flatBeyond(table, serviceMs, best);
  // Compares medians, because a single slow run of one row looks like a gain in the tail.
  const gain = (best.b * table.medianMs(1)) / table.medianMs(best.b);
  if (gain < gainMin) best = { b: 1, rowsPerMs: 1 / serviceMs(1) };
  const ratePerSecond = best.rowsPerMs * 1000;
  if (!isFeasible) {
    const reason = `cannot meet ${formatMs(latencyMs)}: 2*s(1)+d = ${round(2 * serviceMs(1) + overheadMs)} ms; the maximum is ${round(ratePerSecond)} rows/s at b=${best.b}`;
    return { batchSize: best.b, ratePerSecond, feasible: false, reason };
  }
  const bound = objective === null ? 'no objective' : `2*s(${best.b})+d = ${round(2 * serviceMs(best.b) + overheadMs)} ms`;
  const reason = `${round(ratePerSecond)} rows/s at b=${best.b}, the maximum of 1..${table.batchMax} (${bound})`;
  return { batchSize: best.b, ratePerSecond, feasible: true, reason };
}

/** A batch counts as no slower if it takes at most this much longer. */
const flatFactor = 1.1;

/**
 * The size with the best throughput of all if s(b) is flat up to the largest: at most a tenth above that of the size in bounds. Without this,
 * a flat s(b) that grows from just below to just above half the objective takes B from the largest size to 1, and the queue that follows
 * misses the objective by far more (simulated: 57 instead of 99.7 % in time).
 */
function flatBeyond(table: ServiceCurve, serviceMs: (b: number) => number, bounded: { b: number; rowsPerMs: number }): typeof bounded {
  if (serviceMs(table.batchMax) > flatFactor * serviceMs(bounded.b)) return bounded;
  let best = bounded;
  for (let b = bounded.b + 1; b <= table.batchMax; b++) {
    const rowsPerMs = b / serviceMs(b);
    if (rowsPerMs > best.rowsPerMs) best = { b, rowsPerMs };
  }
  return best;
}

/** A type of always-on executor, and its service times for one model version. */
export interface CapacityType {
  readonly name: string;
  readonly usdPerHour: number;
  readonly service: ServiceCurve;
}

/** Price and capacity of one executor of a type. */
export interface TypeCapacity {
  readonly name: string;
  readonly usdPerHour: number;
  /** B: rows per batch. */
  readonly batchSize: number;
  /** mu: rows per second with full batches; 0 before the first measurement. */
  readonly ratePerSecond: number;
  /** c_v: US dollars per row at full utilization; null before the first measurement. */
  readonly usdPerRequest: number | null;
  readonly isFeasible: boolean;
  /** Why this type cannot meet the objective; absent if it can. */
  readonly infeasibleBecause?: string;
}

/**
 * B_i as in `batchSizeFor`, but with the quantiles for plans, and
 *
 *   mu_i = B_i / s_i(B_i) rows/s;   c_v,i = price_i / (3600 mu_i) USD per row at full use,   price_i per hour
 */
export function typeCapacityOf({ name, usdPerHour, service }: CapacityType, objective: Objective | null, overheadMs: number): TypeCapacity {
  const serviceMs = serviceUnder(service, objective, 'plannedMs');
  const { batchSize, ratePerSecond, feasible } = choiceFor(service, serviceMs, objective, overheadMs);
  const usdPerRequest = ratePerSecond === 0 ? null : executorUsd(usdPerHour, 1000) / ratePerSecond;
  const capacity = { name, usdPerHour, batchSize, ratePerSecond, usdPerRequest, isFeasible: feasible };
  if (feasible || objective === null) return capacity;
  const worstMs = 2 * serviceMs(1) + overheadMs;
  return { ...capacity, infeasibleBecause: `type ${name} cannot meet ${objective.latencyMs} ms: 2*s(1)+d = ${round(worstMs)} ms` };
}

/** Types that can meet the objective, in their original order, and a reason for each excluded type. */
export function usableCapacities(
  types: readonly CapacityType[],
  objective: Objective | null,
  overheadMs: number,
): { readonly usable: readonly TypeCapacity[]; readonly excluded: readonly string[] } {
  const all = types.map((type) => typeCapacityOf(type, objective, overheadMs));
  const excluded = all.flatMap(({ infeasibleBecause }) => infeasibleBecause ?? []);
  return { usable: all.filter(({ isFeasible }) => isFeasible), excluded };
}

/** Cost of a request on a function of one memory size. */
export interface FunctionCapacity {
  readonly memoryMiB: number;
  /** Median of s(1), in milliseconds. */
  readonly durationMs: number;
  /** c_f: US dollars for a warm call with one row. */
  readonly usdPerRequest: number;
  /** The batch size with the lowest cost per row. */
  readonly bestBatchSize: number;
  readonly usdPerRequestAtBest: number;
  /** Rows per second of one environment with batches of `bestBatchSize`. */
  readonly ratePerSecondAtBest: number;
  /** True if a warm call with one row meets the objective. */
  readonly isFeasible: boolean;
  readonly infeasibleBecause?: string;
}

/**
 * Cost of a row in a warm call of b rows, by the median duration:
 *
 *   c_f(b) = functionUsd(M, s(b)) / b,   and the best b = argmin c_f(b) over { b : s_q(b) + d <= L },   the smallest on ties
 *
 * There is no factor 2, because calls do not wait for each other. d = overheadMs includes the network. Null before the first measurement.
 */
export function functionCapacityOf(
  memoryMiB: number,
  service: ServiceCurve,
  prices: FunctionPrices,
  objective: Objective | null,
  overheadMs: number,
): FunctionCapacity | null {
  if (!service.isKnown) return null;
  const usdAt = (b: number): number => functionUsd(prices, memoryMiB, service.medianMs(b)) / b;
  const serviceMs = serviceUnder(service, objective, 'plannedMs');
  const latencyMs = objective?.latencyMs ?? Number.POSITIVE_INFINITY;
  let bestBatchSize = 1;
  for (let b = 2; b <= service.batchMax && serviceMs(b) + overheadMs <= latencyMs; b++)
    if (usdAt(b) < usdAt(bestBatchSize)) bestBatchSize = b;
  const isFeasible = serviceMs(1) + overheadMs <= latencyMs;
  const [durationMs, usdPerRequest, usdPerRequestAtBest] = [service.medianMs(1), usdAt(1), usdAt(bestBatchSize)];
  const ratePerSecondAtBest = (bestBatchSize * 1000) / service.medianMs(bestBatchSize);
  const capacity = { memoryMiB, durationMs, usdPerRequest, bestBatchSize, usdPerRequestAtBest, ratePerSecondAtBest, isFeasible };
  if (isFeasible) return capacity;
  const aloneMs = round(serviceMs(1) + overheadMs);
  return { ...capacity, infeasibleBecause: `a function of ${memoryMiB} MiB cannot meet ${latencyMs} ms: s(1)+d = ${aloneMs} ms` };
}

/** s(b) at the quantile of the objective, or the median if there is no objective. */
function serviceUnder(service: ServiceCurve, objective: Objective | null, quantileMs: 'quantileMs' | 'plannedMs'): (b: number) => number {
  return objective === null ? (b) => service.medianMs(b) : (b) => service[quantileMs](objectiveShare(objective), b);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

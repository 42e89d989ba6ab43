/** What one executor can carry: the batch size it should take, the rate that gives, and what a request costs there. Pure. */
import { executorUsd, type FunctionPrices, functionUsd } from '../costs/index.ts';
import { formatMs, type Objective, promisedShare } from '../objective.ts';
import type { ServiceTable } from './service-table.ts';

/** s(b) of an executor by quantile, whether measured or made up. */
export type ServiceCurve = Pick<ServiceTable, 'batchMax' | 'isKnown' | 'quantileMs' | 'plannedMs' | 'medianMs'>;

/** Encoding and sending an answer, and the way to the worker and back: what the service time does not hold. */
export const overheadMs = 0.5;

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

/** A type of always-on executor, and how it runs one model version. */
export interface CapacityType {
  readonly name: string;
  readonly usdPerHour: number;
  readonly service: ServiceCurve;
}

/** What one executor of a type carries, and at what price. */
export interface TypeCapacity {
  readonly name: string;
  readonly usdPerHour: number;
  /** B: rows it takes at once. */
  readonly batchSize: number;
  /** mu: rows per second of one that always has a full batch; 0 while nothing was measured. */
  readonly ratePerSecond: number;
  /** c_v: US dollars a row, were it always full; null while nothing was measured. */
  readonly usdPerRequest: number | null;
  readonly isFeasible: boolean;
  /** Why the objective cannot be kept on this type, where that is so. */
  readonly infeasibleBecause?: string;
}

/**
 * B_i as `batchSizeFor` gives it, but by the quantiles for plans, and
 *
 *   mu_i = B_i / s_i(B_i) rows/s;   c_v,i = price_i / (3600 mu_i) USD a row at full use,   price_i per hour
 *
 * objective, overheadMs as there.
 */
export function capacityOf({ name, usdPerHour, service }: CapacityType, objective: Objective | null, overheadMs: number): TypeCapacity {
  const serviceMs = serviceUnder(service, objective, 'plannedMs');
  const { batchSize, ratePerSecond, feasible } = choiceFor(service, serviceMs, objective, overheadMs);
  const usdPerRequest = ratePerSecond === 0 ? null : executorUsd(usdPerHour, 1000) / ratePerSecond;
  const capacity = { name, usdPerHour, batchSize, ratePerSecond, usdPerRequest, isFeasible: feasible };
  if (feasible || objective === null) return capacity;
  const worstMs = 2 * serviceMs(1) + overheadMs;
  return { ...capacity, infeasibleBecause: `type ${name} cannot meet ${objective.latencyMs} ms: 2*s(1)+d = ${round(worstMs)} ms` };
}

/** The types that may serve, in the order given, and a sentence for each of the others. */
export function usableCapacities(
  types: readonly CapacityType[],
  objective: Objective | null,
  overheadMs: number,
): { readonly usable: readonly TypeCapacity[]; readonly excluded: readonly string[] } {
  const all = types.map((type) => capacityOf(type, objective, overheadMs));
  const excluded = all.flatMap(({ infeasibleBecause }) => infeasibleBecause ?? []);
  return { usable: all.filter(({ isFeasible }) => isFeasible), excluded };
}

/** What a request costs as overflow, to a function of one memory size. */
export interface FunctionCapacity {
  readonly memoryMiB: number;
  /** s(1), in the middle of what was seen. */
  readonly durationMs: number;
  /** c_f: US dollars for one row in a call of its own. */
  readonly usdPerRequest: number;
  /** The size of call in which a row is cheapest, and what it costs there. */
  readonly bestBatchSize: number;
  readonly usdPerRequestAtBest: number;
  /** Rows a second of one environment that always has such a call. */
  readonly ratePerSecondAtBest: number;
  /** Whether a call of one row is over in time, were it made at once and warm. */
  readonly isFeasible: boolean;
  readonly infeasibleBecause?: string;
}

/**
 * The cost of a row in a warm call of b, by the median duration:
 *
 *   c_f(b) = functionUsd(M, s(b)) / b,   and the best b = argmin c_f(b) over { b : s_q(b) + d <= L },   the smallest on ties
 *
 * since a call does not wait for another before it. d = overheadMs holds the network's part too. null while nothing is measured.
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

/** s(b) by the quantile that the objective asks for; the median without one. */
function serviceUnder(service: ServiceCurve, objective: Objective | null, quantileMs: 'quantileMs' | 'plannedMs'): (b: number) => number {
  return objective === null ? (b) => service.medianMs(b) : (b) => service[quantileMs](promisedShare(objective), b);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

/**
 * Strategy `batch`: functions alone. Chooses memory, batch size and wait each minute after BATCH (Ali, Pinciroli, Yan and Smirni,
 * SC'20), in closed form for Poisson arrivals. With T = L - 60 ms - 1.05 dur(M, B), a batch has E = min(B, 1 + λT) requests; the
 * setting with the lowest cost(M, E) / E is chosen.
 */
import { gbSeconds } from '../../costs/index.ts';
import { type CounterSample, risePerMs, withSample } from '../strategies/counter-window.ts';
import type { FunctionChoice, FunctionSize, FunctionsObservation } from '../strategies/observation.ts';
import { formatBrief, type StrategyInput, type StrategyResult } from '../strategies/strategy.ts';

/** What the strategy carries from one decision to the next. */
export interface BatchMemory {
  readonly arrivals: readonly CounterSample[];
  /** λ, smoothed, in requests per second; null before the first minute. */
  readonly ratePerSecond: number | null;
}

/** Before the first observation. */
export const batchInitial: BatchMemory = { arrivals: [], ratePerSecond: null };

const smoothing = 0.5;
const overheadMs = 60;
const durationReserve = 1.05;
const batchSizeMost = 16;
const rateWindowMs = 60_000;

/** Needs profiles of functions; without them no setting is feasible. */
export function batch(memory: BatchMemory, input: StrategyInput): StrategyResult<BatchMemory> {
  const { observation, simulated, nowMs } = input;
  const arrivals = withSample(memory.arrivals, { atMs: nowMs, value: observation.arrivals }, rateWindowMs, rateWindowMs / 2);
  const perMs = risePerMs(arrivals, rateWindowMs);
  const seen = perMs === null ? null : perMs * 1000;
  const rate =
    seen === null ? memory.ratePerSecond : memory.ratePerSecond === null ? seen : (1 - smoothing) * memory.ratePerSecond + smoothing * seen;
  const plan = Object.fromEntries(observation.types.map(({ name }) => [name, 0]));
  const verdict = { memory: { arrivals, ratePerSecond: rate }, plan, regime: 'serverless-only' as const };
  const { objective } = observation;
  const { functions } = simulated;
  if (functions === undefined || functions.sizes.length === 0) {
    return { ...verdict, reason: 'no-measurement', why: 'no memory size of a function has been measured', feasible: false };
  }
  const { choice, isFeasible } = chooseBatch(functions, rate ?? 0, objective?.latencyMs ?? Number.POSITIVE_INFINITY);
  const { memoryMiB, batchSizeMax, waitMsMax, expectedUsdPerRequest } = choice;
  const setting = `${memoryMiB} MiB, B = ${batchSizeMax}, T = ${formatBrief(waitMsMax)} ms`;
  const why = isFeasible
    ? `${setting} is cheapest at ${formatBrief(rate ?? 0)} requests/s: $${formatBrief(expectedUsdPerRequest * 1e6)} per million`
    : `no memory size meets the objective: ${setting} is fastest`;
  return { ...verdict, reason: isFeasible ? 'argmin' : 'infeasible', why, functions: choice, feasible: isFeasible };
}

/** The cheapest setting that meets L, or the fastest if none does. Without an objective no request is delayed. */
export function chooseBatch(
  functions: FunctionsObservation,
  ratePerSecond: number,
  latencyMs: number,
): { choice: FunctionChoice; isFeasible: boolean } {
  let best: FunctionChoice | null = null;
  for (const size of functions.sizes) {
    const batchMost = latencyMs === Number.POSITIVE_INFINITY ? 1 : Math.min(batchSizeMost, size.service.at(-1)?.b ?? 1);
    for (let batchSizeMax = 1; batchSizeMax <= batchMost; batchSizeMax++) {
      const slackMs = latencyMs - overheadMs - durationReserve * durationMs(size, batchSizeMax);
      if (!(slackMs >= 0)) continue;
      const waitMsMax = batchSizeMax === 1 ? 0 : slackMs;
      const expectedUsdPerRequest = usdPerRequest(functions, size, Math.min(batchSizeMax, 1 + (ratePerSecond * waitMsMax) / 1000));
      if (best !== null && expectedUsdPerRequest >= best.expectedUsdPerRequest) continue;
      best = { memoryMiB: size.memoryMiB, batchSizeMax, waitMsMax, expectedUsdPerRequest };
    }
  }
  if (best !== null) return { choice: best, isFeasible: true };
  const fastest = functions.sizes.toSorted((a, b) => durationMs(a, 1) - durationMs(b, 1))[0] as FunctionSize;
  const expectedUsdPerRequest = usdPerRequest(functions, fastest, 1);
  return { choice: { memoryMiB: fastest.memoryMiB, batchSizeMax: 1, waitMsMax: 0, expectedUsdPerRequest }, isFeasible: false };
}

function usdPerRequest({ usdPerGbSecond, usdPerInvocation }: FunctionsObservation, size: FunctionSize, meanBatch: number): number {
  return (gbSeconds(size.memoryMiB, durationMs(size, meanBatch)) * usdPerGbSecond + usdPerInvocation) / meanBatch;
}

/** Service time by linear interpolation between measurements; `rows` can be fractional, as a mean batch size. */
export function durationMs({ service }: FunctionSize, rows: number): number {
  const above = service.findIndex(({ b }) => b >= rows);
  const high = service[above < 0 ? service.length - 1 : above];
  const low = service[above - 1];
  if (high === undefined) return Number.POSITIVE_INFINITY;
  if (low === undefined) return high.ms;
  return low.ms + ((high.ms - low.ms) * (rows - low.b)) / (high.b - low.b);
}

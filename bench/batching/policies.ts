/**
 * Cost and lateness of each policy on arrivals that it has not seen. Like the controller, it replans every 2,000 requests from the latest
 * 5,000 and changes the setting only if that is worth it. The first 5,000 requests are not judged.
 */
import {
  type BatchChoiceResult,
  type BatchSettings,
  type ChoiceInput,
  callUsd,
  choose,
  fitMoments,
  fixedService,
  type HoldPolicy,
  keepOrChange,
  type MemoryProfile,
  simulateBatching,
} from '../../src/queueing/index.ts';
import { SeededRandom } from '../../src/random.ts';
import { meanServiceMs, price, profiles, spread } from './service.ts';
import type { Workload } from './workloads.ts';

const historyMax = 5000;
const judgedAtOnce = 2000;
const quantile = 0.95;

export type PolicyName = 'slack' | 'batch' | 'batch-paper' | 'none' | 'best fixed in hindsight';
export const policyNames: readonly PolicyName[] = ['slack', 'batch', 'batch-paper', 'none', 'best fixed in hindsight'];

export interface Judged {
  readonly policy: PolicyName;
  readonly costUsdPerMillion: number;
  readonly latePercent: number;
  readonly p95Ms: number;
  readonly meanBatch: number;
  readonly changes: number;
}

export interface Comparison {
  readonly workload: string;
  readonly sloMs: number;
  /** Coefficient of variation of the service times. */
  readonly cv: number;
  readonly requests: number;
  readonly policies: readonly Judged[];
}

export function compare({ name, arrivalsMs }: Workload, sloMs: number, cv: number): Comparison {
  const measured = profiles(cv, new SeededRandom(99));
  const policies = policyNames.map((policy) => judge(policy, arrivalsMs, sloMs, cv, measured));
  return { workload: name, sloMs, cv, requests: arrivalsMs.length - historyMax, policies };
}

function judge(policy: PolicyName, arrivalsMs: Float64Array, sloMs: number, cv: number, measured: readonly MemoryProfile[]): Judged {
  const random = new SeededRandom(7);
  const latencies: Float64Array[] = [];
  let usd = 0;
  let batches = 0;
  let changes = 0;
  let current: BatchSettings | null = null;
  for (const { history, judged } of periods(arrivalsMs, policy)) {
    const input = inputFor(policy, history, sloMs, measured, current);
    const choice = choose(input);
    const setting = resolved(choice, current);
    if (current !== null && setting !== current) changes++;
    current = setting;
    const plan = { policy: holdPolicy(setting, measured, sloMs), latencyMs: sloMs };
    const { memoryMiB } = setting;
    const executors = {
      concurrencyMax: Number.POSITIVE_INFINITY,
      coldStartMs: 0,
      keepAliveMs: 0,
      drawServiceMs: (rows: number) => meanServiceMs(memoryMiB, rows) * spread(cv, random),
    };
    const run = simulateBatching(judged, plan, executors, random);
    latencies.push(run.latenciesMs);
    batches += run.batches.length;
    for (const { rows, serviceMs } of run.batches)
      usd += callUsd(
        rows,
        fixedService(() => serviceMs),
        memoryMiB,
        price,
      );
  }
  return summary(policy, latencies, { usd, batches, changes }, sloMs);
}

/** Splits arrivals into planning history and judged requests. In hindsight, one setting is chosen from the judged requests themselves. */
function* periods(arrivalsMs: Float64Array, policy: PolicyName): Generator<{ history: Float64Array; judged: Float64Array }> {
  if (policy === 'best fixed in hindsight') {
    yield { history: arrivalsMs.slice(historyMax), judged: arrivalsMs.slice(historyMax) };
    return;
  }
  for (let from = historyMax; from < arrivalsMs.length; from += judgedAtOnce) {
    yield { history: arrivalsMs.slice(from - historyMax, from), judged: arrivalsMs.slice(from, from + judgedAtOnce) };
  }
}

function inputFor(
  policy: PolicyName,
  history: Float64Array,
  latencyMs: number,
  measured: readonly MemoryProfile[],
  current: BatchSettings | null,
): ChoiceInput {
  const isHindsight = policy === 'best fixed in hindsight';
  const gaps = Float64Array.from({ length: history.length - 1 }, (_, i) => (history[i + 1] as number) - (history[i] as number));
  return {
    policy: { kind: isHindsight ? 'batch' : policy },
    profiles: measured,
    price,
    objective: { percentile: 100 * quantile, latencyMs },
    marginMs: 0,
    coldStart: { probability: 0, ms: 0 },
    // Without a fitted process, fixed waits are replayed on the recorded arrivals, which is exact.
    arrivals: { recordedMs: history, process: isHindsight ? null : fitMoments(gaps).process },
    current,
  };
}

function resolved(choice: BatchChoiceResult, current: BatchSettings | null): BatchSettings {
  if (choice.kind === 'nothing-fits') throw new Error('expected the model to fit into every memory size of the benchmark');
  if (current !== null && !keepOrChange(choice).changes) return current;
  const { memoryMiB, batchSizeMax, waitMsMax } = choice.chosen;
  return { memoryMiB, batchSizeMax, waitMsMax };
}

/** The serving rule for a setting. S is the objective's quantile of the service time, interpolated between measured sizes, monotonic. */
function holdPolicy({ memoryMiB, batchSizeMax, waitMsMax }: BatchSettings, measured: readonly MemoryProfile[], sloMs: number): HoldPolicy {
  if (sloMs <= 0 || (batchSizeMax === 1 && waitMsMax !== null)) return { kind: 'none' };
  if (waitMsMax !== null) return { kind: 'timeout', batchSizeMax, waitMsMax };
  const points = measured.find((size) => size.memoryMiB === memoryMiB)?.points ?? [];
  const curve = [0];
  for (const [i, { batchSize, serviceMs }] of points.entries()) {
    const ms = serviceMs.toSorted((a, b) => a - b)[Math.ceil(quantile * serviceMs.length - 1e-9) - 1] as number;
    const [before, beforeMs] = [points[i - 1]?.batchSize ?? 0, curve.at(-1) as number];
    for (let b = before + 1; b <= batchSize; b++) {
      const value = before === 0 ? ms : beforeMs + ((ms - beforeMs) * (b - before)) / (batchSize - before);
      curve.push(Math.max(value, curve.at(-1) as number));
    }
  }
  return { kind: 'slack', batchSizeMax, serviceMs: (rows) => curve[rows] as number };
}

function summary(
  policy: PolicyName,
  parts: readonly Float64Array[],
  { usd, batches, changes }: { readonly usd: number; readonly batches: number; readonly changes: number },
  sloMs: number,
): Judged {
  const latencies = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    latencies.set(part, at);
    at += part.length;
  }
  const late = latencies.reduce((count, ms) => count + (ms > sloMs + 1e-9 ? 1 : 0), 0);
  latencies.sort();
  return {
    policy,
    costUsdPerMillion: (1e6 * usd) / latencies.length,
    latePercent: (100 * late) / latencies.length,
    p95Ms: latencies[Math.ceil(quantile * latencies.length) - 1] as number,
    meanBatch: latencies.length / batches,
    changes,
  };
}

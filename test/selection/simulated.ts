/** Simulated selections over the outcomes of `outcomesOf`, for tests and benchmarks. */
import { defaultPrices } from '../../src/costs/index.ts';
import { SeededRandom } from '../../src/random.ts';
import { type JudgedPlan, judgePlans } from '../../src/selection/index.ts';
import type { Load, SelectionSimulationSpec } from '../../src/simulation/index.ts';
import { type FleetRequest, policyOf } from '../../src/simulation/index.ts';
import { outcomesOf } from './index.ts';
import { type Family, rowsOf, selectableModels, shuffled } from './selectable.ts';

/** The models as a family: how much slower than measured, the floor, and the accuracy to degrade to. */
export const families = {
  digits: { scale: 200, floor: 0.97, degradeTo: 0.94 },
  fashion: { scale: 50, floor: 0.9, degradeTo: 0.86 },
} as const satisfies Record<Family, object>;

const overheadMs = 0.5;
const usdPerInstanceHour = 0.0425;
const limitMs = 50;

/** Digits: evaluated and live rows are the same. Fashion: 5,000 rows each, split at random with a seed. */
function splitOf(family: Family, splitSeed: number | null) {
  const all = outcomesOf(family);
  if (family === 'digits') return { evaluated: all, live: all };
  const { length } = all.labels;
  const order = splitSeed === null ? Int32Array.from({ length }, (_, i) => i) : shuffled(length, new SeededRandom(splitSeed));
  return { evaluated: rowsOf(all, order.subarray(0, length / 2)), live: rowsOf(all, order.subarray(length / 2)) };
}

export function judgedPlansOf(family: Family, splitSeed: number | null = null): readonly JudgedPlan[] {
  const { scale, floor } = families[family];
  const { evaluated } = splitOf(family, splitSeed);
  const conditions = { floor, confidence: 0.95, limitMs, share: 0.95, overheadMs, ratePerSecond: 5000, usdPerInstanceHour };
  return judgePlans(evaluated.labels, selectableModels(family, scale, evaluated), conditions).plans;
}

/** `splitSeed`: of the rows that plans are judged by; null: the first half. */
export interface SelectionSeeds {
  readonly seed: number;
  readonly serviceSeed: number;
  readonly splitSeed: number | null;
}

/** Simulations of policies over the same load. */
export function selectionSpecs(
  family: Family,
  load: Load,
  policies: readonly string[],
  fleet: FleetRequest,
  { splitSeed, ...seeds }: SelectionSeeds = { seed: 6, serviceSeed: 11, splitSeed: null },
): readonly SelectionSimulationSpec[] {
  const { scale, floor, degradeTo } = families[family];
  const plans = judgedPlansOf(family, splitSeed);
  const { live } = splitOf(family, splitSeed);
  const models = selectableModels(family, scale, live);
  return policies.map((policy) => ({
    policy,
    load,
    objective: { percentile: 95, latencyMs: limitMs },
    overheadMs,
    usdPerInstanceHour,
    labels: live.labels,
    models,
    ...policyOf(policy, { plans, floor, degradeTo, fleet }),
    ...seeds,
  }));
}

/** At least one instance; functions of one vCPU that are ready in 124 ms. `batchSizeMax`: rows of a call; null: full batches. */
export function elasticFleet(scaling: string, batchSizeMax: number | null): FleetRequest {
  const functions = { prices: defaultPrices.functions, memoryMiB: 1769, coldMs: 124, keepAliveMs: 600_000, batchSizeMax };
  return { kind: 'elastic', scaling, leadMs: 120_000, instancesMin: 1, instancesMax: 1000, functions };
}

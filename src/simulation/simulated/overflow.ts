/**
 * Functions alongside simulated instances: what the planner observes, its limits, and the cost of warm functions. The pool
 * decides which requests functions serve; the function provider bills their runs.
 */
import { type Budget, type OverflowObservation, type Policy, remainingForFunctionsUsd } from '../../autoscaling/index.ts';
import type { Clock } from '../../clock.ts';
import { pingUsdPerHour, provisionedUsdPerHour } from '../../costs/index.ts';
import { type FunctionCapacity, functionCapacityOf } from '../../profiling/index.ts';
import type { VariantPool } from '../../serving/index.ts';
import type { Measures } from '../report/measures.ts';
import { choosesFunctions, functionUsdEach, hasFunctions, type SimulationSpec } from '../simulation-spec.ts';
import { functionOf } from './profile.ts';
import { SimulatedServiceLaw } from './service-law.ts';

/** What is observed of functions. */
export interface SimulatedOverflowDeps {
  readonly clock: Clock;
  readonly spec: SimulationSpec;
  /** The policy of the simulation spec. */
  readonly policy: Policy;
  readonly pool: VariantPool;
  readonly measures: Measures;
  /** The remaining budget; null without a limit. */
  readonly budget: () => Budget | null;
  /** Current cost per hour of running and launching instances. */
  readonly instancesUsdPerHour: () => number;
}

const hourMs = 3_600_000;

/** The functions of a hybrid variant. Without functions, it reports none and bills nothing. */
export class SimulatedOverflow {
  readonly #deps: SimulatedOverflowDeps;
  readonly #hasFunctions: boolean;
  readonly #choosesFunctions: boolean;
  /** Function capacities by memory size in MiB. */
  readonly #capacities = new Map<number, FunctionCapacity | null>();
  /** Number of functions that pings keep warm, as last decided. */
  #pinged = 0;
  #billedMs = 0;

  constructor(deps: SimulatedOverflowDeps) {
    const { spec, policy } = deps;
    this.#deps = deps;
    this.#hasFunctions = hasFunctions(spec, policy);
    this.#choosesFunctions = choosesFunctions(spec, policy);
  }

  /** Cost and capacity of functions under their current setting; null if there are none. */
  observe(): OverflowObservation | null {
    if (!this.#hasFunctions) return null;
    const { profile, memoryMiB, functions } = this.#deps.spec;
    const capacity = this.#capacity(this.#memoryMiB);
    if (capacity === null) return null;
    const { usdPerRequest, usdPerRequestAtBest, infeasibleBecause } = capacity;
    // If the functions' concurrency limit is known, the forecast determines the number of warm functions; else the policy's rule
    // does.
    const limits =
      functions === undefined
        ? {}
        : {
            warmMax: functions.warmMax,
            serviceMs: capacity.durationMs,
            ratePerSecondMax: functions.maxConcurrency * capacity.ratePerSecondAtBest,
          };
    return {
      ...(this.#choosesFunctions
        ? { usdPerRequest, usdPerRequestAlone: usdPerRequestAtBest }
        : { usdPerRequest: functionUsdEach(profile, memoryMiB) }),
      ...(infeasibleBecause === undefined ? {} : { infeasibleBecause }),
      ...limits,
    };
  }

  /** Sets the number of functions to keep warm. */
  warm(count: number): void {
    if (this.#deps.spec.serverless !== undefined) return;
    this.bill(); // bills the time so far at the old number
    this.#pinged = count;
    this.follow();
  }

  /** Applies the limits of functions to the pool. */
  follow(): void {
    const { pool, budget, instancesUsdPerHour } = this.#deps;
    const left = budget();
    const sharedBudget =
      left === null
        ? null
        : { usd: remainingForFunctionsUsd(left, instancesUsdPerHour()), forMs: left.remainingMs, usdPerHourMax: left.usdMax };
    pool.overflow?.follow({ warmFunctions: this.#pinged, sharedBudget });
  }

  /** Bills warm functions since the last call: pinged ones per ping, provisioned ones by time. */
  bill(untilMs: number = this.#deps.clock.nowMs()): void {
    if (untilMs <= this.#billedMs) return;
    const { spec, pool, measures } = this.#deps;
    const { functionPrices } = spec.profile;
    const memoryMiB = this.#memoryMiB;
    const provisioned = this.#hasFunctions ? (spec.functions?.provisioned ?? 0) : 0;
    const pinged = pool.overflow === null ? 0 : Math.max(0, this.#pinged - provisioned);
    const usdPerHour = pinged * pingUsdPerHour(functionPrices, memoryMiB) + provisioned * provisionedUsdPerHour(functionPrices, memoryMiB);
    measures.functionsCost((usdPerHour * (untilMs - this.#billedMs)) / hourMs);
    this.#billedMs = untilMs;
  }

  get #memoryMiB(): number {
    return this.#deps.pool.functions?.setting.memoryMiB ?? this.#deps.spec.memoryMiB;
  }

  #capacity(memoryMiB: number): FunctionCapacity | null {
    const { profile, objective } = this.#deps.spec;
    let capacity = this.#capacities.get(memoryMiB);
    if (capacity === undefined) {
      const { table } = new SimulatedServiceLaw(functionOf(profile, memoryMiB).service);
      capacity = functionCapacityOf(memoryMiB, table, profile.functionPrices, objective, profile.overheadMs);
      this.#capacities.set(memoryMiB, capacity);
    }
    return capacity;
  }
}

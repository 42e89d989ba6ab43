/**
 * Functions beside simulated instances: what planning sees of them, what it asks of them, and what it costs to keep them warm. Who is
 * for them, and what their runs cost, is for the pool and for their provider.
 */
import { type Budget, leftForFunctionsUsd, type OverflowObservation, type Policy } from '../autoscaling/index.ts';
import type { Clock } from '../clock.ts';
import { pingUsdPerHour, provisionedUsdPerHour } from '../costs/index.ts';
import { type FunctionCapacity, functionCapacityOf } from '../profiling/index.ts';
import type { VariantPool } from '../serving/index.ts';
import type { Measures } from './measures.ts';
import { functionOf } from './profile.ts';
import { ServiceLaw } from './service-law.ts';
import { choosesFunctions, functionUsdEach, hasFunctions, type SimulationOrder } from './simulation-order.ts';

export interface SimulatedOverflowNeeds {
  readonly clock: Clock;
  readonly order: SimulationOrder;
  /** The order's own. */
  readonly policy: Policy;
  readonly pool: VariantPool;
  readonly measures: Measures;
  /** What is left of the money now; null without a limit. */
  readonly budget: () => Budget | null;
  /** What the instances that are there, or on their way, cost. */
  readonly instancesUsdPerHour: () => number;
}

const hourMs = 3_600_000;

export class SimulatedOverflow {
  readonly #needs: SimulatedOverflowNeeds;
  readonly #hasFunctions: boolean;
  readonly #choosesFunctions: boolean;
  /** By memory size. */
  readonly #capacities = new Map<number, FunctionCapacity | null>();
  /** So many functions are pinged to stay, as decided last. */
  #pinged = 0;
  #billedMs = 0;

  constructor(needs: SimulatedOverflowNeeds) {
    const { order, policy } = needs;
    this.#needs = needs;
    this.#hasFunctions = hasFunctions(order, policy);
    this.#choosesFunctions = choosesFunctions(order, policy);
  }

  /** What functions cost under the setting that they have; null where there are none. */
  observe(): OverflowObservation | null {
    if (!this.#hasFunctions) return null;
    const { profile, memoryMiB, functions } = this.#needs.order;
    const capacity = this.#capacity(this.#memoryMiB);
    if (capacity === null) return null;
    const { usdPerRequest, usdPerRequestAtBest, infeasibleBecause } = capacity;
    // As many as the forecast asks for are kept warm where it is known how many there may be; else as many as the rule says.
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

  /** So many functions are kept warm from now on. */
  warm(count: number): void {
    if (this.#needs.order.serverless !== undefined) return;
    this.bill(); // until now, as many as there were
    this.#pinged = count;
    this.follow();
  }

  /** What the functions beside instances are to keep to. */
  follow(): void {
    const { pool, budget, instancesUsdPerHour } = this.#needs;
    const left = budget();
    const allowance =
      left === null ? null : { usd: leftForFunctionsUsd(left, instancesUsdPerHour()), forMs: left.remainingMs, usdPerHourMax: left.usdMax };
    pool.overflow?.follow({ warmFunctions: this.#pinged, allowance });
  }

  /** What keeping functions warm has cost since last asked: some are pinged now and then, some are paid for by time. */
  bill(untilMs: number = this.#needs.clock.nowMs()): void {
    if (untilMs <= this.#billedMs) return;
    const { order, pool, measures } = this.#needs;
    const { functionPrices } = order.profile;
    const memoryMiB = this.#memoryMiB;
    const provisioned = this.#hasFunctions ? (order.functions?.provisioned ?? 0) : 0;
    const pinged = pool.overflow === null ? 0 : Math.max(0, this.#pinged - provisioned);
    const usdPerHour = pinged * pingUsdPerHour(functionPrices, memoryMiB) + provisioned * provisionedUsdPerHour(functionPrices, memoryMiB);
    measures.functionsCost((usdPerHour * (untilMs - this.#billedMs)) / hourMs);
    this.#billedMs = untilMs;
  }

  get #memoryMiB(): number {
    return this.#needs.pool.functions?.setting.memoryMiB ?? this.#needs.order.memoryMiB;
  }

  #capacity(memoryMiB: number): FunctionCapacity | null {
    const { profile, objective } = this.#needs.order;
    let capacity = this.#capacities.get(memoryMiB);
    if (capacity === undefined) {
      const { table } = new ServiceLaw(functionOf(profile, memoryMiB).service);
      capacity = functionCapacityOf(memoryMiB, table, profile.functionPrices, objective, profile.overheadMs);
      this.#capacities.set(memoryMiB, capacity);
    }
    return capacity;
  }
}

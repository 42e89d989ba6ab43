/** What would be chosen for a model under assumed or recorded arrivals, without deploying it. */
import type { Clock } from '../clock.ts';
import type { FunctionPrices } from '../costs/index.ts';
import { type BatchPolicy, checkFunctions, functionsDefault, promiseWithin, timeoutMsDefault } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { checkObjective, type Objective } from '../objective.ts';
import type { FunctionProfile } from '../profiling/index.ts';
import { mmpp2, poisson, type SwitchingRates } from '../queueing/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { BatchingInputs } from './batching-decision.ts';
import type { ArrivalsGiven } from './choose-batching.ts';
import type { Chooser, ComputedChoice } from './chooser.ts';
import { basesOf, orderFor } from './decide.ts';

/** How requests are assumed to come, or came. */
export type PlannedArrivals =
  | { readonly kind: 'poisson'; readonly ratePerSecond: number }
  | ({ readonly kind: 'mmpp' } & SwitchingRates)
  | { readonly kind: 'times'; readonly timesMs: readonly number[] };

export interface PlanWish {
  readonly objective: Objective | null;
  readonly memoryMiB: number | 'auto';
  readonly policy: BatchPolicy;
  readonly arrivals: PlannedArrivals;
}

export interface BatchingPlan extends ComputedChoice {
  readonly model: string;
  readonly objective: Objective | null;
  readonly profiles: BatchingInputs['profiles'];
}

export interface PlannerOptions {
  readonly clock: Clock;
  readonly chooser: Pick<Chooser, 'choose'>;
  readonly prices: FunctionPrices;
  /** What is known of its service times by memory size; empty while nothing is. */
  readonly profilesOf: (version: ModelVersion) => Promise<readonly FunctionProfile[]>;
  /** Has them measured; resolves when they are. */
  readonly measure: (version: ModelVersion) => Promise<unknown>;
  /** A caller is kept waiting so long for the measurement at most; it goes on all the same. */
  readonly measureTimeoutMs?: number;
}

const measureTimeoutMsDefault = 30_000;

export class Planner {
  readonly #options: PlannerOptions;

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  /**
   * Throws `invalid_request` for a wish that makes no sense, `unavailable` while the model is still being measured, what
   * measuring throws, and `wrong_state` where no profile has the size that is asked for.
   */
  async plan(version: ModelVersion, wish: PlanWish): Promise<BatchingPlan> {
    const { prices, chooser } = this.#options;
    const { objective, memoryMiB, policy } = wish;
    if (objective !== null) checkObjective(objective);
    const functions = { ...functionsDefault, memoryMiB, batching: policy };
    checkFunctions('plan', functions, { objective, timeoutMs: timeoutMsDefault }, prices.memoryMiB);
    const arrivals = arrivalsOf(wish.arrivals);
    const profiles = await this.#profilesOf(version);
    const order = orderFor({
      wish: { model: version.name, objective: promiseWithin(objective, timeoutMsDefault), memoryMiB, policy },
      profiles,
      prices,
      arrivals,
      live: null,
      marginMs: 0,
      coldStart: { probability: 0, ms: 0 },
      current: null,
      mayKeep: false,
      inForce: { memoryMiB: memoryMiB === 'auto' ? (prices.memoryMiB[0] as number) : memoryMiB, batchSizeMax: 1, waitMsMax: 0 },
    });
    if (order === null) {
      const sizes = profiles.map((size) => size.memoryMiB).join(', ');
      throw new PlatformError('wrong_state', `${version.name} has no profile for ${memoryMiB} MiB: it has some for ${sizes || 'no size'}`);
    }
    const used = new Set(order.profiles.map((size) => size.memoryMiB));
    const choice = await chooser.choose(order);
    return { ...choice, model: version.name, objective, profiles: basesOf(profiles.filter((size) => used.has(size.memoryMiB))) };
  }

  async #profilesOf(version: ModelVersion): Promise<readonly FunctionProfile[]> {
    const { clock, profilesOf, measure, measureTimeoutMs = measureTimeoutMsDefault } = this.#options;
    const known = await profilesOf(version);
    if (known.length > 0) return known;
    const late = Promise.withResolvers<never>();
    const cancel = clock.after(measureTimeoutMs, () => {
      const text = `${version.name} is being measured, and that is not done after ${Math.round(measureTimeoutMs / 1000)} s: ask again in a moment`;
      late.reject(new PlatformError('unavailable', text, { retryAfterMs: 5000 }));
    });
    try {
      await Promise.race([measure(version), late.promise]);
    } finally {
      cancel();
    }
    return profilesOf(version);
  }
}

/** Throws `invalid_request`. */
function arrivalsOf(arrivals: PlannedArrivals): ArrivalsGiven {
  if (arrivals.kind === 'poisson') return { kind: 'assumed', process: poisson(arrivals.ratePerSecond) };
  if (arrivals.kind === 'mmpp') return { kind: 'assumed', process: mmpp2(arrivals) };
  if (!arrivals.timesMs.every(Number.isFinite)) throw new PlatformError('invalid_request', 'arrival times are numbers of milliseconds');
  return { kind: 'seen', timesMs: Float64Array.from(arrivals.timesMs) };
}

/** What would be chosen for a model under assumed or recorded arrivals, without deploying it. */
import type { Clock } from '../clock.ts';
import type { FunctionPrices } from '../costs/index.ts';
import { type BatchPolicy, checkFunctions, functionsDefault, promiseWithin, timeoutMsDefault } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { budgetOf, checkObjective, type Objective } from '../objective.ts';
import type { FunctionProfile } from '../profiling/index.ts';
import { mmpp2, type ProfilePoint, poisson, type SwitchingRates } from '../queueing/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { BatchingAlternative, BatchingInputs, BatchingSetting } from './batching-decision.ts';
import type { ArrivalsGiven, ChoiceOrder } from './choose-batching.ts';
import type { Chooser, ComputedChoice } from './chooser.ts';
import { basesOf, coldStartOf, orderFor } from './decide.ts';
import { type PlannedLoad, plannedLoad, playedArrivalsMs } from './planned-load.ts';

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
  /** As of deployed functions, which have as many and keep them as long unless they are asked otherwise. */
  readonly keepAliveMs?: number;
  readonly maxConcurrency?: number;
}

/** The functions that it would take. */
export interface PlannedFunctions {
  /** About so many would be busy at once, at most. */
  readonly needed: number;
  readonly busyMean: number;
  readonly maxConcurrency: number;
  readonly keepAliveMs: number;
  /** Share of the batches that come longer than the keep-alive after the one before, and so start a function first. */
  readonly coldStartShare: number;
  readonly coldStartMs: number;
}

export interface BatchingPlan extends ComputedChoice {
  readonly model: string;
  readonly objective: Objective | null;
  readonly profiles: BatchingInputs['profiles'];
  /** null where no size holds the model. */
  readonly functions: PlannedFunctions | null;
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
    const { keepAliveMs = functionsDefault.keepAliveMs, maxConcurrency = functionsDefault.maxConcurrency } = wish;
    const functions = { ...functionsDefault, memoryMiB, batching: policy, keepAliveMs, maxConcurrency };
    checkFunctions('plan', functions, { objective, timeoutMs: timeoutMsDefault }, prices.memoryMiB);
    const arrivals = arrivalsOf(wish.arrivals);
    const playedMs = playedArrivalsMs(arrivals);
    const profiles = await this.#profilesOf(version);
    const order = orderFor({
      wish: { model: version.name, objective: promiseWithin(objective, timeoutMsDefault), memoryMiB, policy },
      profiles,
      prices,
      arrivals,
      live: null,
      marginMs: 0,
      coldStart: coldStartOf(functions, playedMs, profiles),
      current: null,
      mayKeep: false,
      inForce: { memoryMiB: memoryMiB === 'auto' ? (prices.memoryMiB[0] as number) : memoryMiB, batchSizeMax: 1, waitMsMax: 0 },
    });
    if (order === null) {
      const sizes = profiles.map((size) => size.memoryMiB).join(', ');
      throw new PlatformError('wrong_state', `${version.name} has no profile for ${memoryMiB} MiB: it has some for ${sizes || 'no size'}`);
    }
    const used = new Set(order.profiles.map((size) => size.memoryMiB));
    const choice = withBatchable(version, await chooser.choose(order));
    const known = { model: version.name, objective, profiles: basesOf(profiles.filter((size) => used.has(size.memoryMiB))) };
    if (choice.alternatives.length === 0) return { ...choice, ...known, functions: null };
    const { probability: coldStartShare, ms: coldStartMs } = order.coldStart;
    const loadOf = (setting: BatchingSetting): PlannedLoad =>
      plannedLoad(playedMs, setting, pointsOf(order, setting), {
        latencyMs: order.objective?.latencyMs ?? Number.POSITIVE_INFINITY,
        ratePerSecond: choice.arrivals.ratePerSecond,
        maxConcurrency,
      });
    const { busyMean, needed } = loadOf(choice.setting);
    const planned = { needed, busyMean, maxConcurrency, keepAliveMs, coldStartShare, coldStartMs };
    return { ...withLoad(choice, loadOf, maxConcurrency, objective), ...known, functions: planned };
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
  return { kind: 'seen', timesMs: checkTimes(arrivals.timesMs) };
}

/** Times from which a rate follows. Throws `invalid_request`. */
function checkTimes(timesMs: readonly number[]): Float64Array {
  const expected = 'arrival times are numbers of milliseconds from 0, ascending';
  for (const [i, ms] of timesMs.entries()) {
    if (!Number.isFinite(ms) || ms < 0) throw new PlatformError('invalid_request', `${expected}: number ${i + 1} is ${ms}`);
    const before = timesMs[i - 1] ?? 0;
    if (ms < before) throw new PlatformError('invalid_request', `${expected}: number ${i + 1} is ${ms}, after ${before}`);
  }
  if (timesMs.length > 1 && timesMs[0] !== timesMs.at(-1)) return Float64Array.from(timesMs);
  const came = timesMs.length < 2 ? `got ${timesMs.length}` : `all ${timesMs.length} are ${timesMs[0]}`;
  throw new PlatformError('invalid_request', `no rate follows from fewer than two different arrival times: ${came}`);
}

function pointsOf({ profiles }: ChoiceOrder, setting: BatchingSetting): readonly ProfilePoint[] {
  return profiles.find(({ memoryMiB }) => memoryMiB === setting.memoryMiB)?.points ?? [];
}

/** A model that may not be batched is told as that: else it looks as if batches did not pay. */
function withBatchable({ batchable, batchableReason }: ModelVersion, choice: ComputedChoice): ComputedChoice {
  if (batchable !== false) return choice;
  const note = `The model may not be batched (${batchableReason}), so every request runs alone.`;
  return { ...choice, arrivals: { ...choice.arrivals, notes: [note, ...choice.arrivals.notes] } };
}

/** Predictions hold while a function is free for every batch: where too many find none, the promise is not kept. */
function withLoad(
  choice: ComputedChoice,
  loadOf: (setting: BatchingSetting) => PlannedLoad,
  maxConcurrency: number,
  objective: Objective | null,
): ComputedChoice {
  const tooMany = (setting: BatchingSetting): number | null => {
    const { needed, busyMean, waitingShare } = loadOf(setting);
    return busyMean >= maxConcurrency || (objective !== null && waitingShare > budgetOf(objective)) ? needed : null;
  };
  const alternatives = choice.alternatives.map((alternative): BatchingAlternative => {
    const needed = tooMany(alternative);
    if (needed === null) return alternative;
    if (alternative.label === 'chosen') return { ...alternative, feasible: false };
    const because = `needs about ${needed} functions at once, of at most ${maxConcurrency}`;
    const before = alternative.feasible || alternative.rejectedBecause === null ? '' : `${alternative.rejectedBecause}; `;
    return { ...alternative, feasible: false, rejectedBecause: `${before}${because}` };
  });
  const needed = tooMany(choice.setting);
  if (needed === null) return { ...choice, alternatives };
  const reason = `it needs about ${needed} functions at once, and may have ${maxConcurrency}: too many requests would wait for one`;
  const explanation = `${choice.explanation.replace(/\.$/, '')}, if a function were always free.`;
  return { ...choice, feasible: false, alternatives, reason: choice.feasible ? reason : `${choice.reason}; ${reason}`, explanation };
}

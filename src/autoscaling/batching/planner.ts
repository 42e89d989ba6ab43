/** Computes the batching setting of a model for assumed or recorded arrivals, without deploying the model. */
import type { Clock } from '../../clock.ts';
import type { FunctionPrices } from '../../costs/index.ts';
import { type BatchPolicy, checkFunctions, endpointTimeoutMsDefault, functionsDefault, objectiveWithin } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { budgetOf, checkObjective, type Objective } from '../../objective.ts';
import type { FunctionProfile } from '../../profiling/index.ts';
import { mmpp2, type ProfilePoint, poisson, type SwitchingRates } from '../../queueing/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { BatchingAlternative, BatchingInputs, BatchingSetting } from './batching-decision.ts';
import type { ArrivalsInput, ChoiceRequest } from './choose-batching.ts';
import type { Chooser, ComputedChoice } from './chooser.ts';
import { basesOf, choiceRequestFor, coldStartOf } from './decide.ts';
import { generatedArrivalsMs, type PlannedLoad, plannedLoad } from './planned-load.ts';

/** Assumed or recorded arrivals. */
export type PlannedArrivals =
  | { readonly kind: 'poisson'; readonly ratePerSecond: number }
  | ({ readonly kind: 'mmpp' } & SwitchingRates)
  | { readonly kind: 'times'; readonly timesMs: readonly number[] };

/** A question to the planner: an objective, a load, and limits. */
export interface PlanRequest {
  readonly objective: Objective | null;
  readonly memoryMiB: number | 'auto';
  readonly policy: BatchPolicy;
  readonly arrivals: PlannedArrivals;
  /** Defaults to the keep-alive of deployed functions. */
  readonly keepAliveMs?: number;
  readonly maxConcurrency?: number;
}

/** The functions that the setting needs. */
export interface PlannedFunctions {
  /** Approximate maximum number of functions busy at the same time. */
  readonly needed: number;
  readonly busyMean: number;
  readonly maxConcurrency: number;
  readonly keepAliveMs: number;
  /** Share of batches that start a function, because they arrive later than the keep-alive after the previous batch. */
  readonly coldStartShare: number;
  readonly coldStartMs: number;
}

/** The answer: a setting, and what it needs and costs. */
export interface BatchingPlan extends ComputedChoice {
  readonly model: string;
  readonly objective: Objective | null;
  readonly profiles: BatchingInputs['profiles'];
  /** null if no memory size can hold the model. */
  readonly functions: PlannedFunctions | null;
}

/** Collaborators of the planner. A model that has no profile yet is measured first. */
export interface PlannerOptions {
  readonly clock: Clock;
  readonly chooser: Pick<Chooser, 'choose'>;
  readonly prices: FunctionPrices;
  /** Measured service times by memory size; empty if nothing has been measured. */
  readonly profilesOf: (version: ModelVersion) => Promise<readonly FunctionProfile[]>;
  /** Measures the profiles of all memory sizes. */
  readonly measure: (version: ModelVersion) => Promise<unknown>;
  /** Maximum time that a caller waits for the measurement. After it the call fails, but the measurement continues. */
  readonly measureTimeoutMs?: number;
}

const measureTimeoutMsDefault = 30_000;

/** Changes nothing: the same choice as the controller's, for arrivals that are assumed. */
export class Planner {
  readonly #options: PlannerOptions;

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  /**
   * Measures the model first if necessary. Throws `invalid_request` for an invalid request, `unavailable` while the model is
   * being measured, errors of the measurement, and `wrong_state` if there is no profile of the requested memory size.
   */
  async plan(version: ModelVersion, request: PlanRequest): Promise<BatchingPlan> {
    const { prices, chooser } = this.#options;
    const { objective, memoryMiB, policy } = request;
    if (objective !== null) checkObjective(objective);
    const { keepAliveMs = functionsDefault.keepAliveMs, maxConcurrency = functionsDefault.maxConcurrency } = request;
    const functions = { ...functionsDefault, memoryMiB, batching: policy, keepAliveMs, maxConcurrency };
    checkFunctions('plan', functions, { objective, timeoutMs: endpointTimeoutMsDefault }, prices.memoryMiB);
    const arrivals = arrivalsOf(request.arrivals);
    const playedMs = generatedArrivalsMs(arrivals);
    const profiles = await this.#profilesOf(version);
    const order = choiceRequestFor({
      query: { model: version.name, objective: objectiveWithin(objective, endpointTimeoutMsDefault), memoryMiB, policy },
      profiles,
      prices,
      arrivals,
      live: null,
      marginMs: 0,
      coldStart: coldStartOf(functions, playedMs, profiles),
      current: null,
      canKeepCurrent: false,
      inForce: { memoryMiB: memoryMiB === 'auto' ? (prices.memoryMiB[0] as number) : memoryMiB, batchSizeMax: 1, waitMsMax: 0 },
    });
    if (order === null) {
      const sizes = profiles.map((size) => size.memoryMiB).join(', ');
      throw new PlatformError(
        'wrong_state',
        `${version.name} has no profile for ${memoryMiB} MiB: ${sizes === '' ? 'nothing was measured' : `expected one of ${sizes}`}`,
      );
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
      const text = `${version.name} is still being measured after ${Math.round(measureTimeoutMs / 1000)} s. Retry in a moment`;
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
function arrivalsOf(arrivals: PlannedArrivals): ArrivalsInput {
  if (arrivals.kind === 'poisson') return { kind: 'assumed', process: poisson(arrivals.ratePerSecond) };
  if (arrivals.kind === 'mmpp') return { kind: 'assumed', process: mmpp2(arrivals) };
  return { kind: 'seen', timesMs: checkTimes(arrivals.timesMs) };
}

/** Checks that the times define a rate. Throws `invalid_request`. */
function checkTimes(timesMs: readonly number[]): Float64Array {
  const expected = 'arrival times are numbers of milliseconds from 0, ascending';
  for (const [i, ms] of timesMs.entries()) {
    if (!Number.isFinite(ms) || ms < 0) throw new PlatformError('invalid_request', `${expected}: number ${i + 1} is ${ms}`);
    const before = timesMs[i - 1] ?? 0;
    if (ms < before) throw new PlatformError('invalid_request', `${expected}: number ${i + 1} is ${ms}, after ${before}`);
  }
  if (timesMs.length > 1 && timesMs[0] !== timesMs.at(-1)) return Float64Array.from(timesMs);
  const arrived = timesMs.length < 2 ? `got ${timesMs.length}` : `all ${timesMs.length} are ${timesMs[0]}`;
  throw new PlatformError('invalid_request', `no rate follows from fewer than two different arrival times: ${arrived}`);
}

function pointsOf({ profiles }: ChoiceRequest, setting: BatchingSetting): readonly ProfilePoint[] {
  return profiles.find(({ memoryMiB }) => memoryMiB === setting.memoryMiB)?.points ?? [];
}

/** Adds a note if the model does not support batching; otherwise the plan would suggest that batches do not pay off. */
function withBatchable({ batchable, batchableReason }: ModelVersion, choice: ComputedChoice): ComputedChoice {
  if (batchable !== false) return choice;
  const note = `The model does not support batching (${batchableReason}), so every request runs alone.`;
  return { ...choice, arrivals: { ...choice.arrivals, notes: [note, ...choice.arrivals.notes] } };
}

/**
 * Adds the functions needed. Predictions assume a free function for every batch, so if many batches wait for one, the objective
 * is not met.
 */
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
    const because = `needs about ${needed} functions at once, at most ${maxConcurrency} are allowed`;
    const before = alternative.feasible || alternative.rejectedBecause === null ? '' : `${alternative.rejectedBecause}; `;
    return { ...alternative, feasible: false, rejectedBecause: `${before}${because}` };
  });
  const needed = tooMany(choice.setting);
  if (needed === null) return { ...choice, alternatives };
  const reason = `it needs about ${needed} functions at once, but at most ${maxConcurrency} are allowed: too many requests would wait for one`;
  const explanation = `${choice.explanation.replace(/\.$/, '')}, if a function were always free.`;
  return { ...choice, feasible: false, alternatives, reason: choice.feasible ? reason : `${choice.reason}; ${reason}`, explanation };
}

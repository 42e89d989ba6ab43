/** Inputs and records of a batching choice. Pure: the controller passes in its observations and applies the result. */
import type { FunctionPrices } from '../../costs/index.ts';
import type { FunctionsConfig } from '../../deployment/index.ts';
import type { FunctionProfile } from '../../profiling/index.ts';
import type { NewDecision } from '../../records/index.ts';
import type { FunctionVariant } from '../../serving/index.ts';
import {
  type BatchingInputs,
  type BatchingQuery,
  type BatchingSetting,
  isSameSetting,
  type PredictionCorrection,
} from './batching-decision.ts';
import type { ChoiceRequest } from './choose-batching.ts';
import type { ComputedChoice } from './chooser.ts';
import type { BatchTrigger } from './due.ts';
import { withCorrection } from './prediction-correction.ts';
import { type LiveTable, serviceNow } from './service-now.ts';

/** The query of a variant: everything that determines its setting. */
export function batchingQueryOf({ model, objective, config }: Pick<FunctionVariant, 'model' | 'objective' | 'config'>): BatchingQuery {
  return { model: model.name, objective, memoryMiB: config.memoryMiB, policy: config.batching };
}

/** What the controller observed when a decision was due. */
export interface DecisionFacts {
  readonly query: BatchingQuery;
  readonly marginMs: number;
  readonly profiles: readonly FunctionProfile[];
  /** Service times observed in production; null if no functions run. */
  readonly live: LiveTable | null;
  readonly arrivals: ChoiceRequest['arrivals'];
  readonly prices: FunctionPrices;
  readonly coldStart: ChoiceRequest['coldStart'];
  /** The current setting; null at the first decision. */
  readonly current: BatchingSetting | null;
  /** True if the current setting was chosen for the same query. */
  readonly canKeepCurrent: boolean;
  readonly inForce: BatchingSetting;
}

/** The input of a choice; null if no allowed memory size has been measured. */
export function choiceRequestFor({ query, profiles, live, prices, ...known }: DecisionFacts): ChoiceRequest | null {
  const { objective, policy } = query;
  const wanted = profiles.filter(({ memoryMiB }) => query.memoryMiB === 'auto' || query.memoryMiB === memoryMiB);
  if (wanted.length === 0) return null;
  const { usdPerInvocation, usdPerGbSecond, billingGranularityMs } = prices;
  const sizes = serviceNow(wanted, live, (objective?.percentile ?? 95) / 100);
  return { ...known, objective, policy, profiles: sizes, price: { usdPerInvocation, usdPerGbSecond, billingGranularityMs } };
}

/** What the record of a decision needs beyond the choice itself. */
export interface DecisionContext {
  readonly endpoint: string;
  readonly variant: string;
  readonly trigger: BatchTrigger;
  readonly query: BatchingQuery;
  readonly profiles: readonly FunctionProfile[];
  /** The previous decision; null at the first one. */
  readonly previous: { readonly setting: BatchingSetting; readonly feasible: boolean } | null;
  /** Of the choice's predictions; null if they are believed. */
  readonly correction: PredictionCorrection | null;
}

/** The record of a choice. A choice that changes nothing is recorded too, with its reason. */
export function batchingDecisionOf(
  choice: ComputedChoice,
  request: ChoiceRequest,
  { query, previous, profiles, correction, ...names }: DecisionContext,
): NewDecision {
  const { price, marginMs, coldStart } = request;
  const used = new Set(request.profiles.map(({ memoryMiB }) => memoryMiB));
  const inputs: BatchingInputs = {
    query,
    marginMs,
    arrivals: choice.arrivals,
    profiles: basesOf(profiles.filter(({ memoryMiB }) => used.has(memoryMiB))),
    prices: price,
    coldStart,
    candidates: choice.candidates,
    computeMs: choice.computeMs,
    correction,
  };
  return {
    kind: 'batching',
    endpoint: names.endpoint,
    variant: names.variant,
    trigger: names.trigger,
    inputs,
    alternatives: withCorrection(choice.alternatives, correction),
    chosen: choice.setting,
    reason: choice.reason,
    explanation: correction === null ? choice.explanation : `${choice.explanation} Predictions are ${correction.reason}.`,
    changes: previous === null || previous.feasible !== choice.feasible || !isSameSetting(previous.setting, choice.setting),
  };
}

/** Sources of the service times, for the record. */
export function basesOf(profiles: readonly FunctionProfile[]): BatchingInputs['profiles'] {
  return profiles.map(({ memoryMiB, basis, profile }) => ({ memoryMiB, basis, measuredAtMs: profile.measuredAtMs }));
}

/**
 * Share of batches that find no warm environment, and the delay that adds. Without provisioned environments, a request starts a
 * cold one if it arrives later than the keep-alive after the previous request. Starts because all environments are busy are not
 * counted.
 */
export function coldStartOf(
  { provisioned, keepAliveMs }: Pick<FunctionsConfig, 'provisioned' | 'keepAliveMs'>,
  arrivalsMs: Float64Array,
  profiles: readonly Pick<FunctionProfile, 'coldMs'>[],
): ChoiceRequest['coldStart'] {
  let late = 0;
  for (let i = 1; i < arrivalsMs.length; i++) if ((arrivalsMs[i] as number) - (arrivalsMs[i - 1] as number) > keepAliveMs) late++;
  const probability = provisioned > 0 || arrivalsMs.length < 2 ? 0 : late / (arrivalsMs.length - 1);
  return { probability, ms: Math.max(0, ...profiles.map(({ coldMs }) => coldMs)) };
}

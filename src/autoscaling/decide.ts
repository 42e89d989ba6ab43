/** What goes into a choice and what is written down of it. Pure: the controller hands in what it sees, and acts on the answer. */
import type { FunctionPrices } from '../costs/index.ts';
import type { FunctionsConfig } from '../deployment/index.ts';
import type { NewDecision } from '../monitoring/index.ts';
import type { FunctionProfile } from '../profiling/index.ts';
import type { FunctionVariant } from '../serving/index.ts';
import { type BatchingInputs, type BatchingSetting, type BatchingWish, isSameSetting } from './batching-decision.ts';
import type { ChoiceOrder } from './choose-batching.ts';
import type { ComputedChoice } from './chooser.ts';
import type { BatchTrigger } from './due.ts';
import { type LiveTable, serviceNow } from './service-now.ts';

/** What a variant's setting is chosen for. */
export function wishOf({ model, objective, config }: Pick<FunctionVariant, 'model' | 'objective' | 'config'>): BatchingWish {
  return { model: model.name, objective, memoryMiB: config.memoryMiB, policy: config.batching };
}

export interface Known {
  readonly wish: BatchingWish;
  readonly marginMs: number;
  readonly profiles: readonly FunctionProfile[];
  /** Service times as they are seen at work; null where nothing is at work. */
  readonly live: LiveTable | null;
  readonly arrivals: ChoiceOrder['arrivals'];
  readonly prices: FunctionPrices;
  readonly coldStart: ChoiceOrder['coldStart'];
  /** What was chosen before; null at the first time. */
  readonly current: BatchingSetting | null;
  /** Whether it was chosen for the same wish. */
  readonly mayKeep: boolean;
  readonly inForce: BatchingSetting;
}

/** null where no memory size that may be chosen has been measured. */
export function orderFor({ wish, profiles, live, prices, ...known }: Known): ChoiceOrder | null {
  const { objective, policy } = wish;
  const wanted = profiles.filter(({ memoryMiB }) => wish.memoryMiB === 'auto' || wish.memoryMiB === memoryMiB);
  if (wanted.length === 0) return null;
  const { usdPerInvocation, usdPerGbSecond, billingGranularityMs } = prices;
  const sizes = serviceNow(wanted, live, (objective?.percentile ?? 95) / 100);
  return { ...known, objective, policy, profiles: sizes, price: { usdPerInvocation, usdPerGbSecond, billingGranularityMs } };
}

export interface Circumstances {
  readonly endpoint: string;
  readonly variant: string;
  readonly trigger: BatchTrigger;
  readonly wish: BatchingWish;
  readonly profiles: readonly FunctionProfile[];
  /** What was decided before; null at the first time. */
  readonly former: { readonly setting: BatchingSetting; readonly feasible: boolean } | null;
}

/** The record of a choice. One that keeps everything as it is, is recorded too: it says that, and why. */
export function decisionOf(choice: ComputedChoice, order: ChoiceOrder, { wish, former, profiles, ...names }: Circumstances): NewDecision {
  const { price, marginMs, coldStart } = order;
  const used = new Set(order.profiles.map(({ memoryMiB }) => memoryMiB));
  const inputs: BatchingInputs = {
    wish,
    marginMs,
    arrivals: choice.arrivals,
    profiles: basesOf(profiles.filter(({ memoryMiB }) => used.has(memoryMiB))),
    prices: price,
    coldStart,
    candidates: choice.candidates,
    computeMs: choice.computeMs,
  };
  return {
    kind: 'batching',
    endpoint: names.endpoint,
    variant: names.variant,
    trigger: names.trigger,
    inputs,
    alternatives: choice.alternatives,
    chosen: choice.setting,
    reason: choice.reason,
    explanation: choice.explanation,
    changes: former === null || former.feasible !== choice.feasible || !isSameSetting(former.setting, choice.setting),
  };
}

/** Where service times come from, for the record. */
export function basesOf(profiles: readonly FunctionProfile[]): BatchingInputs['profiles'] {
  return profiles.map(({ memoryMiB, basis, profile }) => ({ memoryMiB, basis, measuredAtMs: profile.measuredAtMs }));
}

/**
 * How often a batch finds no warm environment, and what that adds: where none is provisioned, whoever comes later than the
 * keep-alive after the one before starts one. (Environments that are started because all others are busy are not counted.)
 */
export function coldStartOf(
  { provisioned, keepAliveMs }: Pick<FunctionsConfig, 'provisioned' | 'keepAliveMs'>,
  arrivalsMs: Float64Array,
  profiles: readonly Pick<FunctionProfile, 'coldMs'>[],
): ChoiceOrder['coldStart'] {
  let late = 0;
  for (let i = 1; i < arrivalsMs.length; i++) if ((arrivalsMs[i] as number) - (arrivalsMs[i - 1] as number) > keepAliveMs) late++;
  const probability = provisioned > 0 || arrivalsMs.length < 2 ? 0 : late / (arrivalsMs.length - 1);
  return { probability, ms: Math.max(0, ...profiles.map(({ coldMs }) => coldMs)) };
}

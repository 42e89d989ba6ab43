/**
 * Strategy `economic`: the plan with the lowest total cost of instances and functions, under the quantiles of the forecast. The
 * router ensures that each request meets the objective, so no attainment target is used here, and zero instances is a normal
 * result. One formula gives three regimes: instances alone if there are no functions (or infinitely expensive ones), functions
 * alone if instances have not paid off for ten minutes, else both.
 */

import { type CounterSample, risePerMs, withSample } from './counter-window.ts';
import { fastPlan, isFastWorth, triggerWithOverflow } from './fast-path.ts';
import { atHorizon, type HorizonForecast, horizonFor, quantileOf } from './forecast-view.ts';
import { isSamePlan, type OverflowObservation, type Plan, planTotal, type Regime, type ScalingReason } from './observation.ts';
import { type AlternativesInput, alternativesTo, excludedBy } from './plans/alternatives.ts';
import { hasFewResiduals, savedAfter, wastedStartUsd } from './plans/first-instance.ts';
import { clampPlan } from './plans/limits.ts';
import { expectedOverflow, type PricedType, planCapacity, planFrom } from './plans/plan-cost.ts';
import { type FoundPlan, type PlanSearch, searchPlans } from './plans/plan-search.ts';
import { heldPlan, largestOf, type RecentPlan, withPlan } from './plans/recent-plans.ts';
import { currentPlan } from './plans/usable-types.ts';
import type { Policy } from './policy.ts';
import { usesShortSlots } from './policy-facts.ts';
import { correctedRho, floorTau } from './slo-correction.ts';
import { formatBrief, holdResult, type StrategyInput, type StrategyResult } from './strategy.ts';

/** The policy with its parsed parameters. */
export type EconomicPolicy = Extract<Policy, { kind: 'economic' }>;

/** What the strategy carries from one decision to the next. */
export interface EconomicMemory {
  readonly isServerlessOnly: boolean;
  /** Time since which zero instances has been cheapest; null if it is not. */
  readonly zeroSinceMs: number | null;
  /**
   * While functions serve alone: time at which an instance first paid off again, not earlier than the slot before last. Else
   * null.
   */
  readonly worthItAgainAtMs: number | null;
  /** Recently recommended plans. */
  readonly keeps: readonly RecentPlan[];
  readonly arrivals: readonly CounterSample[];
  /** Saving, in US dollars, that an instance would recently have made while there was none. */
  readonly savedUsd?: number;
}

/** With instances, before the first observation. */
export const economicInitial: EconomicMemory = {
  isServerlessOnly: false,
  zeroSinceMs: null,
  worthItAgainAtMs: null,
  keeps: [],
  arrivals: [],
};

const rateWindowMs = 30_000;
const serverlessAfterMs = 600_000;
/** For instances to return, one must cost at most this share of functions alone, in two consecutive slots. */
const worthItShare = 0.95;
const rhoMaxWithoutOverflow = 0.85;
/**
 * With short slots, which follow each turn of the load, a running instance stays while it saves this share of its price: if it had to
 * start again, it would be paid for without use. The share was chosen by simulation, on other days than those of the published figures.
 */
const keepShareOfShortSlots = 0.7;

/** Between two plans it only adds instances; `planned` decides everything. */
export function economic(policy: EconomicPolicy, memory: EconomicMemory, input: StrategyInput): StrategyResult<EconomicMemory> {
  const { observation, nowMs } = input;
  const arrivals = withSample(memory.arrivals, { atMs: nowMs, value: observation.arrivals }, rateWindowMs, rateWindowMs / 6);
  const remembered = { ...memory, arrivals };
  return observation.trigger === 'fast' ? betweenPlans(policy, remembered, input) : planned(policy, remembered, input);
}

interface Setting {
  readonly rho: number;
  readonly hold: number;
  readonly keepShare: number;
  readonly near: HorizonForecast;
  readonly far: HorizonForecast;
  readonly weighing: AlternativesInput;
}

function planned(policy: EconomicPolicy, memory: EconomicMemory, original: StrategyInput): StrategyResult<EconomicMemory> {
  const { observation, nowMs } = original;
  if (observation.forecast === null) return holdResult(original, memory, 'no-forecast', 'there is no forecast yet');
  const input = original.overflow === null ? withLeastOne(original) : original;
  const isServerlessOnly = memory.isServerlessOnly && input.overflow !== null && input.level === 0;
  const full = settingFor(policy, input, isServerlessOnly);
  if (full === null) return holdResult(original, memory, 'no-forecast', 'the forecast has no horizon');
  const setting = withoutIdleFloor(full, input);
  const search = searchFor(setting, observation.slotMs);
  const saved = withSaved(memory, input, setting);
  if (!isServerlessOnly) return hybrid({ ...saved, isServerlessOnly }, input, setting, search);
  const isWorth = isWorthIt(setting, search) && !isTooEarly(saved, input, setting);
  const again = worthItAgain(saved, isWorth, observation.slotMs, nowMs);
  const { priced, floor, mustCarry } = setting.weighing;
  const isForced = planTotal(planFrom(priced, search.up.counts)) > 0 && input.limits.min + floor + mustCarry > 0;
  if (again.isTwice || isForced) {
    const back = settingFor(policy, input, false) as Setting;
    return hybrid(
      { ...saved, isServerlessOnly: false, worthItAgainAtMs: null, zeroSinceMs: null },
      input,
      back,
      searchFor(back, observation.slotMs),
      search,
    );
  }
  return alone({ ...saved, worthItAgainAtMs: again.sinceMs }, input, setting, search);
}

/** Raises the minimum to one instance if there are no functions. */
function withLeastOne(input: StrategyInput): StrategyInput {
  return { ...input, limits: { ...input.limits, min: Math.min(input.limits.max, Math.max(1, input.limits.min)) } };
}

/** Quantities for planning; null if the forecast is empty. */
function settingFor(
  policy: EconomicPolicy,
  { observation, types, overflow, limits, level }: StrategyInput,
  isServerlessOnly: boolean,
): Setting | null {
  const { forecast, slotMs } = observation;
  const leadMs = Math.max(...types.map((type) => type.leadMs));
  const near = forecast && atHorizon(forecast, 1);
  const far = forecast && atHorizon(forecast, horizonFor(leadMs, slotMs));
  if (near === null || far === null) return null;
  const requested = policy.rho ?? (overflow === null ? rhoMaxWithoutOverflow : 1);
  const rho = correctedRho(overflow === null ? Math.min(requested, rhoMaxWithoutOverflow) : requested, level);
  const priced = types.map(({ name, ratePerSecond, usdPerSlot, have, leadMs: lead }): PricedType => {
    return { name, capacity: (ratePerSecond * slotMs * rho) / 1000, usdPerSlot, have, leadMs: lead };
  });
  const tau = floorTau(level);
  const usdEach =
    overflow === null ? 0 : isServerlessOnly ? (overflow.usdPerRequestAlone ?? overflow.usdPerRequest) : overflow.usdPerRequest;
  return {
    rho,
    hold: policy.hold ?? (overflow === null ? holdSlotsAlone(leadMs, slotMs) : 2),
    keepShare: usesShortSlots(policy) ? keepShareOfShortSlots : 1,
    near,
    far,
    weighing: {
      types,
      priced,
      demand: rising(far.quantiles),
      overflowUsdEach: usdEach,
      mustCarry: notByFunctions(Math.max(quantileOf(near, 0.99), quantileOf(far, 0.99)), overflow, slotMs),
      floor: tau === null ? 0 : quantileOf(far, tau),
      limits,
    },
  };
}

/** Slots for which an instance without functions is kept after it last paid off: five, or as many as two and a half starts take. */
function holdSlotsAlone(leadMs: number, slotMs: number): number {
  return Math.max(5, Math.ceil((2.5 * leadMs) / slotMs));
}

/** Requests per slot that functions cannot serve, because their total throughput is limited. */
function notByFunctions(requests: number, overflow: OverflowObservation | null, slotMs: number): number {
  if (overflow === null) return requests;
  return Math.max(0, requests - ((overflow.ratePerSecondMax ?? Number.POSITIVE_INFINITY) * slotMs) / 1000);
}

function searchFor({ near, far, keepShare, weighing }: Setting, slotMs: number): PlanSearch {
  const { priced, demand, overflowUsdEach, mustCarry, floor, limits } = weighing;
  const nearDemand = near === far ? demand : rising(near.quantiles);
  return searchPlans({ types: priced, near: nearDemand, far: demand, overflowUsdEach, mustCarry, floor, limits, slotMs, keepShare });
}

/** Plans instances, with functions for peaks if there are any. `worth`: whether instances pay off again. */
function hybrid(
  memory: EconomicMemory,
  input: StrategyInput,
  setting: Setting,
  search: PlanSearch,
  worth: PlanSearch = search,
): StrategyResult<EconomicMemory> {
  const { observation, nowMs, types } = input;
  const { weighing, hold, rho } = setting;
  const { priced } = weighing;
  const have = Object.fromEntries(types.map((type) => [type.name, type.have]));
  const isBack = worth !== search && planTotal(planFrom(priced, search.up.counts)) === 0;
  const wanted = planFrom(priced, (isBack ? (worth.someInstances ?? search.up) : search.up).counts);
  const isEarly = planTotal(wanted) > 0 && isTooEarly(memory, input, setting);
  const up = isEarly
    ? planFrom(
        priced,
        priced.map(() => 0),
      )
    : wanted;
  const keeps = withPlan(memory.keeps, planFrom(priced, search.keep.counts), hold, observation.slotMs, nowMs);
  const zeroSinceMs = planTotal(up) > 0 || input.overflow === null ? null : (memory.zeroSinceMs ?? nowMs);
  if (zeroSinceMs !== null && nowMs - zeroSinceMs >= serverlessAfterMs && input.level === 0) {
    return alone({ ...memory, isServerlessOnly: true, zeroSinceMs, worthItAgainAtMs: null, keeps: [] }, input, setting, search);
  }
  const held = heldPlan(
    up,
    have,
    largestOf(
      keeps,
      types.map(({ name }) => name),
    ),
  );
  const replacing = untilReplaced(input, up, held);
  const clamped = clampPlan(replacing, types, input.limits);
  const unbounded = planFrom(priced, search.unbounded.counts);
  return {
    memory: { ...memory, isServerlessOnly: false, zeroSinceMs, keeps },
    plan: clamped.plan,
    reason: reasonFor({ up, held, replacing, plan: clamped.plan, unbounded, by: clamped.by }, weighing),
    why: isEarly ? 'a first instance has not paid off long enough yet while the forecast is young' : limitOf(input, setting, search.up),
    regime: input.overflow === null ? 'instances-only' : 'hybrid',
    rho,
    alternatives: alternativesTo(clamped.plan, currentPlan(observation.types), unbounded, weighing),
  };
}

/** Why one instance fewer is impossible at any cost: functions could not serve the remaining requests. */
function limitOf({ overflow }: StrategyInput, { weighing: { priced, mustCarry } }: Setting, { counts }: FoundPlan): string {
  const ratePerSecondMax = overflow?.ratePerSecondMax;
  if (ratePerSecondMax === undefined || mustCarry === 0) return '';
  const least = Math.min(...priced.filter((_, i) => (counts[i] as number) > 0).map(({ capacity }) => capacity));
  return planCapacity(priced, counts) - least < mustCarry ? `functions can serve at most ${formatBrief(ratePerSecondMax)}/s` : '';
}

/** Plans functions alone: no instances and no pings. */
function alone(
  memory: EconomicMemory,
  input: StrategyInput,
  { weighing, rho }: Setting,
  search: PlanSearch,
): StrategyResult<EconomicMemory> {
  const none: Plan = Object.fromEntries(input.types.map(({ name }) => [name, 0]));
  const { plan, by } = clampPlan(none, input.types, input.limits);
  return {
    memory,
    plan,
    reason: by ?? 'argmin',
    why: 'functions alone have been cheapest',
    regime: 'serverless-only',
    rho,
    overflowUsdEach: weighing.overflowUsdEach,
    alternatives: alternativesTo(
      plan,
      currentPlan(input.observation.types),
      planFrom(weighing.priced, (search.someInstances ?? search.up).counts),
      weighing,
    ),
  };
}

/**
 * Removes the floor of a missed objective if no instance is running and none pays off. Then cold starts cause the misses, and
 * warm functions prevent them at a thousandth of the price of an instance.
 */
function withoutIdleFloor(setting: Setting, { observation, overflow, types }: StrategyInput): Setting {
  const { weighing } = setting;
  if (weighing.floor === 0 || overflow === null || types.some(({ have }) => have > 0)) return setting;
  const bare = { ...setting, weighing: { ...weighing, floor: 0 } };
  const { up } = searchFor(bare, observation.slotMs);
  return planTotal(planFrom(weighing.priced, up.counts)) === 0 ? bare : setting;
}

/** Adds the saving that an instance would have made in the completed slot. */
function withSaved(memory: EconomicMemory, { observation, overflow, types }: StrategyInput, { weighing }: Setting): EconomicMemory {
  const isAlone = overflow !== null && types.every(({ have }) => have === 0);
  if (!isAlone) return { ...memory, savedUsd: 0 };
  if (observation.trigger !== 'period') return memory;
  return { ...memory, savedUsd: savedAfter(memory.savedUsd ?? 0, observation.lastCount, weighing.priced, weighing.overflowUsdEach) };
}

/** True if functions have served alone so far and the forecast has too few residuals to justify an instance. */
function isTooEarly(
  { savedUsd = 0 }: EconomicMemory,
  { observation, overflow, types, limits }: StrategyInput,
  { weighing, hold }: Setting,
): boolean {
  if (overflow === null || limits.min > 0 || weighing.mustCarry > 0 || types.some(({ have }) => have > 0)) return false;
  const { forecast, slotMs } = observation;
  return hasFewResiduals(forecast?.residualsSeen ?? 0, slotMs) && savedUsd < wastedStartUsd(weighing.priced, hold, slotMs);
}

/** True if a plan with instances is clearly cheaper than functions alone. */
function isWorthIt({ weighing }: Setting, { someInstances }: PlanSearch): boolean {
  const aloneUsd = weighing.overflowUsdEach * expectedOverflow(weighing.demand, 0);
  return someInstances !== null && someInstances.totalUsd <= worthItShare * aloneUsd;
}

/** Updates the state of instances paying off. `isTwice`: they pay off now and did in the previous slot. */
function worthItAgain(
  { worthItAgainAtMs }: EconomicMemory,
  isWorthItNow: boolean,
  slotMs: number,
  nowMs: number,
): { isTwice: boolean; sinceMs: number | null } {
  if (!isWorthItNow) return { isTwice: false, sinceMs: null };
  const ageMs = worthItAgainAtMs === null ? Number.POSITIVE_INFINITY : nowMs - worthItAgainAtMs;
  if (ageMs < slotMs / 2) return { isTwice: false, sinceMs: worthItAgainAtMs };
  return ageMs <= slotMs * 1.75 ? { isTwice: true, sinceMs: null } : { isTwice: false, sinceMs: nowMs };
}

/** Keeps the instances of a type while their replacements of other types are not ready. */
function untilReplaced({ types }: StrategyInput, up: Plan, retained: Plan): Plan {
  const isStarting = (name: string): boolean => types.some((type) => type.name === name && (up[name] ?? 0) > type.active);
  return Object.fromEntries(
    types.map(({ name, have }) => {
      const others = types.some((other) => other.name !== name && isStarting(other.name));
      const count = retained[name] ?? 0;
      return [name, others && count < have ? have : count];
    }),
  );
}

interface Steps {
  readonly up: Plan;
  readonly held: Plan;
  readonly replacing: Plan;
  readonly plan: Plan;
  readonly unbounded: Plan;
  readonly by: ScalingReason | null;
}

/** The reason of the last step that changed the plan. */
function reasonFor({ up, held, replacing, plan, unbounded, by }: Steps, weighing: AlternativesInput): ScalingReason {
  if (by !== null) return by;
  if (!isSamePlan(replacing, held)) return 'replace';
  if (!isSamePlan(held, up)) return 'hold';
  return isSamePlan(plan, unbounded) ? 'argmin' : (excludedBy(unbounded, weighing) ?? 'argmin');
}

/** Decides between plans, every 15 s: adds instances if the rate exceeds the current capacity, else changes nothing. */
function betweenPlans(policy: EconomicPolicy, memory: EconomicMemory, input: StrategyInput): StrategyResult<EconomicMemory> {
  const { types, overflow, limits, observation } = input;
  const regime: Regime = overflow === null ? 'instances-only' : memory.isServerlessOnly ? 'serverless-only' : 'hybrid';
  const have = currentPlan(observation.types);
  const nothing = { memory, plan: have, reason: 'fast' as const, regime };
  const isOn =
    policy.fast === 'on' || (policy.fast === 'auto' && isFastWorth(Math.min(...types.map(({ leadMs }) => leadMs)), overflow !== null));
  if (!isOn) return { ...nothing, why: 'only plans start instances' };
  const perMs = risePerMs(memory.arrivals, rateWindowMs);
  if (perMs === null) return { ...nothing, why: 'the rate is unknown so far' };
  const ratePerSecond = perMs * 1000;
  const trigger = overflow === null ? Math.min(policy.rho ?? rhoMaxWithoutOverflow, rhoMaxWithoutOverflow) : triggerWithOverflow;
  const more = fastPlan({ ratePerSecond, trigger, types, hasOverflow: overflow !== null });
  if (more === null) return { ...nothing, why: `${formatBrief(ratePerSecond)} requests/s need no more` };
  const { plan, by } = clampPlan({ ...have, ...more }, types, limits);
  const grown = Object.fromEntries(Object.entries(plan).map(([name, count]) => [name, Math.max(count, have[name] ?? 0)]));
  return {
    ...nothing,
    plan: grown,
    reason: by ?? 'fast',
    why: `${formatBrief(ratePerSecond)} requests/s of the last 30 s exceed their capacity`,
  };
}

function rising(quantiles: readonly number[]): readonly number[] {
  for (let k = 1; k < quantiles.length; k++) {
    if ((quantiles[k] as number) < (quantiles[k - 1] as number)) return quantiles.toSorted((a, b) => a - b);
  }
  return quantiles;
}

/**
 * Strategy `economic`: the plan that costs least, instances and functions together, under the quantiles of the forecast. The
 * promise to each request is the router's business; no target of attainment enters here, and no instance at all is a normal answer.
 *
 * From one formula come three regimes: instances alone where there are no functions (or they are infinitely dear), functions
 * alone where instances have not been worth it for ten minutes, and both.
 */
import { alternativesTo, excludedBy, type Weighing } from './alternatives.ts';
import { type CounterSample, risePerMs, withSample } from './counter-window.ts';
import { fastPlan, isFastWorth, triggerWithOverflow } from './fast-path.ts';
import { isYoung, savedAfter, startInVainUsd } from './first-instance.ts';
import { atHorizon, type HorizonForecast, horizonFor, quantileOf } from './forecast-view.ts';
import { clampPlan } from './limits.ts';
import { isSamePlan, type OverflowObservation, type Plan, planTotal, type Regime, type ScalingReason } from './observation.ts';
import { capacityOf, expectedOverflow, type PricedType, planFrom } from './plan-cost.ts';
import { type Found, type PlanSearch, searchPlans } from './plan-search.ts';
import type { Policy } from './policy.ts';
import { held, mostOf, type RecentPlan, withPlan } from './recent.ts';
import { correctedRho, floorTau } from './slo-correction.ts';
import { type Ask, brief, stay, type Verdict } from './strategy.ts';
import { currentPlan } from './usable-types.ts';

export type EconomicPolicy = Extract<Policy, { kind: 'economic' }>;

export interface EconomicMemory {
  readonly isServerlessOnly: boolean;
  /** Since when no instance at all has been the cheapest; null: it is not. */
  readonly zeroSinceMs: number | null;
  /** While functions serve alone: when an instance was first worth it again, in the last slot but one at the earliest. */
  readonly worthItAgainAtMs: number | null;
  /** What was worth keeping lately. */
  readonly keeps: readonly RecentPlan[];
  readonly arrivals: readonly CounterSample[];
  /** What an instance would have saved lately while there was none. */
  readonly savedUsd?: number;
}

export const economicBegin: EconomicMemory = {
  isServerlessOnly: false,
  zeroSinceMs: null,
  worthItAgainAtMs: null,
  keeps: [],
  arrivals: [],
};

const rateWindowMs = 30_000;
const serverlessAfterMs = 600_000;
/** An instance has to be so much cheaper than functions alone to come back, in two successive slots. */
const worthItShare = 0.95;
const rhoMaxWithoutOverflow = 0.85;

export function economic(policy: EconomicPolicy, memory: EconomicMemory, ask: Ask): Verdict<EconomicMemory> {
  const { observation, nowMs } = ask;
  const arrivals = withSample(memory.arrivals, { atMs: nowMs, value: observation.arrivals }, rateWindowMs, rateWindowMs / 6);
  const remembered = { ...memory, arrivals };
  return observation.trigger === 'fast' ? betweenPlans(policy, remembered, ask) : planned(policy, remembered, ask);
}

interface Setting {
  readonly rho: number;
  readonly hold: number;
  readonly near: HorizonForecast;
  readonly far: HorizonForecast;
  readonly weighing: Weighing;
}

function planned(policy: EconomicPolicy, memory: EconomicMemory, asked: Ask): Verdict<EconomicMemory> {
  const { observation, nowMs } = asked;
  if (observation.forecast === null) return stay(asked, memory, 'no-forecast', 'there is no forecast yet');
  const ask = asked.overflow === null ? withLeastOne(asked) : asked;
  const isServerlessOnly = memory.isServerlessOnly && ask.overflow !== null && ask.level === 0;
  const wished = settingFor(policy, ask, isServerlessOnly);
  if (wished === null) return stay(asked, memory, 'no-forecast', 'the forecast has no horizon');
  const setting = withoutIdleFloor(wished, ask);
  const search = searchFor(setting, observation.slotMs);
  const saved = withSaved(memory, ask, setting);
  if (!isServerlessOnly) return hybrid({ ...saved, isServerlessOnly }, ask, setting, search);
  const isWorth = isWorthIt(setting, search) && !isTooEarly(saved, ask, setting);
  const again = worthItAgain(saved, isWorth, observation.slotMs, nowMs);
  const { priced, floor, mustCarry } = setting.weighing;
  const isForced = planTotal(planFrom(priced, search.up.counts)) > 0 && ask.limits.min + floor + mustCarry > 0;
  if (again.isTwice || isForced) {
    const back = settingFor(policy, ask, false) as Setting;
    return hybrid(
      { ...saved, isServerlessOnly: false, worthItAgainAtMs: null, zeroSinceMs: null },
      ask,
      back,
      searchFor(back, observation.slotMs),
      search,
    );
  }
  return alone({ ...saved, worthItAgainAtMs: again.sinceMs }, ask, setting, search);
}

/** Without functions somebody has to be there. */
function withLeastOne(ask: Ask): Ask {
  return { ...ask, limits: { ...ask.limits, min: Math.min(ask.limits.max, Math.max(1, ask.limits.min)) } };
}

/** What is planned with: null where the forecast is empty. */
function settingFor(
  policy: EconomicPolicy,
  { observation, types, overflow, limits, level }: Ask,
  isServerlessOnly: boolean,
): Setting | null {
  const { forecast, slotMs } = observation;
  const leadMs = Math.max(...types.map((type) => type.leadMs));
  const near = forecast && atHorizon(forecast, 1);
  const far = forecast && atHorizon(forecast, horizonFor(leadMs, slotMs));
  if (near === null || far === null) return null;
  const wished = policy.rho ?? (overflow === null ? rhoMaxWithoutOverflow : 1);
  const rho = correctedRho(overflow === null ? Math.min(wished, rhoMaxWithoutOverflow) : wished, level);
  const priced = types.map(({ name, ratePerSecond, usdPerSlot, have, leadMs: lead }): PricedType => {
    return { name, capacity: (ratePerSecond * slotMs * rho) / 1000, usdPerSlot, have, leadMs: lead };
  });
  const tau = floorTau(level);
  const usdEach =
    overflow === null ? 0 : isServerlessOnly ? (overflow.usdPerRequestAlone ?? overflow.usdPerRequest) : overflow.usdPerRequest;
  return {
    rho,
    hold: policy.hold ?? (overflow === null ? 5 : 2),
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

/** Of so many requests a slot, those that functions cannot take, however many there may be of them. */
function notByFunctions(requests: number, overflow: OverflowObservation | null, slotMs: number): number {
  if (overflow === null) return requests;
  return Math.max(0, requests - ((overflow.ratePerSecondMax ?? Number.POSITIVE_INFINITY) * slotMs) / 1000);
}

function searchFor({ near, far, weighing }: Setting, slotMs: number): PlanSearch {
  const { priced, demand, overflowUsdEach, mustCarry, floor, limits } = weighing;
  const nearDemand = near === far ? demand : rising(near.quantiles);
  return searchPlans({ types: priced, near: nearDemand, far: demand, overflowUsdEach, mustCarry, floor, limits, slotMs });
}

/** Instances, with functions for what comes on top where there are any. `worth` is what made instances worth it again. */
function hybrid(
  memory: EconomicMemory,
  ask: Ask,
  setting: Setting,
  search: PlanSearch,
  worth: PlanSearch = search,
): Verdict<EconomicMemory> {
  const { observation, nowMs, types } = ask;
  const { weighing, hold, rho } = setting;
  const { priced } = weighing;
  const have = Object.fromEntries(types.map((type) => [type.name, type.have]));
  const isBack = worth !== search && planTotal(planFrom(priced, search.up.counts)) === 0;
  const wanted = planFrom(priced, (isBack ? (worth.someInstances ?? search.up) : search.up).counts);
  const isEarly = planTotal(wanted) > 0 && isTooEarly(memory, ask, setting);
  const up = isEarly
    ? planFrom(
        priced,
        priced.map(() => 0),
      )
    : wanted;
  const keeps = withPlan(memory.keeps, planFrom(priced, search.keep.counts), hold, observation.slotMs, nowMs);
  const zeroSinceMs = planTotal(up) > 0 || ask.overflow === null ? null : (memory.zeroSinceMs ?? nowMs);
  if (zeroSinceMs !== null && nowMs - zeroSinceMs >= serverlessAfterMs && ask.level === 0) {
    return alone({ ...memory, isServerlessOnly: true, zeroSinceMs, worthItAgainAtMs: null, keeps: [] }, ask, setting, search);
  }
  const kept = held(
    up,
    have,
    mostOf(
      keeps,
      types.map(({ name }) => name),
    ),
  );
  const replacing = untilReplaced(ask, up, kept);
  const clamped = clampPlan(replacing, types, ask.limits);
  const unbounded = planFrom(priced, search.unbounded.counts);
  return {
    memory: { ...memory, isServerlessOnly: false, zeroSinceMs, keeps },
    plan: clamped.plan,
    reason: reasonFor({ up, kept, replacing, plan: clamped.plan, unbounded, by: clamped.by }, weighing),
    why: isEarly ? 'a first instance has not been worth it long enough for so young a forecast' : limitOf(ask, setting, search.up),
    regime: ask.overflow === null ? 'instances-only' : 'hybrid',
    rho,
    alternatives: alternativesTo(clamped.plan, currentPlan(observation.types), unbounded, weighing),
  };
}

/** Where functions could not take what one instance fewer would leave them: why it is not fewer, whatever it costs. */
function limitOf({ overflow }: Ask, { weighing: { priced, mustCarry } }: Setting, { counts }: Found): string {
  const ratePerSecondMax = overflow?.ratePerSecondMax;
  if (ratePerSecondMax === undefined || mustCarry === 0) return '';
  const least = Math.min(...priced.filter((_, i) => (counts[i] as number) > 0).map(({ capacity }) => capacity));
  return capacityOf(priced, counts) - least < mustCarry ? `functions take ${brief(ratePerSecondMax)}/s at most` : '';
}

/** Functions alone: no instance, no pings. */
function alone(memory: EconomicMemory, ask: Ask, { weighing, rho }: Setting, search: PlanSearch): Verdict<EconomicMemory> {
  const none: Plan = Object.fromEntries(ask.types.map(({ name }) => [name, 0]));
  const { plan, by } = clampPlan(none, ask.types, ask.limits);
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
      currentPlan(ask.observation.types),
      planFrom(weighing.priced, (search.someInstances ?? search.up).counts),
      weighing,
    ),
  };
}

/**
 * Where no instance is and none is worth it, who misses the objective meets cold starts: functions that are kept warm cure that for a
 * thousandth of what an instance costs, so the floor is left out.
 */
function withoutIdleFloor(setting: Setting, { observation, overflow, types }: Ask): Setting {
  const { weighing } = setting;
  if (weighing.floor === 0 || overflow === null || types.some(({ have }) => have > 0)) return setting;
  const bare = { ...setting, weighing: { ...weighing, floor: 0 } };
  const { up } = searchFor(bare, observation.slotMs);
  return planTotal(planFrom(weighing.priced, up.counts)) === 0 ? bare : setting;
}

/** With what an instance would have saved in the slot that is over. */
function withSaved(memory: EconomicMemory, { observation, overflow, types }: Ask, { weighing }: Setting): EconomicMemory {
  const isAlone = overflow !== null && types.every(({ have }) => have === 0);
  if (!isAlone) return { ...memory, savedUsd: 0 };
  if (observation.trigger !== 'period') return memory;
  return { ...memory, savedUsd: savedAfter(memory.savedUsd ?? 0, observation.lastCount, weighing.priced, weighing.overflowUsdEach) };
}

/** Whether functions serve alone so far, and the forecast alone is not enough to start an instance beside them. */
function isTooEarly({ savedUsd = 0 }: EconomicMemory, { observation, overflow, types, limits }: Ask, { weighing, hold }: Setting): boolean {
  if (overflow === null || limits.min > 0 || weighing.mustCarry > 0 || types.some(({ have }) => have > 0)) return false;
  return isYoung(observation.forecast?.residualsSeen ?? 0) && savedUsd < startInVainUsd(weighing.priced, hold, observation.slotMs);
}

/** Whether some instance is clearly cheaper than functions alone. */
function isWorthIt({ weighing }: Setting, { someInstances }: PlanSearch): boolean {
  const aloneUsd = weighing.overflowUsdEach * expectedOverflow(weighing.demand, 0);
  return someInstances !== null && someInstances.totalUsd <= worthItShare * aloneUsd;
}

/** Whether it is now, and was in the slot before as well. */
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

/** While what replaces them is not ready, those that go on the other side stay. */
function untilReplaced({ types }: Ask, up: Plan, kept: Plan): Plan {
  const isStarting = (name: string): boolean => types.some((type) => type.name === name && (up[name] ?? 0) > type.active);
  return Object.fromEntries(
    types.map(({ name, have }) => {
      const others = types.some((other) => other.name !== name && isStarting(other.name));
      const count = kept[name] ?? 0;
      return [name, others && count < have ? have : count];
    }),
  );
}

interface Steps {
  readonly up: Plan;
  readonly kept: Plan;
  readonly replacing: Plan;
  readonly plan: Plan;
  readonly unbounded: Plan;
  readonly by: ScalingReason | null;
}

/** The last step that made a difference. */
function reasonFor({ up, kept, replacing, plan, unbounded, by }: Steps, weighing: Weighing): ScalingReason {
  if (by !== null) return by;
  if (!isSamePlan(replacing, kept)) return 'replace';
  if (!isSamePlan(kept, up)) return 'hold';
  return isSamePlan(plan, unbounded) ? 'argmin' : (excludedBy(unbounded, weighing) ?? 'argmin');
}

/** Every 15 s: more where the rate has outgrown what there is; else what there is. */
function betweenPlans(policy: EconomicPolicy, memory: EconomicMemory, ask: Ask): Verdict<EconomicMemory> {
  const { types, overflow, limits, observation } = ask;
  const regime: Regime = overflow === null ? 'instances-only' : memory.isServerlessOnly ? 'serverless-only' : 'hybrid';
  const have = currentPlan(observation.types);
  const nothing = { memory, plan: have, reason: 'fast' as const, regime };
  const isOn =
    policy.fast === 'on' || (policy.fast === 'auto' && isFastWorth(Math.min(...types.map(({ leadMs }) => leadMs)), overflow !== null));
  if (!isOn) return { ...nothing, why: 'only plans start instances' };
  const perMs = risePerMs(memory.arrivals, rateWindowMs);
  if (perMs === null) return { ...nothing, why: 'the rate is not known yet' };
  const ratePerSecond = perMs * 1000;
  const trigger = overflow === null ? Math.min(policy.rho ?? rhoMaxWithoutOverflow, rhoMaxWithoutOverflow) : triggerWithOverflow;
  const more = fastPlan({ ratePerSecond, trigger, types, hasOverflow: overflow !== null });
  if (more === null) return { ...nothing, why: `${brief(ratePerSecond)} requests/s need no more` };
  const { plan, by } = clampPlan({ ...have, ...more }, types, limits);
  const grown = Object.fromEntries(Object.entries(plan).map(([name, count]) => [name, Math.max(count, have[name] ?? 0)]));
  return {
    ...nothing,
    plan: grown,
    reason: by ?? 'fast',
    why: `${brief(ratePerSecond)} requests/s of the last 30 s are more than they carry`,
  };
}

function rising(quantiles: readonly number[]): readonly number[] {
  for (let k = 1; k < quantiles.length; k++) {
    if ((quantiles[k] as number) < (quantiles[k - 1] as number)) return quantiles.toSorted((a, b) => a - b);
  }
  return quantiles;
}

/**
 * One variant under the eyes of its policy: what is remembered of its load, its instances and its money, when a decision is
 * due, and the decision. Whoever looks hands in what is there and what time it is; nothing is read or written here.
 */
import { createForecaster, type Forecaster } from '../forecasting/index.ts';
import type { OverflowPlan } from '../serving/index.ts';
import type { ScalingDecision } from './decide-record.ts';
import { decideScaling } from './decide-scaling.ts';
import { HourlyBudget, type HourSpent } from './hourly-budget.ts';
import { LeadTimes } from './lead-times.ts';
import { Rest } from './rest.ts';
import type { ScaledVariant } from './scaled-variant.ts';
import { scalingPolicy } from './scaling-policies.ts';
import { SloHistory, type SloSlot } from './slo-history.ts';
import { type CountedSlot, SlotCounter } from './slot-counter.ts';
import { StartTrouble } from './start-trouble.ts';
import { type ForecastView, forecastViewOf, slotMsFor } from './strategies/forecast-view.ts';
import { floorWithin, leastWithin, leftForFunctionsUsd } from './strategies/limits.ts';
import { type Budget, type Observation, planTotal, type ScalingTrigger } from './strategies/observation.ts';
import type { Policy } from './strategies/policy.ts';
import { forecasterOf, horizonsOf, periodsOf, restAfterMsOf } from './strategies/policy-facts.ts';
import { restoreScalingState, type ScalingState } from './strategies/scaling-state.ts';

/** What outlives a server: JSON of less than 200 kB. */
export interface KeptWatch {
  readonly format: 1;
  readonly slotMs: number;
  readonly forecaster: unknown;
  readonly scaling: ScalingState;
  readonly leadsMs: readonly number[];
  readonly slo: readonly SloSlot[];
  readonly hour: HourSpent;
}

export interface Look {
  /** The slot that is over. */
  readonly counted: CountedSlot | null;
  /** Why it is to be decided now; null: it is not. */
  readonly trigger: ScalingTrigger | null;
}

/** A decision, and what else a person has to know of how it came about. */
export interface WatchedDecision {
  readonly decision: ScalingDecision;
  readonly reason: string;
  readonly explanation: string;
}

/** The money for the present hour is spent, or there is some again; `budget` is null where there is no limit any more. */
export interface MoneyNews {
  readonly kind: 'spent' | 'renewed';
  readonly budget: Budget | null;
}

const dayMs = 86_400_000;
/** Whoever waits for an instance that is not there yet is seen within this time. */
const wakeLookMs = 250;
const restAfterMsDefault = 300_000;
/** Where an instance takes longer or shorter to start than it did, the forecast for that is there too. */
const nearHorizons = [1, 2, 3, 4, 5, 6, 7];

export class ScalingWatch {
  variant: ScaledVariant;
  #policy: Policy;
  #forecaster: Forecaster | null = null;
  #counter: SlotCounter;
  #lastCount: number | null = null;
  /** Something has happened since the last plan that it did not know. */
  #hasNews = false;
  #gaps = 0;
  #state: ScalingState;
  readonly #leads: LeadTimes;
  readonly #slo: SloHistory;
  readonly #hour: HourlyBudget;
  readonly #trouble = new StartTrouble();
  readonly #rest: Rest;
  /** As decided last. */
  #warmFunctions = 0;
  #isRestored: boolean;
  #isAsked = false;
  #plannedAtMs = Number.NEGATIVE_INFINITY;
  #fastAtMs = Number.NEGATIVE_INFINITY;

  /** `kept` is what `snapshot` gave, or anything else: then it begins anew. */
  constructor(variant: ScaledVariant, leadMinMs: number, kept: unknown) {
    const known = isKept(kept) ? kept : null;
    this.variant = variant;
    this.#policy = scalingPolicy(variant.config.policy);
    this.#state = restoreScalingState(known?.scaling ?? null);
    this.#rest = new Rest(variant.wanted);
    this.#leads = new LeadTimes(leadMinMs, known?.leadsMs ?? []);
    this.#slo = new SloHistory(known?.slo ?? []);
    this.#hour = new HourlyBudget(known?.hour ?? null);
    this.#counter = new SlotCounter(slotMsFor(this.#leads.medianMs));
    this.#isRestored = this.#newForecaster(known?.slotMs === this.slotMs ? known.forecaster : null);
  }

  get slotMs(): number {
    return this.#counter.slotMs;
  }

  /** When to look again at the latest: at the end of the slot, or when the policy wants to be asked. */
  nextLookMs(wallMs: number): number {
    const { planMs } = periodsOf(this.#policy, this.slotMs);
    return Math.min(this.#counter.nextMs(wallMs) - wallMs, planMs, this.#mayRest && this.variant.wanted === 0 ? wakeLookMs : planMs);
  }

  /** Has it decided at the next look, whatever the time. */
  ask(): void {
    this.#isAsked = true;
  }

  look(variant: ScaledVariant, wallMs: number): Look {
    // What was last said of a budget that is another now must not stand until the next plan.
    if (variant.config.usdPerHourMax !== this.variant.config.usdPerHourMax) this.#isAsked = true;
    this.variant = variant;
    this.#followConfig();
    this.#leads.seen(variant.instances);
    this.#followLead();
    this.#hour.seen(variant.spentUsd, wallMs);
    this.#rest.seen({ arrived: variant.traffic.rowsArrived, queue: variant.queue, wanted: variant.wanted }, wallMs);
    const counted = this.#counter.look(wallMs, variant.traffic.rowsArrived);
    if (counted !== null) this.#count(counted, wallMs);
    const { startTrouble, instances, wanted } = variant;
    const isWhole = instances.filter(({ state }) => state === 'active').length >= wanted;
    const isStuck = this.#trouble.seen(startTrouble, isWhole, wallMs);
    if (counted !== null || isStuck) this.#hasNews = true;
    return { counted, trigger: variant.isSettled ? this.#due(wallMs) : null };
  }

  decide(trigger: ScalingTrigger, wallMs: number): WatchedDecision {
    this.#isAsked = false;
    this.#isRestored = false;
    this.#fastAtMs = wallMs;
    if (trigger !== 'fast') {
      this.#plannedAtMs = wallMs;
      this.#hasNews = false;
    }
    const observation = this.#observation(trigger, wallMs);
    const { state, decision } = decideScaling(this.#policy, this.#state, observation, wallMs);
    this.#state = state;
    this.#warmFunctions = decision.chosen.warmFunctions;
    return { decision, ...this.#told(decision, observation, wallMs) };
  }

  /** What the functions beside its instances are to keep to until the next look: what was decided, and what is left of the money. */
  plan(wallMs: number): OverflowPlan {
    const { type, wanted, config } = this.variant;
    const budget = this.#hour.at(config.usdPerHourMax, wallMs);
    if (budget === null) return { warmFunctions: this.#warmFunctions, allowance: null };
    const usd = leftForFunctionsUsd(budget, wanted * type.usdPerHour);
    const allowance = { usd, forMs: budget.remainingMs, usdPerHourMax: budget.usdMax };
    return { warmFunctions: this.#warmFunctions, allowance };
  }

  /** What of the hour's money is to be told; null where nothing is. */
  moneyNews(wallMs: number): MoneyNews | null {
    const { usdPerHourMax } = this.variant.config;
    const news = this.#hour.news(usdPerHourMax);
    const budget = this.#hour.at(usdPerHourMax, wallMs);
    return news === null ? null : { kind: news, budget };
  }

  snapshot(): KeptWatch {
    return {
      format: 1,
      slotMs: this.slotMs,
      forecaster: this.#forecaster?.snapshot() ?? null,
      scaling: this.#state,
      leadsMs: this.#leads.snapshot(),
      slo: this.#slo.snapshot(),
      hour: this.#hour.snapshot(),
    };
  }

  #due(wallMs: number): ScalingTrigger | null {
    if (this.#isAsked) return 'manual';
    if (this.#isRestored) return 'restore';
    if (this.#mayRest && this.variant.wanted === 0 && this.#isAwake(wallMs)) return 'period'; // somebody waits for an instance
    const { planMs, fastMs } = periodsOf(this.#policy, this.slotMs);
    if (this.#plannedAtMs > wallMs) this.#plannedAtMs = wallMs; // the clock was set back
    if (this.#fastAtMs > wallMs) this.#fastAtMs = wallMs;
    if (planMs === this.slotMs ? this.#hasNews : wallMs - this.#plannedAtMs >= planMs) return 'period';
    return fastMs !== null && this.#isForeseen() && wallMs - this.#fastAtMs >= fastMs ? 'fast' : null;
  }

  #count({ slot, count }: CountedSlot, wallMs: number): void {
    this.#lastCount = count;
    if (count === null) this.#gaps++;
    this.#slo.slotOver(this.variant.traffic, wallMs);
    try {
      this.#forecaster?.observe(slot, count);
    } catch {
      this.#newForecaster(null); // the clock was set back: that slot was counted before
      this.#forecaster?.observe(slot, count);
    }
  }

  #observation(trigger: ScalingTrigger, wallMs: number): Observation {
    const { type, overflow, objective, config, instances, wanted, traffic, queue } = this.variant;
    const count = (state: string): number => instances.filter((instance) => instance.state === state).length;
    const active = count('active');
    const isStuck = this.#trouble.at(wallMs) !== null;
    // One that was wished for and is not seen yet is on its way, unless nothing can be started.
    const launching = isStuck ? count('launching') : Math.max(count('launching'), wanted - active);
    const { min, max } = this.#bounds(wallMs);
    const budget = this.#hour.at(config.usdPerHourMax, wallMs);
    const least = leastWithin(budget, min, active);
    return {
      trigger,
      types: [{ ...type, leadMs: this.#leads.medianMs, active, launching, draining: count('draining') }],
      overflow,
      limits: {
        min: least,
        ...(min === 1 && this.#mayRest && this.#isAwake(wallMs) ? { minBecause: 'awake' as const } : {}),
        max: isStuck ? Math.max(least, active + launching) : max,
        budget,
        ...(config.floors === undefined ? {} : { floors: config.floors }),
      },
      objective,
      slotMs: this.slotMs,
      forecast: this.#forecast(),
      lastCount: this.#lastCount,
      arrivals: traffic.rowsArrived,
      requests: traffic.requestsArrived,
      concurrencyMs: traffic.rowMs,
      queue,
      slo: objective === null ? null : this.#slo.windows(wallMs),
      gaps: this.#gaps,
    };
  }

  /** There may be none, and nobody else would serve. */
  get #mayRest(): boolean {
    return this.variant.config.instancesMin === 0 && !this.variant.hasFunctions;
  }

  #isAwake(wallMs: number): boolean {
    return this.#rest.isAwake(restAfterMsOf(this.#policy) ?? restAfterMsDefault, wallMs);
  }

  /** What the config allows, the ways that are open, and one for whoever asks where there may be none; while nobody does, none. */
  #bounds(wallMs: number): { readonly min: number; readonly max: number } {
    const { config, wanted } = this.variant;
    const { instancesMin, instancesMax, directions = 'both', floors = [] } = config;
    const isAwake = !this.#mayRest || this.#isAwake(wallMs) || floorWithin(floors, wallMs, this.#leads.medianMs) > 0;
    let min = this.#mayRest && isAwake ? 1 : instancesMin;
    let max = isAwake || restAfterMsOf(this.#policy) === null ? instancesMax : 0;
    if (directions === 'out' || directions === 'none') min = Math.max(min, Math.min(wanted, instancesMax));
    max = Math.max(min, max);
    if (directions === 'in' || directions === 'none') max = Math.max(instancesMin, Math.min(max, wanted));
    return { min: Math.min(min, max), max };
  }

  #forecast(): ForecastView | null {
    if (this.#forecaster === null || !this.#isForeseen()) return null;
    const { horizons } = this.#forecaster;
    const wanted = horizonsOf(this.#policy, this.#leads.medianMs, this.slotMs);
    return forecastViewOf(
      this.#forecaster,
      horizons.filter((h) => wanted.includes(h)),
    );
  }

  /** How many are expected in the slot that runs; null where nothing is known yet. */
  get foreseen(): number | null {
    return this.#forecaster === null || !this.#isForeseen() ? null : this.#forecaster.predict(1).mean;
  }

  /** Whether anything was ever counted. */
  #isForeseen(): boolean {
    return this.#forecaster !== null && this.#forecaster.predict(1).basis !== 'nothing';
  }

  #told(decision: ScalingDecision, { limits, overflow }: Observation, wallMs: number): Omit<WatchedDecision, 'decision'> {
    const { chosen, explanation } = decision;
    const rest = this.#restTold(decision, wallMs);
    if (rest !== null) return rest;
    const stuck = this.#trouble.at(wallMs);
    const clauses = [explanation];
    if (stuck !== null) {
      const meanwhile = overflow === null ? '' : ', until then functions take what they cannot finish';
      clauses.push(`instances cannot be started (${stuck.reason}): tried again in ${Math.ceil(stuck.retryInMs / 1000)} s${meanwhile}`);
    }
    const { budget = null } = limits;
    const isSpent = budget !== null && budget.spentUsd >= budget.usdMax;
    if (isSpent) {
      const next = untilText(wallMs, budget);
      clauses.push(
        `the budget of $${budget.usdMax} for this hour is spent: those that are there serve, and no more are started until ${next}`,
      );
    } else if (budget !== null && this.variant.shutReason !== null) clauses.push(this.variant.shutReason);
    const isStuck = stuck !== null && chosen.reason === 'max';
    return { reason: isStuck ? 'start-failed' : isSpent ? 'budget-spent' : chosen.reason, explanation: clauses.join('; ') };
  }

  /** What is to be told of one that goes to rest, or is woken; null of all else. */
  #restTold({ chosen, changes }: ScalingDecision, wallMs: number): Omit<WatchedDecision, 'decision'> | null {
    if (!this.#mayRest || !changes) return null;
    const count = planTotal(chosen.plan);
    if (count === 0 && !this.#isAwake(wallMs)) {
      return {
        reason: 'rest',
        explanation: 'gave up the last instance: nobody asks, and whoever does next waits until one has been started',
      };
    }
    if (count === 0 || this.variant.wanted > 0 || !this.#isAwake(wallMs)) return null; // or it is time for a floor
    return { reason: 'wake', explanation: `started ${count}: somebody asks, and there was no instance` };
  }

  #followConfig(): void {
    const { policy } = this.variant.config;
    if (policy === this.#policy.text) return;
    const kept = this.#forecaster?.snapshot() ?? null;
    this.#policy = scalingPolicy(policy);
    this.#newForecaster(kept);
    this.#plannedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** From a minute on, slots are longer: what was counted in the others is of no use. */
  #followLead(): void {
    const slotMs = slotMsFor(this.#leads.medianMs);
    if (slotMs === this.slotMs) return;
    this.#counter = new SlotCounter(slotMs);
    this.#newForecaster(null);
  }

  /** Whether it goes on where the kept one was. */
  #newForecaster(kept: unknown): boolean {
    const policy = this.#policy;
    this.#forecaster = null;
    const forecaster = forecasterOf(policy);
    if (forecaster === null) return false;
    const horizons = [...new Set([...horizonsOf(policy, this.#leads.medianMs, this.slotMs), ...nearHorizons])];
    const options = { horizons, slotsPerDay: Math.round(dayMs / this.slotMs) };
    this.#forecaster = createForecaster(forecaster, options);
    if (kept === null) return false;
    try {
      this.#forecaster.restore(kept);
      return true;
    } catch {
      return false; // of another kind: it begins anew
    }
  }
}

/** When the hour is over. */
function untilText(wallMs: number, { remainingMs }: Budget): string {
  return `${new Date(wallMs + remainingMs).toISOString().slice(11, 16)} UTC`;
}

function isKept(value: unknown): value is KeptWatch {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === 1 && 'leadsMs' in value && 'slo' in value;
}

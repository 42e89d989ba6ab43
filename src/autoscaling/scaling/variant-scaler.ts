/**
 * Scales one variant: tracks its load, instances and budget, determines when a decision is due, and decides. Observations and
 * time are passed in; this class performs no I/O.
 */
import { createForecaster, type Forecaster } from '../../forecasting/index.ts';
import type { OverflowPlan } from '../../serving/index.ts';
import { scalingPolicy } from '../scaling-policies.ts';
import { type ForecastView, forecastViewOf } from '../strategies/forecast-view.ts';
import { type Budget, type Observation, planTotal, type ScalingTrigger } from '../strategies/observation.ts';
import { floorWithin, minimumWithin, remainingForFunctionsUsd } from '../strategies/plans/limits.ts';
import type { Policy } from '../strategies/policy.ts';
import { forecasterOf, horizonsOf, idleAfterMsOf, periodsOf, slotMsFor } from '../strategies/policy-facts.ts';
import { restoreScalingState, type ScalingState } from '../strategies/scaling-state.ts';
import type { ScalingDecision } from './decide-record.ts';
import { decideScaling } from './decide-scaling.ts';
import { HourlyBudget, type HourlySpend } from './hourly-budget.ts';
import { IdleState } from './idle-state.ts';
import { LeadTimes } from './lead-times.ts';
import type { ScaledVariant } from './scaled-variant.ts';
import { SloHistory, type SloSlot } from './slo-history.ts';
import { type CountedSlot, SlotCounter } from './slot-counter.ts';
import { StartBackOffState } from './start-trouble.ts';

/** State that survives a restart: JSON of less than 250 kB. */
export interface StoredScaler {
  readonly format: 1;
  readonly slotMs: number;
  readonly forecaster: unknown;
  readonly scaling: ScalingState;
  readonly leadsMs: readonly number[];
  readonly slo: readonly SloSlot[];
  readonly hour: HourlySpend;
}

/** What a poll found. Usually neither. */
export interface PollResult {
  /** The slot that just ended; null if none did. */
  readonly counted: CountedSlot | null;
  /** Why a decision is due now; null if none is due. */
  readonly trigger: ScalingTrigger | null;
}

/** A decision with the explanation shown to users. */
export interface ExplainedDecision {
  readonly decision: ScalingDecision;
  readonly reason: string;
  readonly explanation: string;
}

/** The hourly budget was exhausted or renewed. `budget` is null if there is no longer a limit. */
export interface BudgetChange {
  readonly kind: 'exhausted' | 'reset';
  readonly budget: Budget | null;
}

const dayMs = 86_400_000;
/** Poll interval while idle: the maximum time until a request that waits for a cold start is noticed. */
const coldPollMs = 250;
const idleAfterMsDefault = 300_000;
/** Horizons that are always forecast, because the start time of instances can change: short slots last a 24th of it or more. */
const nearHorizons = [1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 17, 25];

/** One per variant. The simulator runs it in virtual time. */
export class VariantScaler {
  variant: ScaledVariant;
  #policy: Policy;
  #forecaster: Forecaster | null = null;
  #counter: SlotCounter;
  #lastCount: number | null = null;
  /** True if something changed since the last plan. */
  #hasChanges = false;
  #gaps = 0;
  #state: ScalingState;
  readonly #leads: LeadTimes;
  readonly #slo: SloHistory;
  readonly #hour: HourlyBudget;
  readonly #startBackOff = new StartBackOffState();
  readonly #idleState: IdleState;
  /** Number of warm functions as last decided. */
  #warmFunctions = 0;
  #isRestored: boolean;
  #isRequested = false;
  #plannedAtMs = Number.NEGATIVE_INFINITY;
  #fastAtMs = Number.NEGATIVE_INFINITY;

  /** Restores the snapshot `retained`, or starts with initial state if it is not a valid one. */
  constructor(variant: ScaledVariant, leadMinMs: number, retained: unknown) {
    const known = isStoredScaler(retained) ? retained : null;
    this.variant = variant;
    this.#policy = scalingPolicy(variant.config.policy);
    this.#state = restoreScalingState(known?.scaling ?? null);
    this.#idleState = new IdleState(variant.wanted);
    this.#leads = new LeadTimes(leadMinMs, known?.leadsMs ?? []);
    this.#slo = new SloHistory(known?.slo ?? []);
    this.#hour = new HourlyBudget(known?.hour ?? null);
    this.#counter = new SlotCounter(slotMsFor(this.#leads.medianMs, this.#policy, known?.slotMs ?? null));
    this.#isRestored = this.#newForecaster(known?.slotMs === this.slotMs ? known.forecaster : null);
  }

  get slotMs(): number {
    return this.#counter.slotMs;
  }

  /** Latest time of the next poll: the end of the slot, or of the policy's interval. */
  nextPollMs(wallMs: number): number {
    const { planMs } = periodsOf(this.#policy, this.slotMs);
    return Math.min(this.#counter.nextMs(wallMs) - wallMs, planMs, this.#canIdle && this.variant.wanted === 0 ? coldPollMs : planMs);
  }

  /** Forces a decision at the next poll. */
  requestDecision(): void {
    this.#isRequested = true;
  }

  /**
   * Takes what was observed since the last poll, and says whether a decision is due. None is due until the newest config of the endpoint is
   * served.
   */
  poll(variant: ScaledVariant, wallMs: number): PollResult {
    // A changed budget requires a new decision, because the last reported reason is no longer valid.
    if (variant.config.usdPerHourMax !== this.variant.config.usdPerHourMax) this.#isRequested = true;
    this.variant = variant;
    this.#followConfig();
    this.#leads.observe(variant.instances);
    this.#followLead();
    this.#hour.observe(variant.spentUsd, wallMs);
    const queue = variant.queue + this.#backlogged;
    this.#idleState.observe({ arrived: variant.traffic.rowsArrived, queue, desired: variant.wanted }, wallMs);
    const counted = this.#counter.poll(wallMs, variant.traffic.rowsArrived);
    if (counted !== null) this.#count(counted, wallMs);
    const { startTrouble, instances, wanted } = variant;
    const isWhole = instances.filter(({ state }) => state === 'active').length >= wanted;
    const isStuck = this.#startBackOff.observe(startTrouble, isWhole, wallMs);
    if (counted !== null || isStuck) this.#hasChanges = true;
    return { counted, trigger: variant.isSettled ? this.#due(wallMs) : null };
  }

  /** Asks the policy for a decision. A fast one, between two periods, does not shift the period. */
  decide(trigger: ScalingTrigger, wallMs: number): ExplainedDecision {
    this.#isRequested = false;
    this.#isRestored = false;
    this.#fastAtMs = wallMs;
    if (trigger !== 'fast') {
      this.#plannedAtMs = wallMs;
      this.#hasChanges = false;
    }
    const observation = this.#observation(trigger, wallMs);
    const { state, decision } = decideScaling(this.#policy, this.#state, observation, wallMs);
    this.#state = state;
    this.#warmFunctions = decision.chosen.warmFunctions;
    return { decision, ...this.#lastReported(decision, observation, wallMs) };
  }

  /** The plan for functions alongside the instances until the next poll: the decided number and the remaining budget. */
  plan(wallMs: number): OverflowPlan {
    const { type, wanted, config } = this.variant;
    const budget = this.#hour.at(config.usdPerHourMax, wallMs);
    if (budget === null) return { warmFunctions: this.#warmFunctions, sharedBudget: null };
    const usd = remainingForFunctionsUsd(budget, wanted * type.usdPerHour);
    const sharedBudget = { usd, forMs: budget.remainingMs, usdPerHourMax: budget.usdMax };
    return { warmFunctions: this.#warmFunctions, sharedBudget };
  }

  /** A change of the hourly budget that has not been reported yet; null if there is none. */
  budgetChange(wallMs: number): BudgetChange | null {
    const { usdPerHourMax } = this.variant.config;
    const news = this.#hour.takeChange(usdPerHourMax);
    const budget = this.#hour.at(usdPerHourMax, wallMs);
    return news === null ? null : { kind: news, budget };
  }

  /** Everything that has to survive a restart. */
  snapshot(): StoredScaler {
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
    if (this.#isRequested) return 'manual';
    if (this.#isRestored) return 'restore';
    const isWaitedFor = this.#backlogged > 0 || (this.#canIdle && this.#isActive(wallMs));
    if (this.variant.wanted === 0 && isWaitedFor) return 'period'; // a request waits for an instance
    const { planMs, fastMs } = periodsOf(this.#policy, this.slotMs);
    if (this.#plannedAtMs > wallMs) this.#plannedAtMs = wallMs; // the clock was set back
    if (this.#fastAtMs > wallMs) this.#fastAtMs = wallMs;
    if (planMs === this.slotMs ? this.#hasChanges : wallMs - this.#plannedAtMs >= planMs) return 'period';
    return fastMs !== null && this.#isForecast() && wallMs - this.#fastAtMs >= fastMs ? 'fast' : null;
  }

  #count({ slot, count }: CountedSlot, wallMs: number): void {
    this.#lastCount = count;
    if (count === null) this.#gaps++;
    this.#slo.slotOver(this.variant.traffic, wallMs);
    try {
      this.#forecaster?.observe(slot, count);
    } catch {
      this.#newForecaster(null); // the clock was set back, so this slot was already counted
      this.#forecaster?.observe(slot, count);
    }
  }

  #observation(trigger: ScalingTrigger, wallMs: number): Observation {
    const { type, overflow, objective, config, instances, wanted, traffic, queue } = this.variant;
    const count = (state: string): number => instances.filter((instance) => instance.state === state).length;
    // Surplus instances count as draining: their removal is decided, and is about to begin.
    const active = Math.min(count('active'), wanted);
    const draining = count('draining') + count('active') - active;
    const isStuck = this.#startBackOff.at(wallMs) !== null;
    // Requested instances that are not visible yet count as launching, unless starts fail.
    const launching = isStuck ? Math.min(count('launching'), wanted - active) : wanted - active;
    const { min, max } = this.#bounds(wallMs);
    const budget = this.#hour.at(config.usdPerHourMax, wallMs);
    const least = minimumWithin(budget, min, active);
    return {
      trigger,
      types: [{ ...type, leadMs: this.#leads.medianMs, active, launching, draining }],
      overflow,
      limits: {
        min: least,
        ...(min === 1 && this.#canIdle && this.#isActive(wallMs) ? { minBecause: 'awake' as const } : {}),
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
      backlog: this.variant.backlog,
      slo: objective === null ? null : this.#slo.windows(wallMs),
      gaps: this.#gaps,
    };
  }

  /** True if zero is allowed and no functions can serve instead. */
  get #canIdle(): boolean {
    return this.variant.config.instancesMin === 0 && !this.variant.hasFunctions;
  }

  #isActive(wallMs: number): boolean {
    return this.#idleState.isActive(idleAfterMsOf(this.#policy) ?? idleAfterMsDefault, wallMs);
  }

  /** Asynchronous requests. Instances process them, even if functions serve the others. */
  get #backlogged(): number {
    return this.variant.backlog?.requests ?? 0;
  }

  /** The configured limits and allowed directions. If zero is allowed, the minimum is one during traffic, else zero. */
  #bounds(wallMs: number): { readonly min: number; readonly max: number } {
    const { config, wanted } = this.variant;
    const { instancesMin, instancesMax, directions = 'both', floors = [] } = config;
    const isAwake = !this.#canIdle || this.#isActive(wallMs) || floorWithin(floors, wallMs, this.#leads.medianMs) > 0;
    let min = (this.#canIdle && isAwake) || this.#backlogged > 0 ? Math.max(1, instancesMin) : instancesMin;
    let max = isAwake || idleAfterMsOf(this.#policy) === null ? instancesMax : 0;
    if (directions === 'out' || directions === 'none') min = Math.max(min, Math.min(wanted, instancesMax));
    max = Math.max(min, max);
    if (directions === 'in' || directions === 'none') max = Math.max(instancesMin, Math.min(max, wanted));
    return { min: Math.min(min, max), max };
  }

  #forecast(): ForecastView | null {
    if (this.#forecaster === null || !this.#isForecast()) return null;
    const { horizons } = this.#forecaster;
    const wanted = horizonsOf(this.#policy, this.#leads.medianMs, this.slotMs);
    const nearest = wanted.map((h) => horizons.find((known) => known >= h) ?? (horizons.at(-1) as number));
    return forecastViewOf(this.#forecaster, [...new Set(nearest)]);
  }

  /** Forecast for the current slot in rows; null if unknown. */
  get forecastRows(): number | null {
    return this.#forecaster === null || !this.#isForecast() ? null : this.#forecaster.predict(1).mean;
  }

  /** True if any slot has been counted. */
  #isForecast(): boolean {
    return this.#forecaster !== null && this.#forecaster.predict(1).basis !== 'nothing';
  }

  #lastReported(decision: ScalingDecision, { limits, overflow }: Observation, wallMs: number): Omit<ExplainedDecision, 'decision'> {
    const { chosen, explanation } = decision;
    const rest = this.#reportedIdle(decision, wallMs);
    if (rest !== null) return rest;
    const stuck = this.#startBackOff.at(wallMs);
    const clauses = [explanation];
    if (stuck !== null) {
      const meanwhile = overflow === null ? '' : '; until then functions take the excess';
      clauses.push(`instances fail to start (${stuck.reason}): next attempt in ${Math.ceil(stuck.retryInMs / 1000)} s${meanwhile}`);
    }
    const { budget = null } = limits;
    const isExhausted = budget !== null && budget.spentUsd >= budget.usdMax;
    if (isExhausted) {
      const next = untilText(wallMs, budget);
      clauses.push(
        `the budget of $${budget.usdMax} for this hour is exhausted: running executors keep serving, and no more are started until ${next}`,
      );
    } else if (budget !== null && this.variant.shutReason !== null) clauses.push(this.variant.shutReason);
    const isStuck = stuck !== null && chosen.reason === 'max';
    return { reason: isStuck ? 'start-failed' : isExhausted ? 'budget-spent' : chosen.reason, explanation: clauses.join('; ') };
  }

  /** Reason and explanation of scaling to zero or waking up; null for other decisions. */
  #reportedIdle({ chosen, changes }: ScalingDecision, wallMs: number): Omit<ExplainedDecision, 'decision'> | null {
    if (!this.#canIdle || !changes) return null;
    const count = planTotal(chosen.plan);
    if (count === 0 && !this.#isActive(wallMs)) {
      return {
        reason: 'rest',
        explanation: 'scaled to zero: no traffic; the next request will wait for a cold start',
      };
    }
    if (count === 0 || this.variant.wanted > 0 || this.#policy.kind === 'backlog' || !this.#isActive(wallMs)) return null; // otherwise a scheduled floor caused the start
    return { reason: 'wake', explanation: `started ${count}: a request arrived and there was no instance` };
  }

  #followConfig(): void {
    const { policy } = this.variant.config;
    if (policy === this.#policy.text) return;
    const retained = this.#forecaster?.snapshot() ?? null;
    this.#policy = scalingPolicy(policy);
    this.#newForecaster(retained);
    this.#plannedAtMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * Starts a new forecaster if the start time of instances or the policy requires slots of another length, because counts of the old
   * length are useless.
   */
  #followLead(): void {
    const slotMs = slotMsFor(this.#leads.medianMs, this.#policy, this.slotMs);
    if (slotMs === this.slotMs) return;
    this.#counter = new SlotCounter(slotMs);
    this.#newForecaster(null);
  }

  /** Creates the forecaster. Returns true if it resumed from the stored state. */
  #newForecaster(retained: unknown): boolean {
    const policy = this.#policy;
    this.#forecaster = null;
    const forecaster = forecasterOf(policy);
    if (forecaster === null) return false;
    const horizons = [...new Set([...horizonsOf(policy, this.#leads.medianMs, this.slotMs), ...nearHorizons])];
    const options = { horizons, slotsPerDay: Math.round(dayMs / this.slotMs) };
    this.#forecaster = createForecaster(forecaster, options);
    if (retained === null) return false;
    try {
      this.#forecaster.restore(retained);
      return true;
    } catch {
      return false; // the snapshot is of another kind, so learning starts over
    }
  }
}

/** The end of the budget hour as text. */
function untilText(wallMs: number, { remainingMs }: Budget): string {
  return `${new Date(wallMs + remainingMs).toISOString().slice(11, 16)} UTC`;
}

function isStoredScaler(value: unknown): value is StoredScaler {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === 1 && 'leadsMs' in value && 'slo' in value;
}

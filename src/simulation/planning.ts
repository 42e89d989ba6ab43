/** The policy at work: what it is shown, and when it is asked. What it answers is the platform's own decision. */
import {
  type Budget,
  decideScaling,
  type ForecastView,
  forecastViewOf,
  horizonsOf,
  initialCount,
  leastWithin,
  type Observation,
  type OverflowObservation,
  type Plan,
  type Policy,
  type ScalingDecision,
  type ScalingLimits,
  type ScalingState,
  type ScalingTrigger,
  scalingBegin,
  type TypeObservation,
} from '../autoscaling/index.ts';
import { createForecaster, type Forecaster } from '../forecasting/index.ts';
import type { Objective } from '../objective.ts';
import type { TypeCapacity } from '../profiling/index.ts';

export interface PlanningNeeds {
  readonly policy: Policy;
  readonly objective: Objective;
  readonly limits: ScalingLimits;
  /** What is left of the money now; null without a limit. */
  readonly budget: () => Budget | null;
  readonly slotMs: number;
  /** Rows in each slot before the beginning; null where nobody counted. */
  readonly history: readonly (number | null)[];
  readonly isSeasonal: boolean;
  /** What one instance of each type carries, and how long it takes to start. */
  readonly types: readonly (TypeCapacity & Pick<TypeObservation, 'leadMs' | 'spot'>)[];
  /** What functions cost now; null where there are none. */
  readonly overflow: () => OverflowObservation | null;
  readonly functions: Observation['functions'];
  /** For a rule that reacts and has no history: requests per second of the whole load. */
  readonly meanRatePerSecond: () => number;
  /** Of the busiest minute; asked only of a policy that wants it. */
  readonly peakRatePerSecond: () => number;
}

/** What is seen now. */
export interface Seen {
  /** Epoch milliseconds. */
  readonly nowMs: number;
  readonly arrivals: number;
  readonly concurrencyMs: number;
  readonly queue: number;
  readonly count: (type: string) => Pick<TypeObservation, 'active' | 'launching' | 'draining'>;
  readonly slo: Observation['slo'];
  /** For the oracle. */
  readonly future: () => readonly number[];
}

const dayMs = 86_400_000;
const nobody = { active: 0, launching: 0, draining: 0 };

export class Planning {
  /** The forecast that was made last. */
  forecast: ForecastView | null = null;
  readonly #needs: PlanningNeeds;
  readonly #forecaster: Forecaster | null;
  readonly #peakRatePerSecond: number | undefined;
  #state: ScalingState = scalingBegin;
  #lastCount: number | null;
  #slot: number;

  constructor(needs: PlanningNeeds) {
    const { policy, history, slotMs, isSeasonal, types } = needs;
    this.#needs = needs;
    this.#slot = history.length;
    this.#lastCount = history.at(-1) ?? null;
    this.#peakRatePerSecond = policy.kind === 'static' ? needs.peakRatePerSecond() : undefined;
    const horizons = horizonsOf(policy, Math.max(0, ...types.map(({ leadMs }) => leadMs)), slotMs);
    const name = 'forecaster' in policy ? policy.forecaster : null;
    this.#forecaster = name === null ? null : createForecaster(name, { horizons, isSeasonal, slotsPerDay: Math.round(dayMs / slotMs) });
    for (const [slot, count] of history.entries()) {
      this.#forecaster?.observe(slot, count);
      for (const h of horizons) this.#forecaster?.predict(h);
    }
    this.#foresee();
  }

  /** The slot is over, and so many came in it. */
  counted(rows: number): void {
    this.#forecaster?.observe(this.#slot++, rows);
    this.#lastCount = rows;
    this.#foresee();
  }

  /** What there is to begin with: what the planner makes of the history; for rules that only react, enough for the last slot. */
  begin(seen: Seen): { readonly plan: Plan; readonly warmFunctions: number } {
    const { policy, history, slotMs, types, meanRatePerSecond } = this.#needs;
    if (policy.kind === 'running-max' && history.length > 0) {
      const last = this.#lastCount;
      this.#lastCount = history.reduce<number>((most, count) => Math.max(most, count ?? 0), 0);
      this.decide('period', { ...seen, nowMs: seen.nowMs - slotMs, count: () => nobody });
      this.#lastCount = last;
    }
    const { chosen, feasible } = this.decide('period', { ...seen, count: () => nobody });
    const { plan, warmFunctions } = chosen;
    if (!feasible) return { plan: this.#somebody(), warmFunctions };
    const isReactive = ['hpa', 'kpa', 'ray', 'target-tracking'].includes(policy.kind);
    const [type] = types.filter(({ isFeasible }) => isFeasible);
    if (!isReactive || type === undefined) return { plan, warmFunctions };
    const last = history.at(-1) ?? null;
    const ratePerSecond = last === null ? meanRatePerSecond() : (last * 1000) / slotMs;
    const count = Math.max(1, initialCount(policy, ratePerSecond, type.ratePerSecond));
    return { plan: { [type.name]: Math.min(this.#needs.limits.max, count) }, warmFunctions };
  }

  /** Where nothing keeps the objective somebody has to serve all the same: what then is there stays. */
  #somebody(): Plan {
    const { policy, limits, types } = this.#needs;
    const [type] = types;
    const wished = policy.kind === 'static' && policy.instances !== null ? policy.instances : Math.max(1, limits.min);
    return type === undefined ? {} : { [type.name]: Math.min(limits.max, wished) };
  }

  decide(trigger: ScalingTrigger, seen: Seen, notices?: Plan): ScalingDecision {
    const { policy, objective, limits, slotMs, types, overflow, functions } = this.#needs;
    const budget = this.#needs.budget();
    const counted = types.map((type) => ({ ...type, ...seen.count(type.name) }));
    const active = counted.reduce((sum, type) => sum + type.active, 0);
    const observation: Observation = {
      trigger,
      types: counted,
      overflow: overflow(),
      limits: { ...limits, min: leastWithin(budget, limits.min, active), budget },
      objective,
      slotMs,
      forecast: this.forecast,
      lastCount: this.#lastCount,
      arrivals: seen.arrivals,
      concurrencyMs: seen.concurrencyMs,
      queue: seen.queue,
      slo: seen.slo ?? null,
      ...(notices === undefined ? {} : { notices }),
      ...(this.#peakRatePerSecond === undefined ? {} : { peakRatePerSecond: this.#peakRatePerSecond }),
      ...(policy.kind === 'oracle' ? { future: seen.future() } : {}),
      ...(functions === undefined ? {} : { functions }),
    };
    const { state, decision } = decideScaling(policy, this.#state, observation, seen.nowMs);
    this.#state = state;
    return decision;
  }

  #foresee(): void {
    if (this.#forecaster !== null && this.#slot > 0) this.forecast = forecastViewOf(this.#forecaster);
  }
}

/**
 * Runs the policy in the simulator: collects its observations and schedules its decisions. The decisions are the platform's code.
 */
import {
  type Budget,
  decideScaling,
  type ForecastView,
  forecastViewOf,
  horizonsOf,
  initialCount,
  initialScalingState,
  minimumWithin,
  type Observation,
  type OverflowObservation,
  type Plan,
  type Policy,
  type ScalingDecision,
  type ScalingLimits,
  type ScalingState,
  type ScalingTrigger,
  type SimulatedFacts,
  type TypeObservation,
} from '../../autoscaling/index.ts';
import { createForecaster, type Forecaster } from '../../forecasting/index.ts';
import type { Objective } from '../../objective.ts';
import type { TypeCapacity } from '../../profiling/index.ts';

/** What the policy observes. */
export interface PlanningDeps {
  readonly policy: Policy;
  readonly objective: Objective;
  readonly limits: ScalingLimits;
  /** The remaining budget; null without a limit. */
  readonly budget: () => Budget | null;
  readonly slotMs: number;
  /** Rows of each slot before the beginning; null if the count of a slot is unknown. */
  readonly history: readonly (number | null)[];
  readonly isSeasonal: boolean;
  /** Capacity and start time of one instance of each type. */
  readonly types: readonly (TypeCapacity & Pick<TypeObservation, 'leadMs'>)[];
  /** The spot types by name. */
  readonly spot: NonNullable<SimulatedFacts['spot']>;
  /** Current cost of functions; null if there are none. */
  readonly overflow: () => OverflowObservation | null;
  readonly functions: SimulatedFacts['functions'];
  /** Requests per second over the whole load, for a reactive policy without history. */
  readonly meanRatePerSecond: () => number;
  /** Requests per second of the busiest minute. Called only for policies that need it. */
  readonly peakRatePerSecond: () => number;
}

/** Current state of the simulation, as input for a decision. */
export interface PlanningInput {
  /** Epoch milliseconds. */
  readonly nowMs: number;
  readonly arrivals: number;
  readonly concurrencyMs: number;
  readonly queue: number;
  readonly count: (type: string) => Pick<TypeObservation, 'active' | 'launching' | 'draining'>;
  readonly slo: Observation['slo'];
  /** Arrivals per second after now; only the oracle policy calls it. */
  readonly future: () => readonly number[];
}

const dayMs = 86_400_000;
const noInstances = { active: 0, launching: 0, draining: 0 };

/** Calls `decideScaling`, as the server does. */
export class Planning {
  /** The last forecast. */
  forecast: ForecastView | null = null;
  readonly #deps: PlanningDeps;
  readonly #forecaster: Forecaster | null;
  readonly #peakRatePerSecond: number | undefined;
  #state: ScalingState = initialScalingState;
  #lastCount: number | null;
  #slot: number;

  constructor(deps: PlanningDeps) {
    const { policy, history, slotMs, isSeasonal, types } = deps;
    this.#deps = deps;
    this.#slot = history.length;
    this.#lastCount = history.at(-1) ?? null;
    this.#peakRatePerSecond = policy.kind === 'static' ? deps.peakRatePerSecond() : undefined;
    const horizons = horizonsOf(policy, Math.max(0, ...types.map(({ leadMs }) => leadMs)), slotMs);
    const name = 'forecaster' in policy ? policy.forecaster : null;
    this.#forecaster = name === null ? null : createForecaster(name, { horizons, isSeasonal, slotsPerDay: Math.round(dayMs / slotMs) });
    for (const [slot, count] of history.entries()) {
      this.#forecaster?.observe(slot, count);
      for (const h of horizons) this.#forecaster?.predict(h);
    }
    this.#forecast();
  }

  /** Records that a slot ended with this number of rows. */
  counted(rows: number): void {
    this.#forecaster?.observe(this.#slot++, rows);
    this.#lastCount = rows;
    this.#forecast();
  }

  /** The initial plan, decided from the history. For a reactive policy it is sized for the rate of the last slot. */
  begin(seen: PlanningInput): { readonly plan: Plan; readonly warmFunctions: number } {
    const { policy, history, slotMs, types, meanRatePerSecond } = this.#deps;
    if (policy.kind === 'running-max' && history.length > 0) {
      const last = this.#lastCount;
      this.#lastCount = history.reduce<number>((most, count) => Math.max(most, count ?? 0), 0);
      this.decide('period', { ...seen, nowMs: seen.nowMs - slotMs, count: () => noInstances });
      this.#lastCount = last;
    }
    const { chosen, feasible } = this.decide('period', { ...seen, count: () => noInstances });
    const { plan, warmFunctions } = chosen;
    if (!feasible) return { plan: this.#nonEmpty(), warmFunctions };
    const isReactive = ['hpa', 'kpa', 'ray', 'target-tracking'].includes(policy.kind);
    const [type] = types.filter(({ isFeasible }) => isFeasible);
    if (!isReactive || type === undefined) return { plan, warmFunctions };
    const last = history.at(-1) ?? null;
    const ratePerSecond = last === null ? meanRatePerSecond() : (last * 1000) / slotMs;
    const count = Math.max(1, initialCount(policy, ratePerSecond, type.ratePerSecond));
    return { plan: { [type.name]: Math.min(this.#deps.limits.max, count) }, warmFunctions };
  }

  /** Instances of the first type, at least one: something must serve even if no type meets the objective. */
  #nonEmpty(): Plan {
    const { policy, limits, types } = this.#deps;
    const [type] = types;
    const requested = policy.kind === 'static' && policy.instances !== null ? policy.instances : Math.max(1, limits.min);
    return type === undefined ? {} : { [type.name]: Math.min(limits.max, requested) };
  }

  /**
   * Decides with the policies of the server. What only a simulation can know (the future, the state of a spot market) is passed apart from
   * the observation, so that no policy of the product can use it.
   */
  decide(trigger: ScalingTrigger, seen: PlanningInput, notices?: Plan): ScalingDecision {
    const { policy, objective, limits, slotMs, types, spot, overflow, functions } = this.#deps;
    const budget = this.#deps.budget();
    const counted = types.map((type) => ({ ...type, ...seen.count(type.name) }));
    const active = counted.reduce((sum, type) => sum + type.active, 0);
    const observation: Observation = {
      trigger,
      types: counted,
      overflow: overflow(),
      limits: { ...limits, min: minimumWithin(budget, limits.min, active), budget },
      objective,
      slotMs,
      forecast: this.forecast,
      lastCount: this.#lastCount,
      arrivals: seen.arrivals,
      concurrencyMs: seen.concurrencyMs,
      queue: seen.queue,
      slo: seen.slo ?? null,
    };
    const simulated: SimulatedFacts = {
      spot,
      ...(notices === undefined ? {} : { notices }),
      ...(this.#peakRatePerSecond === undefined ? {} : { peakRatePerSecond: this.#peakRatePerSecond }),
      ...(policy.kind === 'oracle' ? { future: seen.future() } : {}),
      ...(functions === undefined ? {} : { functions }),
    };
    const { state, decision } = decideScaling(policy, this.#state, observation, seen.nowMs, simulated);
    this.#state = state;
    return decision;
  }

  #forecast(): void {
    if (this.#forecaster !== null && this.#slot > 0) this.forecast = forecastViewOf(this.#forecaster);
  }
}

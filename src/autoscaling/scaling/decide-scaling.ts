/**
 * Decides how many instances of each type a variant needs. Pure: from state, observation and time it computes the new state and
 * the decision with its reasons. The server and the simulator use the same function.
 */
import { PlatformError } from '../../errors.ts';
import { runRival } from '../rivals/rivals.ts';
import { type SimulatedFacts, withSpotRates } from '../rivals/simulated-facts.ts';
import { replaceSpot } from '../rivals/spot.ts';
import { backlog } from '../strategies/backlog.ts';
import { checkObservation } from '../strategies/check-observation.ts';
import { economic, economicInitial } from '../strategies/economic.ts';
import { forecastFault } from '../strategies/forecast-view.ts';
import { hold, holdInitial } from '../strategies/hold.ts';
import { type Observation, planTotal } from '../strategies/observation.ts';
import { asFallback, fallbackPlan } from '../strategies/plans/fallback-plan.ts';
import { clampPlan, limitsAt } from '../strategies/plans/limits.ts';
import { currentPlan, everyType, usableTypes } from '../strategies/plans/usable-types.ts';
import type { Policy, SinglePolicy } from '../strategies/policy.ts';
import { priceFactorOf, worksWithoutRate } from '../strategies/policy-facts.ts';
import { afterClockChange, type ScalingState, type StrategyMemories } from '../strategies/scaling-state.ts';
import { burnOf, correctSlo, isMostlyLaunched } from '../strategies/slo-correction.ts';
import { staticCount } from '../strategies/static.ts';
import { holdResult, ruleResult, type StrategyInput, type StrategyResult } from '../strategies/strategy.ts';
import { track, trackInitial } from '../strategies/track.ts';
import { typeStatesOf } from '../strategies/type-state.ts';
import { decisionFrom, type ScalingDecision } from './decide-record.ts';

/** A decision, and the state to pass to the next one. */
export interface DecidedScaling {
  readonly state: ScalingState;
  readonly decision: ScalingDecision;
}

/**
 * Decides by a policy at `nowMs` (epoch milliseconds); `simulated`: what only a simulation knows. Throws `invalid_request` for an invalid configuration. If measurements are
 * invalid or missing, the plan is unchanged and the reason says so.
 */
export function decideScaling(
  policy: Policy,
  former: ScalingState,
  provided: Observation,
  nowMs: number,
  simulated: SimulatedFacts = {},
): DecidedScaling {
  if (!Number.isFinite(nowMs))
    throw new PlatformError('invalid_request', `invalid time of a decision: expected epoch milliseconds, got ${nowMs}`);
  checkObservation(provided);
  const state = afterClockChange(former, nowMs);
  const { observation: seen, fault } = trusted(provided);
  const rated = withSpotRates(seen.types, simulated);
  const { standings, types } = typeStatesOf(state.standings ?? [], rated, seen.objective, nowMs);
  const observation = { ...seen, types };
  const burn = burnOf(observation.slo, observation.objective);
  const slo = correctSlo(state.slo, burn, isMostlyLaunched(observation.types), nowMs);
  const { input, result, excluded } = judged(policy, state.memories, { observation, simulated, level: slo.level, nowMs });
  const decision = decisionFrom(policy, input, result, { burn, fault, excluded });
  return { state: { format: 1, atMs: nowMs, slo, memories: result.memory, standings }, decision };
}

interface Judged {
  readonly input: StrategyInput;
  readonly result: StrategyResult<StrategyMemories>;
  readonly excluded: readonly string[];
}

/** Of combined policies, the one with the most instances decides. Each policy has a separate memory. */
function judged(
  policy: Policy,
  memories: StrategyMemories,
  provided: Pick<StrategyInput, 'observation' | 'simulated' | 'level' | 'nowMs'>,
): Judged {
  if (policy.kind === 'largest') {
    const all = policy.policies.map((one, index) => judged(one, memories.largest?.[index] ?? {}, provided));
    const largest = all.reduce((most, one) => (planTotal(one.result.plan) > planTotal(most.result.plan) ? one : most));
    return { ...largest, result: { ...largest.result, memory: { largest: all.map(({ result }) => result.memory) } } };
  }
  const { observation, nowMs } = provided;
  const priceFactor = priceFactorOf(policy);
  const overflow = policy.overflow ? observation.overflow : null;
  const { types: usable, excluded } = worksWithoutRate(policy) ? everyType(observation) : usableTypes(observation, priceFactor);
  const least = usable.length > 0 || policy.kind === 'batch' ? null : fallbackPlan(observation, overflow, priceFactor);
  const types = least?.types ?? usable;
  const leadMs = Math.max(0, ...types.map((type) => type.leadMs));
  const input: StrategyInput = { ...provided, types, overflow, limits: limitsAt(observation.limits, nowMs, leadMs) };
  const verdict = judge(policy, memories, input, excluded);
  if (least !== null) return { input, result: asFallback(verdict, excluded, least), excluded };
  return { input, result: worksWithoutRate(policy) ? verdict : withUnmeasured(verdict, observation), excluded };
}

function judge(
  policy: SinglePolicy,
  memories: StrategyMemories,
  input: StrategyInput,
  excluded: readonly string[],
): StrategyResult<StrategyMemories> {
  const { observation, simulated } = input;
  if (policy.kind === 'batch') return runRival(policy, memories, input);
  if (input.types.length === 0) return withoutTypes(memories, input, excluded);
  if (!(observation.arrivals >= 0 && observation.concurrencyMs >= 0)) {
    return holdResult(input, memories, 'no-measurement', 'the count is not a number');
  }
  if (observation.trigger === 'spot') {
    const plan = replaceSpot(currentPlan(observation.types), simulated.notices ?? {}, simulated.spot ?? {});
    return ruleResult(input, memories, plan, 'spot instances will be reclaimed', 'spot');
  }
  switch (policy.kind) {
    case 'economic':
      return remembering(policy.kind, economic(policy, memories.economic ?? economicInitial, input));
    case 'track':
      return remembering(policy.kind, track(policy, memories.track ?? trackInitial, input));
    case 'backlog':
      return remembering(policy.kind, backlog(memories.backlog ?? null, input));
    case 'hold':
      return remembering(policy.kind, hold(memories.hold ?? holdInitial, input));
    case 'static':
      return { ...staticCount(policy, input), memory: {} };
    default:
      return runRival(policy, memories, input);
  }
}

function remembering<Kind extends keyof StrategyMemories>(
  kind: Kind,
  result: StrategyResult<NonNullable<StrategyMemories[Kind]>>,
): StrategyResult<StrategyMemories> {
  return { ...result, memory: { [kind]: result.memory } };
}

/** Plans without any usable type: functions serve, alongside the minimum of instances. Without functions nothing changes. */
function withoutTypes(memory: StrategyMemories, input: StrategyInput, excluded: readonly string[]): StrategyResult<StrategyMemories> {
  const { types } = input.observation;
  const because = excluded.length === 0 ? 'no instance type is configured' : excluded.join('; ');
  if (types.some(({ isFeasible, ratePerSecond }) => isFeasible && ratePerSecond === 0))
    return holdResult(input, memory, 'no-measurement', because);
  if (input.overflow === null) {
    const why = `${because}; there are no functions`;
    return { memory, plan: currentPlan(types), reason: 'infeasible', why, regime: 'instances-only', feasible: false };
  }
  const { plan, by } = clampPlan(Object.fromEntries(types.map(({ name }) => [name, 0])), everyType(input.observation).types, input.limits);
  if (by === null) return { memory, plan, reason: 'infeasible', why: `${because}; functions serve alone`, regime: 'serverless-only' };
  return { memory, plan, reason: 'infeasible', why: `${because}; functions serve alongside the minimum`, regime: 'hybrid' };
}

/** Keeps the instances of types that have not been measured yet. */
function withUnmeasured<Memory>(result: StrategyResult<Memory>, { types }: Observation): StrategyResult<Memory> {
  const unmeasured = types.filter(
    ({ isFeasible, ratePerSecond, active, launching }) => isFeasible && ratePerSecond === 0 && active + launching > 0,
  );
  if (unmeasured.length === 0 || result.regime === 'serverless-only') return result;
  return { ...result, plan: { ...result.plan, ...currentPlan(unmeasured) } };
}

/** Removes non-numeric values from the observation; `fault` says which input was invalid. */
function trusted(observation: Observation): { observation: Observation; fault: string | null } {
  const { forecast, lastCount } = observation;
  const fault = forecast === null ? null : forecastFault(forecast);
  const isCounted = lastCount !== null && Number.isFinite(lastCount) && lastCount >= 0;
  if (fault === null && (isCounted || lastCount === null)) return { observation, fault };
  return { observation: { ...observation, forecast: fault === null ? forecast : null, lastCount: isCounted ? lastCount : null }, fault };
}

/**
 * How many instances of each type a variant should have. Pure: what is remembered, what is seen and what time it is come in; what
 * is to be remembered, the decision and its reasons go out. The loop of a server and the simulator ask the same function.
 */
import { PlatformError } from '../errors.ts';
import { decisionFrom, type ScalingDecision } from './decide-record.ts';
import { batch, batchBegin } from './strategies/batch.ts';
import { checkObservation } from './strategies/check-observation.ts';
import { economic, economicBegin } from './strategies/economic.ts';
import { forecastFault } from './strategies/forecast-view.ts';
import { hold, holdBegin } from './strategies/hold.ts';
import { hpa, hpaBegin } from './strategies/hpa.ts';
import { kpa, kpaBegin } from './strategies/kpa.ts';
import { asLeastHarm, leastHarm } from './strategies/least-harm.ts';
import { clampPlan, limitsAt } from './strategies/limits.ts';
import { markGreedy, markGreedyBegin } from './strategies/mark-greedy.ts';
import { type Observation, planTotal } from './strategies/observation.ts';
import { oracle } from './strategies/oracle.ts';
import type { Policy, SinglePolicy } from './strategies/policy.ts';
import { needsNoRate, priceFactorOf } from './strategies/policy-facts.ts';
import { quantileBegin, quantilePlan } from './strategies/quantile-plan.ts';
import { ray, rayBegin } from './strategies/ray.ts';
import { runningMax, runningMaxBegin } from './strategies/running-max.ts';
import { afterClockChange, type ScalingState, type StrategyMemories } from './strategies/scaling-state.ts';
import { burnOf, correctSlo, isWhole } from './strategies/slo-correction.ts';
import { replaceSpot } from './strategies/spot.ts';
import { staticCount } from './strategies/static.ts';
import { type Ask, ruled, stay, type Verdict } from './strategies/strategy.ts';
import { targetTracking, targetTrackingBegin } from './strategies/target-tracking.ts';
import { track, trackBegin } from './strategies/track.ts';
import { standingsOf } from './strategies/type-standing.ts';
import { currentPlan, everyType, usableTypes } from './strategies/usable-types.ts';

export interface Decided {
  readonly state: ScalingState;
  readonly decision: ScalingDecision;
}

/**
 * The decision of a policy at `nowMs` (epoch milliseconds). Throws `invalid_request` for what was configured wrongly; what was only
 * measured wrongly, or not yet, leaves things as they are, and the reason says so.
 */
export function decideScaling(policy: Policy, former: ScalingState, given: Observation, nowMs: number): Decided {
  if (!Number.isFinite(nowMs)) throw new PlatformError('invalid_request', `the time of a decision is in epoch milliseconds, got ${nowMs}`);
  checkObservation(given);
  const state = afterClockChange(former, nowMs);
  const { observation: seen, fault } = trusted(given);
  const { standings, types } = standingsOf(state.standings ?? [], seen.types, seen.objective, nowMs);
  const observation = { ...seen, types };
  const burn = burnOf(observation.slo, observation.objective);
  const slo = correctSlo(state.slo, burn, isWhole(observation.types), nowMs);
  const { ask, verdict, excluded } = judged(policy, state.memories, { observation, level: slo.level, nowMs });
  const decision = decisionFrom(policy, ask, verdict, { burn, fault, excluded });
  return { state: { format: 1, atMs: nowMs, slo, memories: verdict.memory, standings }, decision };
}

interface Judged {
  readonly ask: Ask;
  readonly verdict: Verdict<StrategyMemories>;
  readonly excluded: readonly string[];
}

/** Of policies that stand together, that of the one that wants most; each remembers what is its own. */
function judged(policy: Policy, memories: StrategyMemories, given: Pick<Ask, 'observation' | 'level' | 'nowMs'>): Judged {
  if (policy.kind === 'largest') {
    const all = policy.policies.map((one, index) => judged(one, memories.largest?.[index] ?? {}, given));
    const largest = all.reduce((most, one) => (planTotal(one.verdict.plan) > planTotal(most.verdict.plan) ? one : most));
    return { ...largest, verdict: { ...largest.verdict, memory: { largest: all.map(({ verdict }) => verdict.memory) } } };
  }
  const { observation, nowMs } = given;
  const priceFactor = priceFactorOf(policy);
  const overflow = policy.overflow ? observation.overflow : null;
  const { types: usable, excluded } = needsNoRate(policy) ? everyType(observation) : usableTypes(observation, priceFactor);
  const least = usable.length > 0 || policy.kind === 'batch' ? null : leastHarm(observation, overflow, priceFactor);
  const types = least?.types ?? usable;
  const leadMs = Math.max(0, ...types.map((type) => type.leadMs));
  const ask: Ask = { ...given, types, overflow, limits: limitsAt(observation.limits, nowMs, leadMs) };
  const verdict = judge(policy, memories, ask, excluded);
  if (least !== null) return { ask, verdict: asLeastHarm(verdict, excluded, least), excluded };
  return { ask, verdict: needsNoRate(policy) ? verdict : withUnmeasured(verdict, observation), excluded };
}

function judge(policy: SinglePolicy, memories: StrategyMemories, ask: Ask, excluded: readonly string[]): Verdict<StrategyMemories> {
  const { observation } = ask;
  if (policy.kind === 'batch') return remembering('batch', batch(memories.batch ?? batchBegin, ask));
  if (ask.types.length === 0) return withoutTypes(memories, ask, excluded);
  if (!(observation.arrivals >= 0 && observation.concurrencyMs >= 0)) {
    return stay(ask, memories, 'no-measurement', 'what was counted is no number');
  }
  if (observation.trigger === 'spot') {
    const plan = replaceSpot(currentPlan(observation.types), observation.notices ?? {}, observation.types);
    return ruled(ask, memories, plan, 'spot instances will be taken away', 'spot');
  }
  return asked(policy, memories, ask);
}

function asked(policy: Exclude<SinglePolicy, { kind: 'batch' }>, memories: StrategyMemories, ask: Ask): Verdict<StrategyMemories> {
  switch (policy.kind) {
    case 'economic':
      return remembering('economic', economic(policy, memories.economic ?? economicBegin, ask));
    case 'mark-greedy':
      return remembering('mark-greedy', markGreedy(policy, memories['mark-greedy'] ?? markGreedyBegin, ask));
    case 'hybrid':
    case 'instances-only':
      return remembering(policy.kind, quantilePlan(policy, memories[policy.kind] ?? quantileBegin, ask));
    case 'running-max':
      return remembering('running-max', runningMax(policy, memories['running-max'] ?? runningMaxBegin, ask));
    case 'target-tracking':
      return remembering('target-tracking', targetTracking(policy, memories['target-tracking'] ?? targetTrackingBegin, ask));
    case 'track':
      return remembering('track', track(policy, memories.track ?? trackBegin, ask));
    case 'hold':
    case 'backlog':
      return remembering('hold', hold(memories.hold ?? holdBegin, ask));
    case 'hpa':
      return remembering('hpa', hpa(policy, memories.hpa ?? hpaBegin, ask));
    case 'kpa':
      return remembering('kpa', kpa(policy, memories.kpa ?? kpaBegin, ask));
    case 'ray':
      return remembering('ray', ray(memories.ray ?? rayBegin, ask));
    case 'static':
      return { ...staticCount(policy, ask), memory: {} };
    case 'oracle':
      return { ...oracle(ask), memory: {} };
  }
}

function remembering<Kind extends keyof StrategyMemories>(
  kind: Kind,
  verdict: Verdict<NonNullable<StrategyMemories[Kind]>>,
): Verdict<StrategyMemories> {
  return { ...verdict, memory: { [kind]: verdict.memory } };
}

/** No type can be planned with: functions serve, alone but for the minimum; without them things stay as they are. */
function withoutTypes(memory: StrategyMemories, ask: Ask, excluded: readonly string[]): Verdict<StrategyMemories> {
  const { types } = ask.observation;
  const because = excluded.length === 0 ? 'no instance type is configured' : excluded.join('; ');
  if (types.some(({ isFeasible, ratePerSecond }) => isFeasible && ratePerSecond === 0)) return stay(ask, memory, 'no-measurement', because);
  if (ask.overflow === null) {
    const why = `${because}; there are no functions`;
    return { memory, plan: currentPlan(types), reason: 'infeasible', why, regime: 'instances-only', feasible: false };
  }
  const { plan, by } = clampPlan(Object.fromEntries(types.map(({ name }) => [name, 0])), everyType(ask.observation).types, ask.limits);
  if (by === null) return { memory, plan, reason: 'infeasible', why: `${because}; functions serve alone`, regime: 'serverless-only' };
  return { memory, plan, reason: 'infeasible', why: `${because}; functions serve beside the minimum`, regime: 'hybrid' };
}

/** Nobody is sent away for not having been measured yet. */
function withUnmeasured<Memory>(verdict: Verdict<Memory>, { types }: Observation): Verdict<Memory> {
  const unmeasured = types.filter(
    ({ isFeasible, ratePerSecond, active, launching }) => isFeasible && ratePerSecond === 0 && active + launching > 0,
  );
  if (unmeasured.length === 0 || verdict.regime === 'serverless-only') return verdict;
  return { ...verdict, plan: { ...verdict.plan, ...currentPlan(unmeasured) } };
}

/** The observation without what is no number. */
function trusted(observation: Observation): { observation: Observation; fault: string | null } {
  const { forecast, lastCount } = observation;
  const fault = forecast === null ? null : forecastFault(forecast);
  const isCounted = lastCount !== null && Number.isFinite(lastCount) && lastCount >= 0;
  if (fault === null && (isCounted || lastCount === null)) return { observation, fault };
  return { observation: { ...observation, forecast: fault === null ? forecast : null, lastCount: isCounted ? lastCount : null }, fault };
}

/** Properties of a policy that its caller needs before the first decision. */
import type { ForecasterName } from '../../forecasting/index.ts';
import { markHorizons } from '../rivals/mark-greedy.ts';
import { backlogIdleMs } from './backlog.ts';
import { horizonFor } from './forecast-view.ts';
import { instancesNeededFor } from './plans/plan-cost.ts';
import type { Policy, SinglePolicy } from './policy.ts';

/** How often a policy decides. */
export interface PolicyPeriods {
  /** Interval of trigger `period`. */
  readonly planMs: number;
  /** Interval of trigger `fast` between plans; null: never. */
  readonly fastMs: number | null;
}

/** Intervals of a policy. A policy that plans for a slot decides once per slot, directly after counting it. */
export function periodsOf(policy: Policy, slotMs: number): PolicyPeriods {
  switch (policy.kind) {
    case 'largest': {
      const all = policy.policies.map((one) => periodsOf(one, slotMs));
      const fast = all.flatMap(({ fastMs }) => (fastMs === null ? [] : [fastMs]));
      return { planMs: Math.min(...all.map(({ planMs }) => planMs)), fastMs: fast.length === 0 ? null : Math.min(...fast) };
    }
    case 'track':
    case 'hold':
      return { planMs: 10_000, fastMs: null };
    case 'backlog':
      return { planMs: 1000, fastMs: null };
    case 'economic':
      return { planMs: slotMs, fastMs: policy.fast === 'off' || slotMs <= 15_000 ? null : 15_000 };
    case 'hpa':
      return { planMs: 15_000, fastMs: null };
    case 'kpa':
      return { planMs: 2000, fastMs: null };
    case 'ray':
      return { planMs: 100, fastMs: null };
    case 'target-tracking':
    case 'batch':
    case 'oracle':
      return { planMs: 60_000, fastMs: null };
    case 'static':
    case 'instances-only':
    case 'running-max':
    case 'hybrid':
    case 'mark-greedy':
      return { planMs: slotMs, fastMs: null };
  }
}

/** Slot lengths between which short slots are chosen: divisors of a minute. */
const slotLengthsMs = [10_000, 15_000, 20_000, 30_000, 60_000];
const slotsPerLead = 12;

/**
 * Slot length in milliseconds: a minute, or ten seconds if an instance starts in less than a minute. The forecaster of `economic`
 * takes a twelfth of the start time, between these two: a change of the load is noticed within a twelfth of the time that instances
 * need to follow it. `currentMs`, the length so far, is retained until it is wrong by a factor of two, because counts of another
 * length are useless.
 */
export function slotMsFor(leadMs: number, policy: Policy | null = null, currentMs: number | null = null): number {
  if (policy === null || !usesShortSlots(policy)) return leadMs < 60_000 ? 10_000 : 60_000;
  const shortest = slotLengthsMs[0] as number;
  const wantedMs = Math.min(60_000, Math.max(shortest, leadMs / slotsPerLead));
  if (currentMs !== null && slotLengthsMs.includes(currentMs) && currentMs <= 2 * wantedMs && wantedMs <= 2 * currentMs) return currentMs;
  return slotLengthsMs.findLast((ms) => ms <= wantedMs) ?? shortest;
}

/** True if the policy's forecaster is made for slots of some seconds. */
export function usesShortSlots(policy: Policy): boolean {
  return forecasterOf(policy) === 'rls-windows';
}

/** Forecast horizons in slots; empty if the policy uses no forecast. */
export function horizonsOf(policy: Policy, leadMs: number, slotMs: number): number[] {
  switch (policy.kind) {
    case 'largest':
      return [...new Set(policy.policies.flatMap((one) => horizonsOf(one, leadMs, slotMs)))].sort((a, b) => a - b);
    case 'economic':
    case 'hybrid':
    case 'instances-only':
      return [...new Set([1, horizonFor(leadMs, slotMs), 10])].sort((a, b) => a - b);
    case 'mark-greedy': {
      const slotsPerMinute = 60_000 / slotMs;
      return [...new Set(Array.from({ length: markHorizons }, (_, i) => Math.max(1, Math.ceil((i + 1) * slotsPerMinute))))];
    }
    default:
      return [];
  }
}

/** Default start time of instances under this policy; null: no special default. */
export function policyLeadMs(policy: Policy): number | null {
  return policy.kind === 'target-tracking' ? 240_000 : null;
}

/** Price of instances under this policy relative to the list price. */
export function priceFactorOf(policy: Policy): number {
  return policy.kind === 'target-tracking' ? policy.price : 1;
}

const initialUtilisation = 0.7;
const lowTargetPercent = 40;

/** Initial number of instances under a reactive policy at this rate; doubled if the target is low. */
export function initialCount(policy: Policy, ratePerSecond: number, perInstance: number): number {
  const isLow = (policy.kind === 'hpa' || policy.kind === 'target-tracking') && policy.targetPercent <= lowTargetPercent;
  return instancesNeededFor(ratePerSecond, initialUtilisation * perInstance) * (isLow ? 2 : 1);
}

/** True if the policy works without knowing the throughput of an instance. */
export function worksWithoutRate({ kind }: Policy): boolean {
  return kind === 'track' || kind === 'hold' || kind === 'backlog';
}

/** Name of the policy's forecaster; null if it has none. */
export function forecasterOf(policy: Policy): ForecasterName | null {
  if (policy.kind === 'largest') return policy.policies.map(forecasterOf).find((name) => name !== null) ?? null;
  return 'forecaster' in policy ? policy.forecaster : null;
}

const restAfterMs = 300_000;

/**
 * Time without traffic before the last instance is removed, if zero is allowed and there are no functions. null if the number is
 * set manually instead.
 */
export function idleAfterMsOf(policy: Policy): number | null {
  const all: readonly SinglePolicy[] = policy.kind === 'largest' ? policy.policies : [policy];
  if (all.some(({ kind }) => kind === 'static' || kind === 'hold')) return null;
  const cooldowns = all.map((one) => (one.kind === 'track' ? one.inMs : one.kind === 'backlog' ? backlogIdleMs : restAfterMs));
  return cooldowns.includes(null) ? null : Math.max(60_000, ...cooldowns.map((ms) => ms ?? 0));
}

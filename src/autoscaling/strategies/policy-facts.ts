/** What whoever drives a policy has to know of it beforehand. */
import type { ForecasterName } from '../../forecasting/index.ts';
import { horizonFor } from './forecast-view.ts';
import { markHorizons } from './mark-greedy.ts';
import { neededFor } from './plan-cost.ts';
import type { Policy, SinglePolicy } from './policy.ts';

export interface PolicyPeriods {
  /** How often it is to be asked with trigger `period`. */
  readonly planMs: number;
  /** How often with trigger `fast` in between; null: never. */
  readonly fastMs: number | null;
}

/** Policies that plan for a slot are asked once a slot, right after it was counted. */
export function periodsOf(policy: Policy, slotMs: number): PolicyPeriods {
  switch (policy.kind) {
    case 'largest': {
      const all = policy.policies.map((one) => periodsOf(one, slotMs));
      const fast = all.flatMap(({ fastMs }) => (fastMs === null ? [] : [fastMs]));
      return { planMs: Math.min(...all.map(({ planMs }) => planMs)), fastMs: fast.length === 0 ? null : Math.min(...fast) };
    }
    case 'track':
    case 'hold':
    case 'backlog':
      return { planMs: 10_000, fastMs: null };
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

/** The horizons, in slots, that it wants forecasts for; empty where it knows no forecast. */
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

/** How long its instances take to start where nobody says otherwise; null: as long as any. */
export function policyLeadMs(policy: Policy): number | null {
  return policy.kind === 'target-tracking' ? 240_000 : null;
}

/** What its instances cost more than the list says. */
export function priceFactorOf(policy: Policy): number {
  return policy.kind === 'target-tracking' ? policy.price : 1;
}

const initialUtilisation = 0.7;
const lowTargetPercent = 40;

/** How many a rule that only reacts begins with, at the rate of one slot; twice as many where its target is low. */
export function initialCount(policy: Policy, ratePerSecond: number, perInstance: number): number {
  const isLow = (policy.kind === 'hpa' || policy.kind === 'target-tracking') && policy.targetPercent <= lowTargetPercent;
  return neededFor(ratePerSecond, initialUtilisation * perInstance) * (isLow ? 2 : 1);
}

/** Whether it can do without knowing how fast an instance is. */
export function needsNoRate({ kind }: Policy): boolean {
  return kind === 'track' || kind === 'hold' || kind === 'backlog';
}

/** Who forecasts for it; null where nobody does. */
export function forecasterOf(policy: Policy): ForecasterName | null {
  if (policy.kind === 'largest') return policy.policies.map(forecasterOf).find((name) => name !== null) ?? null;
  return 'forecaster' in policy ? policy.forecaster : null;
}

const restAfterMs = 300_000;

/**
 * For how long nobody must have asked before the last instance goes, where there may be none and there are no functions; null
 * where that is not for the policy to say: as many are there as somebody said.
 */
export function restAfterMsOf(policy: Policy): number | null {
  const all: readonly SinglePolicy[] = policy.kind === 'largest' ? policy.policies : [policy];
  if (all.some(({ kind }) => ['static', 'hold', 'backlog'].includes(kind))) return null;
  const cooldowns = all.map((one) => (one.kind === 'track' ? one.inMs : restAfterMs));
  return cooldowns.includes(null) ? null : Math.max(60_000, ...cooldowns.map((ms) => ms ?? 0));
}

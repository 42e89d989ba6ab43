/** What whoever drives a policy has to know of it beforehand. */
import { horizonFor } from './forecast-view.ts';
import { markHorizons } from './mark-greedy.ts';
import { neededFor } from './plan-cost.ts';
import type { Policy } from './policy.ts';

export interface PolicyPeriods {
  /** How often it is to be asked with trigger `period`. */
  readonly planMs: number;
  /** How often with trigger `fast` in between; null: never. */
  readonly fastMs: number | null;
}

/** Policies that plan for a slot are asked once a slot, right after it was counted. */
export function periodsOf(policy: Policy, slotMs: number): PolicyPeriods {
  switch (policy.kind) {
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

/** Spot instances: cheaper, but they can be reclaimed at any time. */
import type { Plan } from '../strategies/observation.ts';

/** How often an instance is reclaimed, and what takes its place. */
export interface SpotType {
  readonly interruptionsPerHour: number;
  /** Time until a replacement serves. */
  readonly recoveryMs: number;
  /** Name of the on-demand type that replaces it. */
  readonly onDemand: string;
}

/**
 * Long-term capacity of a spot instance, which serves nothing for `recoveryMs` after each interruption: mu_eff = mu (1 -
 * interruptionsPerHour · recoveryMs / 3 600 000).
 */
export function spotRate(ratePerSecond: number, interruptionsPerHour: number, recoveryMs: number): number {
  return Math.max(0, ratePerSecond * (1 - (interruptionsPerHour * recoveryMs) / 3_600_000));
}

/**
 * The plan after an interruption notice: an on-demand instance is started at once for each instance to be reclaimed. Until it is
 * ready, the router sends requests that would be late to functions. There is no standby.
 */
export function replaceSpot(have: Plan, notices: Plan, spot: Readonly<Record<string, SpotType>>): Plan {
  const plan: Record<string, number> = { ...have };
  for (const name of Object.keys(have)) {
    const taken = Math.min(have[name] ?? 0, notices[name] ?? 0);
    if (taken === 0) continue;
    const replacement = spot[name]?.onDemand;
    const onDemand = replacement !== undefined && replacement in have ? replacement : name;
    plan[name] = (plan[name] ?? 0) - taken;
    plan[onDemand] = (plan[onDemand] ?? 0) + taken;
  }
  return plan;
}

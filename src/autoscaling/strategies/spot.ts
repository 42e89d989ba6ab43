/** Instances that cost less and may be taken away. */
import type { Plan, TypeObservation } from './observation.ts';

/**
 * What a spot instance carries in the long run: for `recoveryMs` after each interruption it carries nothing,
 *
 *   mu_eff = mu (1 - p_int recovery / 3600 s)     p_int interruptions per hour
 */
export function spotRate(ratePerSecond: number, interruptionsPerHour: number, recoveryMs: number): number {
  return Math.max(0, ratePerSecond * (1 - (interruptionsPerHour * recoveryMs) / 3_600_000));
}

/**
 * The plan after a notice that instances will be taken: those go, and an on-demand one is started for each at once. Until it is
 * ready the router sends to functions what would be late; nothing stands by.
 */
export function replaceSpot(have: Plan, notices: Plan, types: readonly TypeObservation[]): Plan {
  const plan: Record<string, number> = { ...have };
  for (const { name, spot } of types) {
    const taken = Math.min(have[name] ?? 0, notices[name] ?? 0);
    if (taken === 0) continue;
    const onDemand = types.find((other) => other.name === spot?.onDemand)?.name ?? name;
    plan[name] = (plan[name] ?? 0) - taken;
    plan[onDemand] = (plan[onDemand] ?? 0) + taken;
  }
  return plan;
}

/** Recently recommended plans. Instances are removed only if no recent plan needed them. */
import type { Plan } from '../observation.ts';

/** A recommended plan and the time of the decision. */
export interface RecentPlan {
  readonly atMs: number;
  readonly plan: Plan;
}

/**
 * Adds the plan of this slot to the plans of the `slots - 1` slots before. A plan within half a slot of the last one replaces it,
 * so extra decisions do not shorten the window.
 */
export function withPlan(recent: readonly RecentPlan[], plan: Plan, slots: number, slotMs: number, nowMs: number): RecentPlan[] {
  const last = recent.at(-1);
  const isAgain = last !== undefined && nowMs - last.atMs < slotMs / 2;
  const retained = (isAgain ? recent.slice(0, -1) : recent).filter(({ atMs }) => nowMs - atMs < (slots - 0.5) * slotMs);
  return [...retained, { atMs: isAgain ? last.atMs : nowMs, plan }];
}

/** The highest recent number of each type. */
export function largestOf(recent: readonly RecentPlan[], names: readonly string[]): Plan {
  return Object.fromEntries(names.map((name) => [name, Math.max(0, ...recent.map(({ plan }) => plan[name] ?? 0))]));
}

/** Scales out at once, but in only if no recent plan needed more. Per type: up > have ? up : max(up, min(have, keep)). */
export function heldPlan(up: Plan, have: Plan, keep: Plan): Plan {
  const names = Object.keys({ ...have, ...up });
  return Object.fromEntries(
    names.map((name) => {
      const wanted = up[name] ?? 0;
      return [name, Math.max(wanted, Math.min(have[name] ?? 0, keep[name] ?? 0))];
    }),
  );
}

/** What was recommended lately: plans are only taken back once nobody has wanted them for a while. */
import type { Plan } from './observation.ts';

export interface RecentPlan {
  readonly atMs: number;
  readonly plan: Plan;
}

/**
 * With the plan of this slot, and those of the `slots - 1` before. One made within half a slot of the last takes its place: what
 * is decided out of turn does not make time pass faster.
 */
export function withPlan(recent: readonly RecentPlan[], plan: Plan, slots: number, slotMs: number, nowMs: number): RecentPlan[] {
  const last = recent.at(-1);
  const isAgain = last !== undefined && nowMs - last.atMs < slotMs / 2;
  const kept = (isAgain ? recent.slice(0, -1) : recent).filter(({ atMs }) => nowMs - atMs < (slots - 0.5) * slotMs);
  return [...kept, { atMs: isAgain ? last.atMs : nowMs, plan }];
}

/** The most of each type that was wanted lately. */
export function mostOf(recent: readonly RecentPlan[], names: readonly string[]): Plan {
  return Object.fromEntries(names.map((name) => [name, Math.max(0, ...recent.map(({ plan }) => plan[name] ?? 0))]));
}

/** More at once, less only once nobody has wanted more lately: up > have ? up : max(up, min(have, keep)), type by type. */
export function held(up: Plan, have: Plan, keep: Plan): Plan {
  const names = Object.keys({ ...have, ...up });
  return Object.fromEntries(
    names.map((name) => {
      const wanted = up[name] ?? 0;
      return [name, Math.max(wanted, Math.min(have[name] ?? 0, keep[name] ?? 0))];
    }),
  );
}

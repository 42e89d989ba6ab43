/** The order in which instances are removed, and the actions that implement a plan. */
import { billedAtLeastMs } from '../../../costs/index.ts';
import { type Plan, planTotal } from '../observation.ts';

/** The part of an instance that determines the order of removal. */
export interface ScalingInstance {
  readonly id: string;
  readonly type: string;
  readonly state: 'launching' | 'warming' | 'active' | 'draining' | 'stopped';
  /** Time of the launch request. */
  readonly launchedAtMs: number;
  /** Time since which the instance has been idle; null while it is busy. */
  readonly idleSinceMs: number | null;
}

/** One step of implementing a plan. */
export interface ScalingAction {
  readonly op: 'launch' | 'drain' | 'stop';
  readonly type: string;
  /** null for an instance that is to be launched. */
  readonly instance: string | null;
}

/**
 * Removable instances in order of removal. First launching ones, the youngest first, because they are furthest from serving. Then
 * idle ones past their minimum charge, longest idle first, busy ones past it, and the others. Excludes draining instances.
 */
export function scaleInOrder(instances: readonly ScalingInstance[], nowMs: number): ScalingInstance[] {
  const rank = ({ state, idleSinceMs, launchedAtMs }: ScalingInstance): number => {
    if (state !== 'active') return 0;
    if (nowMs - launchedAtMs < billedAtLeastMs) return 3;
    return idleSinceMs === null ? 2 : 1;
  };
  const idleSince = ({ idleSinceMs }: ScalingInstance): number => idleSinceMs ?? 0;
  return instances
    .filter(({ state }) => state !== 'draining' && state !== 'stopped')
    .toSorted(
      (a, b) =>
        rank(a) - rank(b) ||
        (rank(a) === 1 ? idleSince(a) - idleSince(b) : rank(a) === 0 ? b.launchedAtMs - a.launchedAtMs : a.launchedAtMs - b.launchedAtMs) ||
        (a.id < b.id ? -1 : 1),
    );
}

/** Actions that implement the plan: surplus launching instances are stopped, active ones drained, missing ones launched. */
export function actionsFor(plan: Plan, instances: readonly ScalingInstance[], nowMs: number): ScalingAction[] {
  const present: Record<string, ScalingInstance[]> = {};
  for (const instance of scaleInOrder(instances, nowMs)) (present[instance.type] ??= []).push(instance);
  const actions: ScalingAction[] = [];
  for (const type of Object.keys({ ...plan, ...present })) {
    const there = present[type] ?? [];
    const wanted = plan[type] ?? 0;
    for (let i = there.length; i < wanted; i++) actions.push({ op: 'launch', type, instance: null });
    for (const { id, state } of there.slice(0, Math.max(0, there.length - wanted))) {
      actions.push({ op: state === 'active' ? 'drain' : 'stop', type, instance: id });
    }
  }
  return actions;
}

/** Maximum time for a draining instance to finish its queue; the remaining requests then go to functions. */
export function drainLimitMs(fullBatchMs: number): number {
  return Math.max(10_000, 3 * fullBatchMs);
}

/** Formats a plan: `2 × c5.large + 1 × g4dn.xlarge`, or `nothing`. */
export function formatPlan(plan: Plan): string {
  const parts = Object.entries(plan).flatMap(([name, count]) => (count === 0 ? [] : [`${count} × ${name}`]));
  return planTotal(plan) === 0 ? 'no instance' : parts.join(' + ');
}

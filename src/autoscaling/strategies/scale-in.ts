/** Who goes first, and what is done to bring a plan about. */
import { billedAtLeastMs } from '../../costs/index.ts';
import { type Plan, planTotal } from './observation.ts';

export interface ScalingInstance {
  readonly id: string;
  readonly type: string;
  readonly state: 'launching' | 'warming' | 'active' | 'draining' | 'stopped';
  /** When it was wished for. */
  readonly launchedAtMs: number;
  /** Since when it has nothing to do; null while it has. */
  readonly idleSinceMs: number | null;
}

export interface ScalingAction {
  readonly op: 'launch' | 'drain' | 'stop';
  readonly type: string;
  /** null where it is yet to be launched. */
  readonly instance: string | null;
}

/**
 * Those that may be removed, who goes first first: launching ones (the youngest first: it is furthest from being of use), idle
 * ones that have been paid for long enough (the longest idle first), busy ones that have, the others. Draining ones are gone already.
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

/** What to do so that there are as many as planned: a launching one is stopped, an active one drained. */
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

/** How long a draining instance may go on with what it has before the rest goes to functions. */
export function drainLimitMs(fullBatchMs: number): number {
  return Math.max(10_000, 3 * fullBatchMs);
}

/** `2 × c5.large + 1 × g4dn.xlarge`, `nothing`. */
export function planInWords(plan: Plan): string {
  const parts = Object.entries(plan).flatMap(([name, count]) => (count === 0 ? [] : [`${count} × ${name}`]));
  return planTotal(plan) === 0 ? 'no instance' : parts.join(' + ');
}

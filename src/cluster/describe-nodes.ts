/** Nodes as a user sees them. Pure. */
import { type ClusterState, isSameProcess } from './cluster-state.ts';
import { programOf } from './program.ts';

/** A node as the database shows it. */
export interface NodeStatus {
  readonly name: string;
  /** `ended`: its process left the cluster; `dead`: it was killed, or cut off. */
  readonly state: 'serves' | 'stands by' | 'does not respond' | 'ended' | 'dead';
  readonly version: string;
  /** Epoch milliseconds, by the clock of the database. */
  readonly joinedAtMs: number;
  /** What remains of its lease; negative if it ran out. */
  readonly leaseMs: number;
  /** By how much its clock is ahead of the database's, negative if behind. */
  readonly clockOffsetMs: number;
}

/** Beyond it, an operator should set the clock: logs and metrics of the node have wrong times. Leases do not depend on it. */
export const clockOffsetMsMax = 2000;

/** All but those that were removed. */
export function describeNodes({ nodes: all, controller: { holder }, nowMs }: ClusterState): NodeStatus[] {
  const nodes = all.filter(({ isRemoved }) => !isRemoved);
  return nodes.map((node) => {
    const { name, isLive, isDraining, expiresAtMs, joinedAtMs, clockOffsetMs } = node;
    const { version } = programOf(node.version);
    const live = expiresAtMs <= nowMs ? 'does not respond' : isSameProcess(node, holder) ? 'serves' : 'stands by';
    const over = isDraining ? 'ended' : 'dead';
    return { name, state: isLive ? live : over, version, joinedAtMs, leaseMs: expiresAtMs - nowMs, clockOffsetMs };
  });
}

/** Live nodes whose clock is wrong, with a sentence for each. */
export function clockNotes(nodes: readonly NodeStatus[]): string[] {
  return nodes.flatMap(({ name, state, clockOffsetMs }) =>
    state === 'dead' || state === 'ended' ? [] : (clockNote(`node ${name}`, clockOffsetMs) ?? []),
  );
}

/** Null if the clock is right. */
export function clockNote(whose: string, clockOffsetMs: number): string | null {
  if (Math.abs(clockOffsetMs) <= clockOffsetMsMax) return null;
  const direction = clockOffsetMs > 0 ? 'ahead of' : 'behind';
  const seconds = (Math.abs(clockOffsetMs) / 1000).toFixed(1);
  return `the clock of ${whose} is ${seconds} s ${direction} that of the database: set it, for example with NTP`;
}

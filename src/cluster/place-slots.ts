/** Which node each slot should have. Pure: the controller reads the state, decides here, and acts elsewhere. */
import { type ClusterNode, type ClusterSlot, hasEnded, isSameProcess } from './cluster-state.ts';
import type { SlotMove } from './slots.ts';

/** What the controller does in one round. */
export interface Placement {
  /** Slots without a live owner, and their new owners. */
  readonly assigned: readonly SlotMove[];
  /** Slots whose owners are to hand them over. */
  readonly requested: readonly SlotMove[];
}

/**
 * Slots without a live owner go to the nodes with the fewest slots, at once. Beyond that, slots move one by one, because each move delays
 * requests: from draining nodes, and from nodes with more slots than their share. At most `movesMax` are under way at a time, and a
 * balanced cluster moves none.
 *
 * `nodes` are those that the controller takes for live. If all of them drain, slots stay where they are.
 */
export function placeSlots(nodes: readonly ClusterNode[], slots: readonly ClusterSlot[], movesMax: number): Placement {
  const live = nodes.filter(({ isLive }) => isLive);
  const staying = live.filter(({ isDraining }) => !isDraining);
  const takers = new Map((staying.length > 0 ? staying : live).map(({ name }) => [name, 0]));
  if (takers.size === 0) return { assigned: [], requested: [] };
  const free = slots.filter(({ owner }) => owner === null || hasEnded(owner, nodes));
  // An owner that is neither live nor dead joined after the nodes were read: the next round knows it.
  const owned = slots.filter(({ owner }) => live.some((node) => isSameProcess(node, owner)));
  const isMoving = ({ wanted }: ClusterSlot): boolean => wanted !== null && takers.has(wanted);
  const moving = owned.filter(isMoving);
  const settled = Map.groupBy(
    owned.filter((slot) => !isMoving(slot)),
    ({ owner }) => owner?.name ?? '',
  );
  for (const { wanted } of moving) count(takers, wanted ?? '', 1);
  for (const [name, its] of settled) count(takers, name, its.length);

  const assigned = free.map((slot) => moveTo(takers, slot));
  const requested: SlotMove[] = [];
  // The wanted node died or drains, so the owner keeps the slot.
  for (const [name, its] of settled) for (const slot of its) if (slot.wanted !== null) requested.push({ ...placeOf(slot), to: name });
  const most = staying.length > 0 ? movesMax : 0;
  for (let moves = moving.length; moves < most; moves++) {
    const slot = nextToMove(takers, settled);
    if (slot === undefined) break;
    count(takers, slot.owner?.name ?? '', -1);
    requested.push(moveTo(takers, slot));
  }
  return { assigned, requested };
}

/** A slot of a draining node, else of the node with the most slots if another one has at least two fewer. Takes it out of `settled`. */
function nextToMove(takers: ReadonlyMap<string, number>, settled: ReadonlyMap<string, ClusterSlot[]>): ClusterSlot | undefined {
  const movable = (name: string): number => (settled.get(name) ?? []).findIndex(({ wanted }) => wanted === null);
  const take = (name: string): ClusterSlot | undefined => settled.get(name)?.splice(movable(name), 1)[0];
  const draining = [...settled.keys()].find((name) => !takers.has(name) && movable(name) >= 0);
  if (draining !== undefined) return take(draining);
  const fewest = Math.min(...takers.values());
  const [most] = [...takers].filter(([name]) => movable(name) >= 0).sort(([, one], [, other]) => other - one);
  return most !== undefined && most[1] - fewest > 1 ? take(most[0]) : undefined;
}

/** Moves the slot to the node with the fewest slots; of equal ones to the first. */
function moveTo(takers: Map<string, number>, slot: ClusterSlot): SlotMove {
  const fewest = Math.min(...takers.values());
  const to = [...takers.keys()].find((name) => takers.get(name) === fewest) ?? '';
  count(takers, to, 1);
  return { ...placeOf(slot), to };
}

function placeOf({ slot, epoch }: ClusterSlot): { readonly slot: number; readonly epoch: number } {
  return { slot, epoch };
}

function count(takers: Map<string, number>, name: string, by: number): void {
  const before = takers.get(name);
  if (before !== undefined) takers.set(name, before + by);
}

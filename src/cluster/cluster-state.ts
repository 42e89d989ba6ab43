/** What the database says of a cluster: its nodes, its controller and its slots. Reads rows, decides nothing. */
import { type Database, databaseTime, presentKeys, type Transaction } from '../storage/index.ts';

/** A process of a node. Another process under the same name is another incarnation. */
export interface NodeProcess {
  readonly name: string;
  readonly incarnation: number;
}

/** In the row of a node. A removed one is dead as well; what an older version does not know is dead for it. */
export type NodeState = 'live' | 'dead' | 'removed';

/** A node as its row describes it. */
export interface ClusterNode extends NodeProcess {
  /** A small number that stays with the name. */
  readonly number: number;
  /** A dead incarnation stays dead, so what it held can be taken from it. */
  readonly isLive: boolean;
  readonly isDraining: boolean;
  /** Taken out of the cluster by an operator. */
  readonly isRemoved: boolean;
  /** Whether the process has a connection to the database. One that was stopped has it, too. */
  readonly isPresent: boolean;
  /** The end of its lease, by the clock of the database. */
  readonly expiresAtMs: number;
  readonly joinedAtMs: number;
  readonly version: string;
  /** By how much its clock is ahead of the database's, negative if behind. */
  readonly clockOffsetMs: number;
  /** `HOST:PORT` where it accepts links; null if it accepts none. */
  readonly address: string | null;
}

/** A slot and its owner. */
export interface ClusterSlot {
  readonly slot: number;
  readonly epoch: number;
  /** Null if no node has owned the slot yet. */
  readonly owner: NodeProcess | null;
  /** The name of the node that the owner must hand the slot to. */
  readonly wanted: string | null;
  readonly sinceMs: number;
}

/** A duty that one node has at a time, with the epoch of its holder. */
export interface ClusterRole {
  readonly holder: NodeProcess | null;
  readonly epoch: number;
}

/** Everything that a round of the cluster decides from. */
export interface ClusterState {
  /** The clock of the database; 0 without nodes. */
  readonly nowMs: number;
  readonly nodes: readonly ClusterNode[];
  readonly controller: ClusterRole;
  readonly slots: readonly ClusterSlot[];
}

export function isSameProcess(one: NodeProcess | null, other: NodeProcess | null): boolean {
  return one !== null && other !== null && one.name === other.name && one.incarnation === other.incarnation;
}

/**
 * Whether the process can no longer own anything. False if these nodes were read before the process joined: rows of nodes may be older than
 * the row that names the process.
 */
export function hasEnded({ name, incarnation }: NodeProcess, nodes: readonly ClusterNode[]): boolean {
  const node = nodes.find((each) => each.name === name);
  if (node === undefined) return false;
  return node.incarnation > incarnation || (node.incarnation === incarnation && !node.isLive);
}

/** `HOST:PORT` of the node that has the role of the controller; null if none has it, or its process ended. */
export function controllerAddress({ controller: { holder }, nodes }: Pick<ClusterState, 'controller' | 'nodes'>): string | null {
  return nodes.find((node) => node.isLive && isSameProcess(node, holder))?.address ?? null;
}

/** `HOST:PORT` of all live nodes that accept links, the controller first. */
export function linkAddresses(state: Pick<ClusterState, 'controller' | 'nodes'>): string[] {
  const controller = controllerAddress(state);
  const addresses = state.nodes.filter(({ isLive }) => isLive).map(({ address }) => address);
  return [...new Set([controller, ...addresses])].filter((address) => address !== null);
}

/** The key by which a process shows its presence: a positive number of 31 bits. */
export function presenceKeyOf({ number, incarnation }: Pick<ClusterNode, 'number' | 'incarnation'>): number {
  return (number % 2 ** 11) * 2 ** 20 + (incarnation % 2 ** 20);
}

/** Reads the rows, which may change in between: each action checks again what it relies on, under a lock. */
export async function readClusterState(db: Database | Transaction): Promise<ClusterState> {
  const nodes = await db.selectFrom('cluster_nodes').selectAll().select(databaseTime().as('now')).orderBy('name').execute();
  const role = await db.selectFrom('cluster_roles').selectAll().where('role', '=', 'controller').executeTakeFirstOrThrow();
  const slots = await db.selectFrom('cluster_slots').selectAll().orderBy('slot').execute();
  const present = await presentKeys(db);
  return {
    nowMs: Number(nodes[0]?.now ?? 0),
    nodes: nodes.map(({ number, incarnation, ...row }) => ({
      name: row.name,
      number,
      incarnation: Number(incarnation),
      isPresent: present.has(presenceKeyOf({ number, incarnation: Number(incarnation) })),
      isLive: row.state === 'live',
      isDraining: row.draining === 1,
      isRemoved: row.state === 'removed',
      expiresAtMs: Number(row.expires_at),
      joinedAtMs: Number(row.joined_at),
      version: row.version,
      clockOffsetMs: Number(row.clock_offset),
      address: row.address,
    })),
    controller: { holder: processOf(role), epoch: Number(role.epoch) },
    slots: slots.map((row) => ({
      slot: row.slot,
      epoch: Number(row.epoch),
      owner: processOf(row),
      wanted: row.wanted,
      sinceMs: Number(row.since),
    })),
  };
}

function processOf({ holder, incarnation }: { holder: string | null; incarnation: number | null }): NodeProcess | null {
  return holder === null || incarnation === null ? null : { name: holder, incarnation: Number(incarnation) };
}

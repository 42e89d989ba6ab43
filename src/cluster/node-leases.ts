/**
 * The rows of nodes: a process joins under a name, renews its lease, and leaves. All times are by the clock of the database.
 *
 * A lease that has run out can still be renewed, because nothing happened yet. Only a process that was declared dead has lost it, and with
 * it everything that it held, at one moment for all: the change of its row.
 */
import { PlatformError } from '../errors.ts';
import { type Database, databaseTime, inTransaction, isKeyAbsent, limitIdleTime, type Transaction } from '../storage/index.ts';
import type { NodeProcess } from './cluster-state.ts';

/** A process that froze within a transaction blocks the others for this long. Shorter than a lease. */
export const idleInTransactionMs = 2000;

/** How a node describes itself. */
export interface NodeDescription {
  readonly name: string;
  readonly version: string;
  /** `HOST:PORT` where it accepts links. */
  readonly address?: string;
}

/** A node that has joined. */
export interface JoinedNode extends NodeProcess {
  readonly number: number;
}

/**
 * Joins under the name, as a new incarnation. The process that had the name before is declared dead if its lease has run out. Throws
 * `wrong_state` if it is live.
 */
export async function joinCluster(db: Database, { name, version, address }: NodeDescription, ttlMs: number): Promise<JoinedNode> {
  return inTransaction(db, async (tx) => {
    await limitIdleTime(tx, idleInTransactionMs);
    const values = {
      state: 'live',
      expires_at: databaseTime(ttlMs),
      joined_at: databaseTime(),
      version,
      draining: 0,
      address: address ?? null,
    };
    const rejoined = await tx
      .updateTable('cluster_nodes')
      .set((row) => ({ ...values, incarnation: row('incarnation', '+', 1) }))
      .where('name', '=', name)
      .where((row) => row.or([row('state', '!=', 'live'), row('expires_at', '<=', databaseTime())]))
      .returning(['number', 'incarnation'])
      .executeTakeFirst();
    if (rejoined !== undefined) return { name, number: rejoined.number, incarnation: Number(rejoined.incarnation) };
    // Two nodes that join at once would choose the same number.
    await tx.selectFrom('cluster_roles').select('role').where('role', '=', 'controller').forUpdate().execute();
    const { highest } = await tx
      .selectFrom('cluster_nodes')
      .select((row) => row.fn.max('number').as('highest'))
      .executeTakeFirstOrThrow();
    const number = Number(highest ?? 0) + 1;
    const inserted = await tx
      .insertInto('cluster_nodes')
      .values({ name, number, incarnation: 1, ...values })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .returning('number')
      .executeTakeFirst();
    if (inserted === undefined) {
      throw new PlatformError('wrong_state', `a live node of this cluster is named ${name}: stop it first, or choose another name`);
    }
    return { name, number, incarnation: 1 };
  });
}

/** A renewed lease. */
export interface RenewedLease {
  /** The clock of the database. */
  readonly nowMs: number;
}

/** Null if this process was declared dead. `clockOffsetMs`: by how much its clock was ahead of the database's at the last renewal. */
export async function renewLease(db: Database, node: NodeProcess, ttlMs: number, clockOffsetMs = 0): Promise<RenewedLease | null> {
  const row = await db
    .updateTable('cluster_nodes')
    .set({ expires_at: databaseTime(ttlMs), clock_offset: Math.round(clockOffsetMs) })
    .where('name', '=', node.name)
    .where('incarnation', '=', node.incarnation)
    .where('state', '=', 'live')
    .returning('expires_at')
    .executeTakeFirst();
  return row === undefined ? null : { nowMs: Number(row.expires_at) - ttlMs };
}

/** An absent process that has not renewed its lease since it was seen. */
export interface AbsentProcess {
  readonly key: number;
  readonly expiresAtMs: number;
}

/**
 * Whether the process is dead now. False if its lease has not run out by the clock of the database, unless it is `absent` and has not
 * renewed its lease.
 */
export async function declareDead(db: Database | Transaction, node: NodeProcess, absent: AbsentProcess | null = null): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('cluster_nodes')
    .set({ state: 'dead' })
    .where((row) => {
      const isExpired = row('expires_at', '<=', databaseTime());
      return absent === null
        ? isExpired
        : row.or([isExpired, row.and([row('expires_at', '=', absent.expiresAtMs), isKeyAbsent(absent.key)])]);
    })
    .where('name', '=', node.name)
    .where('incarnation', '=', node.incarnation)
    .where('state', '=', 'live')
    .executeTakeFirstOrThrow();
  if (numUpdatedRows > 0n) return true;
  const live = await db
    .selectFrom('cluster_nodes')
    .select('name')
    .where('name', '=', node.name)
    .where('incarnation', '=', node.incarnation)
    .where('state', '=', 'live')
    .executeTakeFirst();
  return live === undefined;
}

/** The controller moves the slots of a draining node to others, one after the other. False if this process was declared dead. */
export async function markDraining(db: Database, node: NodeProcess): Promise<boolean> {
  return updateOwn(db, node, { draining: 1 });
}

/** Ends this process for the cluster: what it still holds is free at once. A dead process that was draining has ended in order. */
export async function markDead(db: Database, node: NodeProcess): Promise<void> {
  await updateOwn(db, node, { state: 'dead', draining: 1 });
}

async function updateOwn(db: Database, node: NodeProcess, change: { draining: 1; state?: 'dead' }): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('cluster_nodes')
    .set(change)
    .where('name', '=', node.name)
    .where('incarnation', '=', node.incarnation)
    .where('state', '=', 'live')
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

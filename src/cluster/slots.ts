/** Changes of slots' owners. Each one raises the epoch, and happens only if the slot is still as the change expects it. */
import { type Database, databaseTime, inTransaction, limitIdleTime, type Transaction } from '../storage/index.ts';
import type { NodeProcess } from './cluster-state.ts';
import { asController, type ControllerTerm, Deposed, type SlotOwnership } from './fences.ts';
import { idleInTransactionMs } from './node-leases.ts';

/** A slot as of an epoch, and the node that it goes to. */
export interface SlotMove {
  readonly slot: number;
  readonly epoch: number;
  /** A name: the incarnation is read under a lock. */
  readonly to: string;
}

/**
 * Gives slots without a live owner to other nodes. The caller has seen that the owner is dead, which is final, so the epoch alone tells
 * whether the slot is still the same. Skips slots that changed, and nodes that died. Returns the number of changed slots.
 */
export async function assignSlots(db: Database, term: ControllerTerm, moves: readonly SlotMove[]): Promise<number> {
  if (moves.length === 0) return 0;
  return asController(db, term, async (tx) => {
    let changed = 0;
    const live = await liveNodes(tx, [...new Set(moves.map(({ to }) => to))]);
    for (const { name, incarnation } of live) {
      const { numUpdatedRows } = await tx
        .updateTable('cluster_slots')
        .set((row) => ({ holder: name, incarnation, epoch: row('epoch', '+', 1), wanted: null, since: databaseTime() }))
        .where((row) => row.or(unchanged(moves, name).map((slot) => row.and(slot))))
        .executeTakeFirstOrThrow();
      changed += Number(numUpdatedRows);
    }
    return changed;
  });
}

/** Asks the owners of slots to hand them over, or to keep them if `to` is their own name. Returns the number of changed slots. */
export async function requestMoves(db: Database, term: ControllerTerm, moves: readonly SlotMove[]): Promise<number> {
  if (moves.length === 0) return 0;
  return asController(db, term, async (tx) => {
    let changed = 0;
    for (const to of new Set(moves.map((move) => move.to))) {
      const { numUpdatedRows } = await tx
        .updateTable('cluster_slots')
        .set((row) => ({ wanted: row.case().when('holder', '=', to).then(null).else(to).end() }))
        .where((row) => row.or(unchanged(moves, to).map((slot) => row.and(slot))))
        .executeTakeFirstOrThrow();
      changed += Number(numUpdatedRows);
    }
    return changed;
  });
}

/**
 * The owner hands its slot to the node that the controller wants, or keeps it if that node is dead by now. Returns whether the slot moved.
 * Throws `Deposed` if it was no longer the owner.
 */
export async function handOver(db: Database, { owner, slot, epoch }: SlotOwnership): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    await limitIdleTime(tx, idleInTransactionMs);
    const row = await tx.selectFrom('cluster_slots').select('wanted').where('slot', '=', slot).executeTakeFirst();
    const [next] = await liveNodes(tx, [row?.wanted ?? owner.name]);
    const stays = next === undefined || next.name === owner.name;
    const { numUpdatedRows } = await tx
      .updateTable('cluster_slots')
      .set((row) =>
        stays
          ? { wanted: null }
          : { holder: next.name, incarnation: next.incarnation, epoch: row('epoch', '+', 1), wanted: null, since: databaseTime() },
      )
      .where('slot', '=', slot)
      .where('holder', '=', owner.name)
      .where('incarnation', '=', owner.incarnation)
      .where('epoch', '=', epoch)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) throw new Deposed(`slot ${slot}`);
    return !stays;
  });
}

/** The nodes of these names that are live; they stay so until the transaction ends. */
async function liveNodes(tx: Transaction, names: readonly string[]): Promise<NodeProcess[]> {
  const rows = await tx
    .selectFrom('cluster_nodes')
    .select(['name', 'incarnation'])
    .where('name', 'in', names)
    .where('state', '=', 'live')
    .orderBy('name')
    .forShare()
    .execute();
  return rows.map(({ name, incarnation }) => ({ name, incarnation: Number(incarnation) }));
}

function unchanged(moves: readonly SlotMove[], to: string): { readonly slot: number; readonly epoch: number }[] {
  return moves.filter((move) => move.to === to).map(({ slot, epoch }) => ({ slot, epoch }));
}

/**
 * Writes of an owner. A process that was paused may act long after its slot or role went to another one, so each transaction that it runs
 * as the owner first checks the epoch, and keeps the row from changing until it commits.
 */
import { PlatformError } from '../errors.ts';
import { type Database, inTransaction, limitIdleTime, type Transaction } from '../storage/index.ts';
import type { NodeProcess } from './cluster-state.ts';
import { idleInTransactionMs } from './node-leases.ts';

/** A slot that a process owns, as of an epoch. */
export interface SlotOwnership {
  readonly owner: NodeProcess;
  readonly slot: number;
  readonly epoch: number;
}

/** The controller's role that a process holds, as of an epoch. */
export interface ControllerTerm {
  readonly holder: NodeProcess;
  readonly epoch: number;
}

/** Another process owns the slot or has the role by now, so nothing was written. */
export class Deposed extends PlatformError {
  constructor(what: string) {
    super('unavailable', `${what} was taken over by another node: nothing was written, try again`, { retryAfterMs: 1000 });
  }
}

/** Runs the transaction only if the process still owns the slot. Throws `Deposed` otherwise. Inside, await nothing but the database. */
export function asOwner<T>(db: Database, { owner, slot, epoch }: SlotOwnership, run: (tx: Transaction) => Promise<T>): Promise<T> {
  return inTransaction(db, async (tx) => {
    await limitIdleTime(tx, idleInTransactionMs);
    const row = await tx
      .selectFrom('cluster_slots')
      .select('slot')
      .where('slot', '=', slot)
      .where('holder', '=', owner.name)
      .where('incarnation', '=', owner.incarnation)
      .where('epoch', '=', epoch)
      .forShare()
      .executeTakeFirst();
    if (row === undefined) throw new Deposed(`slot ${slot}`);
    return run(tx);
  });
}

/** Runs the transaction only if the process still is the controller. Throws `Deposed` otherwise. Inside, await nothing but the database. */
export function asController<T>(db: Database, { holder, epoch }: ControllerTerm, run: (tx: Transaction) => Promise<T>): Promise<T> {
  return inTransaction(db, async (tx) => {
    await limitIdleTime(tx, idleInTransactionMs);
    const row = await tx
      .selectFrom('cluster_roles')
      .select('role')
      .where('role', '=', 'controller')
      .where('holder', '=', holder.name)
      .where('incarnation', '=', holder.incarnation)
      .where('epoch', '=', epoch)
      .forShare()
      .executeTakeFirst();
    if (row === undefined) throw new Deposed('the role of the controller');
    return run(tx);
  });
}

/** Which node is the controller: it declares others dead and hands out slots. Any node may claim the role once its holder is dead. */
import { type Database, databaseTime, inTransaction, limitIdleTime } from '../storage/index.ts';
import type { NodeProcess } from './cluster-state.ts';
import { type ControllerTerm, Deposed } from './fences.ts';
import { type AbsentProcess, declareDead, idleInTransactionMs } from './node-leases.ts';

/**
 * Claims the role, or confirms that the process has it. Null if a live process has it; one whose lease has run out, or that is
 * `absent`, is declared dead. Throws `Deposed` if the claimant itself is dead or its lease has run out.
 *
 * Locks are taken in one order everywhere: role, nodes, slots.
 */
export async function claimController(
  db: Database,
  claimant: NodeProcess,
  absent: AbsentProcess | null = null,
): Promise<ControllerTerm | null> {
  return inTransaction(db, async (tx) => {
    await limitIdleTime(tx, idleInTransactionMs);
    const role = await tx.selectFrom('cluster_roles').selectAll().where('role', '=', 'controller').forUpdate().executeTakeFirstOrThrow();
    const own = await tx
      .selectFrom('cluster_nodes')
      .select('name')
      .where('name', '=', claimant.name)
      .where('incarnation', '=', claimant.incarnation)
      .where('state', '=', 'live')
      .where('expires_at', '>', databaseTime())
      .forShare()
      .executeTakeFirst();
    if (own === undefined) throw new Deposed(`node ${claimant.name}`);
    const { holder, incarnation } = role;
    if (holder === claimant.name && Number(incarnation) === claimant.incarnation) return { holder: claimant, epoch: Number(role.epoch) };
    if (holder !== null && !(await declareDead(tx, { name: holder, incarnation: Number(incarnation) }, absent))) return null;
    const epoch = Number(role.epoch) + 1;
    await tx
      .updateTable('cluster_roles')
      .set({ holder: claimant.name, incarnation: claimant.incarnation, epoch })
      .where('role', '=', 'controller')
      .execute();
    return { holder: claimant, epoch };
  });
}

/** Gives the role up; the next holder has a higher epoch. */
export async function releaseController(db: Database, { holder, epoch }: ControllerTerm): Promise<void> {
  await db
    .updateTable('cluster_roles')
    .set({ holder: null, incarnation: null })
    .where('role', '=', 'controller')
    .where('holder', '=', holder.name)
    .where('incarnation', '=', holder.incarnation)
    .where('epoch', '=', epoch)
    .execute();
}

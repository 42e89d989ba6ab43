/** Takes a dead node out of the cluster. Its row stays, so that no later process gets an incarnation that an earlier one had. */
import { PlatformError } from '../errors.ts';
import type { Database, Transaction } from '../storage/index.ts';
import { type NodeProcess, type NodeState, readClusterState } from './cluster-state.ts';
import { describeNodes } from './describe-nodes.ts';

const namedMax = 20;

/**
 * From now on the node is listed nowhere, its certificates are refused, and its process, if it was only paused, does not join again. Another
 * process may be started under the name. Throws `not_found`, and `wrong_state` for a node that is live.
 */
export async function removeNode(tx: Transaction, name: string): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('cluster_nodes')
    .set({ state: 'removed' satisfies NodeState })
    .where('name', '=', name)
    .where('state', '=', 'dead' satisfies NodeState)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows > 0n) return;
  const nodes = describeNodes(await readClusterState(tx));
  const node = nodes.find((each) => each.name === name);
  if (node === undefined) {
    const names = nodes.map((each) => each.name);
    const listed = names.slice(0, namedMax).join(', ');
    throw new PlatformError('not_found', `there is no node ${name}: the nodes are ${listed}${names.length > namedMax ? ', …' : ''}`);
  }
  const cure =
    node.state === 'does not respond'
      ? 'it is taken for dead within some seconds; then remove it'
      : `stop its process first, for example with SIGTERM${node.state === 'serves' ? ', and another node serves' : ''}; then remove it`;
  throw new PlatformError('wrong_state', `node ${name} is live (${node.state}): ${cure}`);
}

/** Names of the nodes that were removed, and have not been started again. */
export async function removedNodes(db: Database): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('cluster_nodes')
    .select('name')
    .where('state', '=', 'removed' satisfies NodeState)
    .execute();
  return new Set(rows.map(({ name }) => name));
}

/** Whether this process, or a later one of its name, was taken out of the cluster. */
export async function wasRemoved(db: Database, { name, incarnation }: NodeProcess): Promise<boolean> {
  const row = await db
    .selectFrom('cluster_nodes')
    .select('name')
    .where('name', '=', name)
    .where('incarnation', '>=', incarnation)
    .where('state', '=', 'removed' satisfies NodeState)
    .executeTakeFirst();
  return row !== undefined;
}

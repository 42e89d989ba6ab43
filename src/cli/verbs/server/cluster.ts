/** `penstock cluster status`: reads the database directly, because a node that stands by has no port, and the one that serves may be away. */
import type { Command } from 'commander';
import type { ClusterState } from '../../../cluster/index.ts';
import { loadSetting } from '../../../config.ts';
import { PlatformError } from '../../../errors.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { formatMsText, timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, verb, verbGroup } from '../../verb.ts';

interface ClusterOptions extends CommonOptions {
  readonly databaseUrl?: string;
}

/** A node as the database shows it. */
interface NodeStatus {
  readonly name: string;
  readonly state: 'serves' | 'stands by' | 'does not respond' | 'dead';
  readonly version: string;
  readonly joined_at: string;
  /** What remains of its lease; negative if it ran out. */
  readonly lease_ms: number;
}

export function addCluster(program: Command, context: CliContext): void {
  const cluster = verbGroup(program, 'cluster', 'show the nodes that share a database');
  verb(cluster, context, 'status', 'show which node serves and which ones stand by')
    .with((command) =>
      command.option('--database-url <URL>', "the servers' PostgreSQL database (default: from config.json and the environment)"),
    )
    .runs(async (session, { databaseUrl, dataDir }: ClusterOptions) => {
      const url = loadSetting('databaseUrl', { flags: { dataDir, databaseUrl }, env: context.env });
      if (url === null) throw new CliError('nodes share a PostgreSQL database: pass its --database-url');
      const nodes = nodesOf(await readState(url, context));
      session.print(
        { nodes },
        table(nodes, [
          { title: 'NODE', cell: ({ name }) => name },
          { title: 'STATE', cell: ({ state }) => state },
          { title: 'LEASE', cell: ({ state, lease_ms: leaseMs }) => (state === 'dead' ? '' : leaseText(leaseMs)) },
          { title: 'VERSION', cell: ({ version }) => version },
          { title: 'JOINED (UTC)', cell: ({ joined_at: joinedAt }) => timeText(joinedAt) },
        ]),
      );
      return nodes.some(({ state }) => state === 'serves') ? 0 : 1;
    });
}

async function readState(url: string, { clock }: CliContext): Promise<ClusterState> {
  const { openMigrated } = await import('../../../storage/index.ts');
  const { readClusterState } = await import('../../../cluster/index.ts');
  const opened = await openMigrated({ url, clock });
  try {
    const state = opened === null ? null : await readClusterState(opened.db);
    if (state === null || state.nodes.length === 0) {
      throw new PlatformError('not_found', 'no server was started with --node on this database');
    }
    return state;
  } finally {
    await opened?.close();
  }
}

function nodesOf({ nodes, controller: { holder }, nowMs }: ClusterState): NodeStatus[] {
  return nodes.map(({ name, incarnation, isLive, expiresAtMs, joinedAtMs, version }) => {
    const isHolder = holder?.name === name && holder.incarnation === incarnation;
    const live = expiresAtMs <= nowMs ? 'does not respond' : isHolder ? 'serves' : 'stands by';
    const joined_at = new Date(joinedAtMs).toISOString();
    return { name, state: isLive ? live : 'dead', version, joined_at, lease_ms: expiresAtMs - nowMs };
  });
}

function leaseText(leaseMs: number): string {
  return leaseMs > 0 ? `${formatMsText(leaseMs)} left` : `ran out ${formatMsText(-leaseMs)} ago`;
}

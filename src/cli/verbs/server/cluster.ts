/** `penstock cluster …`: nodes, hosts, and what the operator wants of a host. */
import type { Command } from 'commander';
import type { ClusterBody, HostDetailBody } from '../../../api/index.ts';
import { loadSetting } from '../../../config.ts';
import { messageOf, PlatformError } from '../../../errors.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { clusterText, hostsText, hostText, nodesText } from '../../output/cluster-text.ts';
import { type CommonOptions, type VerbSession, verb, verbGroup } from '../../verb.ts';
import { addClusterAccess } from './cluster-access.ts';
import { addHostVerbs } from './cluster-hosts.ts';

interface ClusterOptions extends CommonOptions {
  readonly databaseUrl?: string;
}

export function addCluster(program: Command, context: CliContext): void {
  const cluster = verbGroup(program, 'cluster', 'show the nodes and hosts of a cluster, and change hosts');
  verb(cluster, context, 'status', 'show which node serves, the hosts, and what moved last')
    .with((command) =>
      command.option('--database-url <URL>', "read the servers' PostgreSQL database instead of asking a server, which shows nodes only"),
    )
    .runs(async (session, options: ClusterOptions) => {
      const status = options.databaseUrl === undefined ? await askServer(session) : null;
      if (status === null) return printNodes(session, options, context);
      session.print(status, clusterText(status));
      return status.nodes.some(({ state }) => state === 'serves') ? 0 : 1;
    });
  verb(cluster, context, 'hosts [host]', 'list the hosts with their capacity and links, or show one with its workers and tasks').runs(
    async (session, _options: CommonOptions, name?: string) => {
      const client = await session.client();
      if (name !== undefined) {
        const host = await client.get<HostDetailBody>(`/cluster/hosts/${pathSegment(name)}`);
        session.print(host, hostText(host));
        return 0;
      }
      const { hosts } = await clusterOf(client);
      if (hosts.length === 0) session.remark('no host has joined: start one with `penstock host --join TOKEN`');
      session.print(hosts, hostsText(hosts));
      return 0;
    },
  );
  addHostVerbs(cluster, context);
  addClusterAccess(cluster, context);
}

async function clusterOf(client: Client): Promise<ClusterBody> {
  const status = await client.get<ClusterBody>('/cluster');
  if (status.nodes.length > 0) return status;
  throw new CliError(`the server at ${client.url} is not a node of a cluster: it was started without --node`);
}

/** Null if no server responds, but its database can be read. A node that stands by has no API, and the one that serves may be away. */
async function askServer(session: VerbSession): Promise<ClusterBody | null> {
  try {
    return await clusterOf(await session.client());
  } catch (error) {
    const { dataDir } = session.options;
    if (loadSetting('databaseUrl', { flags: { dataDir }, env: session.context.env }) === null) throw error;
    session.remark(`no answer of the server (${messageOf(error)}): this is what the database shows`);
    return null;
  }
}

async function printNodes(session: VerbSession, { databaseUrl, dataDir }: ClusterOptions, context: CliContext): Promise<number> {
  const url = loadSetting('databaseUrl', { flags: { dataDir, databaseUrl }, env: context.env });
  if (url === null) throw new CliError('nodes share a PostgreSQL database: pass its --database-url');
  const nodes = await readNodes(url, context);
  session.print({ nodes }, nodesText(nodes));
  const advice = databaseUrl === undefined ? '' : '; to ask it, leave out --database-url';
  session.remark(`hosts are not shown: only the node that serves knows their state${advice}`);
  return nodes.some(({ state }) => state === 'serves') ? 0 : 1;
}

async function readNodes(url: string, { clock }: CliContext): Promise<ClusterBody['nodes']> {
  const { openMigrated } = await import('../../../storage/index.ts');
  const { describeNodes, readClusterState } = await import('../../../cluster/index.ts');
  const opened = await openMigrated({ url, clock });
  try {
    const nodes = opened === null ? [] : describeNodes(await readClusterState(opened.db));
    if (nodes.length === 0) throw new PlatformError('not_found', 'no server was started with --node on this database');
    return nodes.map(({ joinedAtMs, leaseMs, clockOffsetMs, ...node }) => ({
      ...node,
      joined_at: new Date(joinedAtMs).toISOString(),
      lease_ms: leaseMs,
      clock_offset_ms: clockOffsetMs,
      link: null, // known to the home alone
    }));
  } finally {
    await opened?.close();
  }
}

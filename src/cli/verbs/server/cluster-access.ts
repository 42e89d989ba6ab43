/** `penstock cluster token create | list | revoke`, `remove`, `rotate` and `finish-upgrade`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ClusterBody, CreatedJoinTokenBody, JoinTokenBody, RotationBody } from '../../../api/index.ts';
import { parseDurationMs } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { pathSegment } from '../../client/client.ts';
import { timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, verb, verbGroup } from '../../verb.ts';

interface TokenOptions extends CommonOptions {
  /** Milliseconds. */
  readonly ttl: number;
  readonly uses: number;
  readonly name?: string;
}

interface RotateOptions extends CommonOptions {
  readonly urgent?: boolean;
  readonly clusterKey?: boolean;
}

interface RemoveOptions extends CommonOptions {
  readonly node?: boolean;
  readonly host?: boolean;
}

/** As the server has them. */
const ttlMsMin = 60_000;
const ttlMsMax = 7 * 86_400_000;
const usesMax = 1000;
const hostNameForm = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

export function addClusterAccess(cluster: Command, context: CliContext): void {
  const token = verbGroup(cluster, 'token', 'create, list and revoke the tokens with which hosts join');
  verb(token, context, 'create', 'create a token; it is shown only once')
    .with((command) =>
      command
        .addOption(new Option('--ttl <time>', 'how long it can be used, such as 30m or 2d').argParser(parsedTtl).default(3_600_000, '1h'))
        .option('--uses <n>', 'how many hosts may join with it', parsedUses, 1)
        .option('--name <host>', 'the only host that may use it; it takes the place of a host of this name', parsedHostName),
    )
    .runs(async (session, { ttl, uses: max_uses, name: host }: TokenOptions) => {
      const json = { ttl_s: Math.round(ttl / 1000), max_uses, host };
      const created = await (await session.client()).post<CreatedJoinTokenBody>('/cluster/tokens', { json });
      const use = host === undefined ? '' : ` --name ${host}`;
      session.remark(`this token is shown only once, and can be used until ${timeText(created.expires_at)} (UTC). On the host:`);
      session.print(created, `penstock host${use} --join ${created.token}\n`);
      return 0;
    });
  verb(token, context, 'list', 'list the tokens that can still be used').runs(async (session) => {
    const all = await (await session.client()).all<JoinTokenBody>('/cluster/tokens');
    if (all.length === 0) session.remark('no token can be used: create one with `penstock cluster token create`');
    session.print(
      all,
      table(all, [
        { title: 'TOKEN', cell: ({ id }) => id },
        { title: 'HOST', cell: ({ host }) => host ?? 'any new' },
        { title: 'USES', cell: ({ uses, max_uses: max }) => `${uses} of ${max}` },
        { title: 'CREATED (UTC)', cell: ({ created_at: at }) => timeText(at) },
        { title: 'EXPIRES (UTC)', cell: ({ expires_at: at }) => timeText(at) },
      ]),
    );
    return 0;
  });
  verb(token, context, 'revoke <id>', 'revoke a token immediately; hosts that joined with it stay').runs(
    async (session, _options, id: string) => {
      await (await session.client()).delete(`/cluster/tokens/${pathSegment(id)}`);
      session.print({ revoked: id }, `${id} was revoked\n`);
      return 0;
    },
  );
  addRemove(cluster, context);
  verb(cluster, context, 'rotate', 'replace the certificate authority of the cluster')
    .with((command) =>
      command
        .option('--urgent', 'at once, as after a leak of its key: every host must join again (default: within a day, without a break)')
        .option('--cluster-key', 'instead encrypt all keys in the database with the first key of the --cluster-key-file'),
    )
    .runs(async (session, { urgent = false, clusterKey = false }: RotateOptions) => {
      if (clusterKey) {
        if (urgent) throw new CliError('--urgent is for the certificate authority: leave it out with --cluster-key');
        const resealed = await (await session.client()).post<{ sealed: number }>('/cluster/rotate-key');
        session.print(resealed, `${resealed.sealed} secrets were encrypted again: remove the old key from the cluster key files\n`);
        return 0;
      }
      const rotation = await (await session.client()).post<RotationBody>('/cluster/rotate', { json: { urgent } });
      const when = urgent ? 'now: hosts must join again' : `from ${timeText(rotation.issues_from)} (UTC) on; nothing needs to be done`;
      session.print(rotation, `certificate authority ${rotation.authority} issues certificates ${when}\n`);
      return 0;
    });
  verb(cluster, context, 'finish-upgrade', 'end an upgrade: nodes of older versions are rejected from then on').runs(async (session) => {
    await (await session.client()).post('/cluster/finish-upgrade');
    session.print({ finished: true }, 'the upgrade is finished: nodes of older versions are rejected from now on\n');
    return 0;
  });
}

function addRemove(cluster: Command, context: CliContext): void {
  verb(cluster, context, 'remove <name>', 'remove a host, or a dead node: its certificate is refused at once')
    .with((command) =>
      command
        .addOption(new Option('--node', 'the node of this name, if a host has it as well').conflicts('host'))
        .option('--host', 'the host of this name, if a node has it as well'),
    )
    .runs(async (session, options: RemoveOptions, name: string) => {
      const client = await session.client();
      const kind =
        options.node === true ? 'node' : options.host === true ? 'host' : kindOf(await client.get<ClusterBody>('/cluster'), name);
      await client.delete(`/cluster/${kind}s/${pathSegment(name)}`);
      const then =
        kind === 'node'
          ? 'a process that is started under its name joins as a new node'
          : `it joins again only with a token of penstock cluster token create --name ${name}`;
      session.print({ removed: name, kind }, `${kind} ${name} was removed: ${then}\n`);
      return 0;
    });
}

/** The machine of the node that serves is among the hosts under its name. */
function kindOf({ nodes, hosts }: ClusterBody, name: string): 'node' | 'host' {
  const isNode = nodes.some((node) => node.name === name);
  const isHost = hosts.some((host) => host.name === name && !host.is_home);
  if (isNode && isHost) throw new CliError(`a node and a host are named ${name}: add --node or --host`);
  return isNode ? 'node' : 'host';
}

function parsedUses(text: string): number {
  const uses = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (uses < 1 || uses > usesMax)
    throw new InvalidArgumentError(`expected a whole number from 1 to ${usesMax}, got '${text.slice(0, 40)}'`);
  return uses;
}

function parsedHostName(text: string): string {
  if (hostNameForm.test(text)) return text;
  throw new InvalidArgumentError(`expected letters, digits and hyphens, at most 63, got '${text.slice(0, 80)}'`);
}

/** In milliseconds. */
function parsedTtl(text: string): number {
  let ttlMs: number | null = null;
  try {
    ttlMs = parseDurationMs(text);
  } catch {}
  if (ttlMs === null || ttlMs < ttlMsMin || ttlMs > ttlMsMax)
    throw new InvalidArgumentError(`expected a time such as 30m, 12h or 2d, from 1m to 7d, got '${text.slice(0, 40)}'`);
  return ttlMs;
}

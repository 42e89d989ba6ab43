/** Routes of what joins a cluster: tokens, removed hosts, and the certificate authority. */
import { z } from 'zod';
import type { CreatedJoinToken, JoinTokenSummary, NodeLinks } from '../../authority/index.ts';
import { removeNode } from '../../cluster/index.ts';
import { PlatformError } from '../../errors.ts';
import { peerName } from '../../links/index.ts';
import { inTransaction } from '../../storage/index.ts';
import { pageBody } from '../bodies.ts';
import { isoTime, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

const time = z.iso.datetime();
const ttlSecondsMax = 7 * 86_400;
const usesMax = 1000;
const hostName = z.string().regex(peerName, 'expected letters, digits and hyphens, at most 63');

const joinTokenBody = z.strictObject({
  id: z.string(),
  host: z.string().nullable().describe('The only host that may use it; null for any new host.'),
  uses: z.number().describe('How often it was used.'),
  max_uses: z.number(),
  created_at: time,
  expires_at: time,
});

const createdJoinTokenBody = joinTokenBody.extend({
  token: z.string().describe('For `penstock host --join`. Returned only once.'),
});

const rotationBody = z.strictObject({
  authority: z.number().describe('The number of the new certificate authority.'),
  issues_from: time.describe('From then on it issues certificates. It is trusted at once.'),
});

export type JoinTokenBody = z.infer<typeof joinTokenBody>;
export type CreatedJoinTokenBody = z.infer<typeof createdJoinTokenBody>;
export type RotationBody = z.infer<typeof rotationBody>;

type Services = Pick<ApiServices, 'audit' | 'cluster' | 'db' | 'keys' | 'nodeLinks'>;

export function clusterAccessRoutes(services: Services): ApiRoute[] {
  return [...tokenRoutes(services), ...certificateRoutes(services)];
}

function tokenRoutes({ audit, db, nodeLinks }: Services): ApiRoute[] {
  return [
    apiRoute('GET /cluster/tokens', {
      summary: 'List the join tokens that can still be used, without their secrets',
      query: pageQuery,
      answer: pageBody(joinTokenBody),
      handle: async ({ query }) => {
        const tokens = await of(nodeLinks).tokens.list();
        return pageByOffset(query, ({ limit, offset }) => tokens.slice(offset, offset + limit), tokenBodyOf);
      },
    }),
    apiRoute('POST /cluster/tokens', {
      summary: 'Create a token with which hosts join the cluster',
      description: 'The token is returned only once. A host that has joined needs none after a restart.',
      body: z.strictObject({
        ttl_s: z.int().min(60).max(ttlSecondsMax).default(3600).describe('How long it can be used, in seconds.'),
        max_uses: z.int().min(1).max(usesMax).default(1).describe('How many hosts may join with it.'),
        host: hostName.optional().describe('The only host that may use it. It then takes the place of a host of this name.'),
      }),
      answer: createdJoinTokenBody,
      status: 201,
      handle: async ({ body: { ttl_s: ttlSeconds, max_uses, host = null }, caller }) => {
        const links = of(nodeLinks);
        const to = { authorities: links.authority.hashes, nodes: links.nodes };
        const created = await links.tokens.create({ ttlMs: 1000 * ttlSeconds, usesMax: max_uses, host }, to);
        const detail = { ttl_s: ttlSeconds, max_uses, host };
        await audit.record(db, { who: caller.keyId, action: 'CreateJoinToken', target: created.id, outcome: 'ok', detail });
        return { ...tokenBodyOf(created), token: created.token };
      },
    }),
    apiRoute('DELETE /cluster/tokens/:id', {
      summary: 'Revoke a join token immediately',
      description: 'Hosts that joined with it stay.',
      params: z.strictObject({ id: z.string().max(64) }),
      handle: async ({ params: { id }, caller }) => {
        await of(nodeLinks).tokens.revoke(id);
        await audit.record(db, { who: caller.keyId, action: 'RevokeJoinToken', target: id, outcome: 'ok', detail: null });
      },
    }),
  ];
}

function certificateRoutes({ cluster, audit, db, keys, nodeLinks }: Services): ApiRoute[] {
  return [
    apiRoute('DELETE /cluster/hosts/:host', {
      summary: 'Remove a host from the cluster',
      description: 'Its certificate is refused at once and its links end. It can join again only with a token for its name.',
      params: z.strictObject({ host: hostName }),
      handle: async ({ params: { host }, caller }) => {
        const { hosts } = of(nodeLinks);
        await hosts.remove(host);
        await cluster?.forget(host);
        await audit.record(db, { who: caller.keyId, action: 'RemoveHost', target: host, outcome: 'ok', detail: null });
      },
    }),
    apiRoute('DELETE /cluster/nodes/:node', {
      summary: 'Remove a dead node from the cluster',
      description:
        'It is listed no more, and its certificates are refused. Rejected with `wrong_state` for a live node: stop it first. A node that is started under the name later joins as a new one.',
      params: z.strictObject({ node: z.string().min(1).max(253) }),
      handle: async ({ params: { node }, caller }) => {
        const { hosts } = of(nodeLinks);
        await inTransaction(db, async (tx) => {
          await removeNode(tx, node);
          await audit.record(tx, { who: caller.keyId, action: 'RemoveNode', target: node, outcome: 'ok', detail: null });
        });
        await hosts.refresh();
      },
    }),
    apiRoute('POST /cluster/rotate', {
      summary: 'Replace the certificate authority of the cluster',
      description:
        'The new authority is trusted at once and issues certificates after a day, when all hosts have renewed theirs. `urgent`: at once, as after a leak of the key. Every host must then join again.',
      body: z.strictObject({ urgent: z.boolean().default(false) }),
      answer: rotationBody,
      handle: async ({ body: { urgent }, caller }) => {
        const { number, issuesFromMs } = await of(nodeLinks).authority.rotate(urgent);
        const target = String(number);
        await audit.record(db, { who: caller.keyId, action: 'RotateAuthority', target, outcome: 'ok', detail: { urgent } });
        return { authority: number, issues_from: isoTime(issuesFromMs) };
      },
    }),
    apiRoute('POST /cluster/rotate-key', {
      summary: 'Encrypt the keys in the database again',
      description: "With the first key of the server's cluster key file. Afterwards, the second one opens nothing.",
      answer: z.strictObject({ sealed: z.number().describe('Secrets that were encrypted again.') }),
      handle: async ({ caller }) => {
        const sealed = 1 + (await of(nodeLinks).authority.reseal());
        await keys.reseal();
        await audit.record(db, { who: caller.keyId, action: 'RotateClusterKey', target: 'cluster', outcome: 'ok', detail: { sealed } });
        return { sealed };
      },
    }),
    apiRoute('POST /cluster/finish-upgrade', {
      summary: 'Finish the upgrade of a cluster',
      description:
        'From now on, nodes of older versions are rejected, so there is no way back to one. Rejected with `wrong_state` while a node or host of an older version runs.',
      handle: async ({ caller }) => {
        if (cluster === null) throw notANode();
        await cluster.finishUpgrade();
        await audit.record(db, { who: caller.keyId, action: 'FinishUpgrade', target: 'cluster', outcome: 'ok', detail: null });
      },
    }),
  ];
}

function of(links: NodeLinks | null): NodeLinks {
  if (links !== null) return links;
  throw notANode();
}

function notANode(): PlatformError {
  return new PlatformError('wrong_state', 'this server is not a node of a cluster: start it with --node');
}

function tokenBodyOf({ id, host, uses, usesMax: max_uses, createdAtMs, expiresAtMs }: JoinTokenSummary | CreatedJoinToken): JoinTokenBody {
  return { id, host, uses, max_uses, created_at: isoTime(createdAtMs), expires_at: isoTime(expiresAtMs) };
}

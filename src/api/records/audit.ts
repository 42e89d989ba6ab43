/** Routes of the audit log: its records and the verification of their hash chain. */
import { z } from 'zod';
import type { AuditRecord, Origin } from '../../records/index.ts';
import { type AuditBody, auditBody, auditVerdictBody, pageBody } from '../bodies.ts';
import { endpointPath, isoTime, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

const auditQuery = pageQuery.extend({
  who: z.string().max(128).optional().describe('Id of a key.'),
  action: z.string().max(128).optional().describe('For example `CreateEndpoint`.'),
  target: z.string().max(256).optional().describe('The resource that was changed.'),
});

export function auditRoutes({ audit, deployments }: Pick<ApiServices, 'audit' | 'deployments'>): ApiRoute[] {
  return [
    apiRoute('GET /audit', {
      summary: 'List audit records, newest first',
      query: auditQuery,
      answer: pageBody(auditBody),
      handle: async ({ query: { limit = 100, cursor, ...filter } }) => {
        const records = await audit.list({ ...filter, limit: limit + 1, before: cursor });
        const items = records.slice(0, limit).map(bodyOf);
        return { items, next: records.length > limit ? (items.at(-1)?.id ?? null) : null };
      },
    }),
    apiRoute('GET /endpoints/:endpoint/changes', {
      summary: 'List changes to an endpoint, newest first',
      description: 'The audit records of the endpoint without their origin, readable with the permission to read endpoints.',
      params: endpointPath,
      query: pageQuery,
      answer: pageBody(auditBody.omit({ origin: true })),
      handle: async ({ params, query: { limit = 100, cursor } }) => {
        const { name } = deployments.get(params.endpoint).config;
        const records = await audit.list({ target: name, limit: limit + 1, before: cursor });
        const items = records.slice(0, limit).map(({ id, atMs, who, action, target, outcome, detail }) => ({
          id,
          at: isoTime(atMs),
          who,
          action,
          target,
          outcome,
          detail,
        }));
        return { items, next: records.length > limit ? (items.at(-1)?.id ?? null) : null };
      },
    }),
    apiRoute('GET /audit/verification', {
      summary: 'Verify that no audit record was changed, removed or inserted',
      description: 'Checks every record. `head` is the hash of the last one: stored elsewhere, it reveals a rewrite of the whole log.',
      query: z.strictObject({
        head: z
          .string()
          .regex(/^[\da-f]{64}$/, 'expected a hash: 64 hexadecimal digits')
          .optional()
          .describe('A `head` returned earlier: it must still be in the chain.'),
      }),
      answer: auditVerdictBody,
      handle: async ({ query: { head } }) => audit.verify(head),
    }),
  ];
}

function bodyOf({ atMs, origin, ...record }: AuditRecord): AuditBody {
  return { ...record, at: isoTime(atMs), origin: origin === null ? null : originBody(origin) };
}

function originBody({ protocol, remoteAddress, userAgent, requestId, operation }: Origin): AuditBody['origin'] {
  return { protocol, remote_address: remoteAddress, user_agent: userAgent, request_id: requestId, operation: operation ?? null };
}

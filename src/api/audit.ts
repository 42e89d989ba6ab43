/** Routes of the audit: who did what, and whether the record of it is whole. */
import { z } from 'zod';
import type { AuditRecord, Origin } from '../monitoring/index.ts';
import { type AuditBody, auditBody, auditVerdictBody, pageOf } from './bodies.ts';
import { endpointPath, pageQuery, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const auditQuery = pageQuery.extend({
  who: z.string().max(128).optional().describe('The id of a key.'),
  action: z.string().max(128).optional().describe('Such as `CreateEndpoint`.'),
  target: z.string().max(256).optional().describe('What it was done to.'),
});

export function auditRoutes({ audit, deployments }: ApiServices): Route[] {
  return [
    route('GET /audit', {
      summary: 'List who did what, the latest first',
      query: auditQuery,
      answer: pageOf(auditBody),
      handle: async ({ query: { limit = 100, cursor, ...wish } }) => {
        const records = await audit.list({ ...wish, limit: limit + 1, before: cursor });
        const items = records.slice(0, limit).map(bodyOf);
        return { items, next: records.length > limit ? (items.at(-1)?.id ?? null) : null };
      },
    }),
    route('GET /endpoints/:endpoint/changes', {
      summary: 'List what people changed about an endpoint, the latest first',
      description: 'Of the audit what everybody may see who sees the endpoint: who did what, without where from.',
      params: endpointPath,
      query: pageQuery,
      answer: pageOf(auditBody.omit({ origin: true })),
      handle: async ({ params, query: { limit = 100, cursor } }) => {
        const { name } = deployments.get(params.endpoint).config;
        const records = await audit.list({ target: name, limit: limit + 1, before: cursor });
        const items = records.slice(0, limit).map(({ id, atMs, who, action, target, outcome, detail }) => ({
          id,
          at: timeOf(atMs),
          who,
          action,
          target,
          outcome,
          detail,
        }));
        return { items, next: records.length > limit ? (items.at(-1)?.id ?? null) : null };
      },
    }),
    route('GET /audit/verification', {
      summary: 'Check that no record was changed, taken out or slipped in',
      description: 'Goes through all of them. `head` is the hash of the last one: kept elsewhere, it tells whether all were written anew.',
      query: z.strictObject({
        head: z
          .string()
          .regex(/^[\da-f]{64}$/, 'expected a hash: 64 hexadecimal digits')
          .optional()
          .describe('The hash of a record, as it was told before: it must still be in the chain.'),
      }),
      answer: auditVerdictBody,
      handle: async ({ query: { head } }) => audit.verify(head),
    }),
  ];
}

function bodyOf({ atMs, origin, ...record }: AuditRecord): AuditBody {
  return { ...record, at: timeOf(atMs), origin: origin === null ? null : originBody(origin) };
}

function originBody({ door, remoteAddress, userAgent, requestId, operation }: Origin): AuditBody['origin'] {
  return { door, remote_address: remoteAddress, user_agent: userAgent, request_id: requestId, operation: operation ?? null };
}

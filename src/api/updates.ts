/** Route of updates: each step of those that were watched, what it was judged by, deploys that nobody watched, and rollbacks. */
import { z } from 'zod';
import { type CountedVersion, type UpdateDetail, type UpdateKind, updateKinds } from '../deployment/index.ts';
import type { Events, PlatformEvent } from '../monitoring/index.ts';
import { pageOf } from './bodies.ts';
import { endpointPath, limitDefault, limitParameter, timeOf } from './parameters.ts';
import { percentOf } from './rollout.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const kinds = Object.keys(updateKinds);

export const updateBody = z.strictObject({
  at: z.string(),
  what: z.enum(['begun', 'share raised', 'step watched', 'kept', 'taken back', 'superseded', 'rolled back', 'deployed']),
  generation: z.number(),
  from: z
    .array(z.string())
    .describe(
      'The versions before it, such as digits/3, none where it was the first; after it was taken back or rolled back, those that were.',
    ),
  to: z.array(z.string()),
  share_percent: z.number().nullable().describe('Of the requests, what the new version gets in its present step, or got in its last.'),
  reason: z.string().nullable(),
  by: z.string().nullable().describe('Who asked for a deploy that nobody watched, where that is known; null of all else.'),
  versions: z
    .array(z.strictObject({ model: z.string(), requests: z.number(), late: z.number(), failed: z.number(), refused: z.number() }))
    .describe('What each version did since the update began to be watched: by that it is judged.'),
});

export type UpdateBody = z.infer<typeof updateBody>;

export function updateRoutes({ deployments, events }: Pick<ApiServices, 'deployments' | 'events'>): Route[] {
  return [
    route('GET /endpoints/:endpoint/updates', {
      summary: 'List the steps of updates that were watched, deploys that nobody watched, and rollbacks, the latest first',
      params: endpointPath,
      query: z.strictObject({
        limit: limitParameter,
        before: z.coerce.number().int().min(1).optional().describe('The `next` of the page before.'),
      }),
      answer: pageOf(updateBody),
      handle: async ({ params, query: { limit = limitDefault, before } }) => {
        const { config, createdAtMs } = deployments.get(params.endpoint);
        const recent = await events.recent({ subjects: [config.name], kinds, before, limit: limit + 1 });
        const found = recent.filter(({ atMs }) => atMs >= createdAtMs); // those of an earlier one of its name are not its own
        const page = found.slice(0, limit);
        return { items: page.map(updateBodyOf), next: found.length > limit ? String(page.at(-1)?.seq ?? '') : null };
      },
    }),
  ];
}

/** The update that was under way then (epoch milliseconds), as its last step tells it; null where none was. */
export async function updateAt(events: Pick<Events, 'recent'>, subject: string, untilMs: number): Promise<UpdateBody | null> {
  const [last] = (await events.recent({ subjects: [subject], kinds, untilMs, limit: 1 })).map(updateBodyOf);
  const isOver = last === undefined || ['kept', 'taken back', 'superseded', 'rolled back', 'deployed'].includes(last.what);
  // Older servers told of no versions, nor that an update was superseded: nobody knows until when such a one went on.
  return isOver || last.to.length === 0 ? null : last;
}

function updateBodyOf({ atMs, kind, detail }: PlatformEvent): UpdateBody {
  const { generation, from = [], to = [], share, reason, who, versions = [] } = detail as UpdateDetail;
  return {
    at: timeOf(atMs),
    what: updateKinds[kind as UpdateKind],
    generation,
    from: [...from],
    to: [...to],
    share_percent: share === undefined ? null : percentOf(share),
    reason: reason ?? null,
    by: who ?? null,
    versions: versions.map(versionBodyOf),
  };
}

function versionBodyOf({ model, counts: { answered, late, failed, refused } }: CountedVersion): UpdateBody['versions'][number] {
  return { model, requests: answered + failed + refused, late, failed, refused };
}

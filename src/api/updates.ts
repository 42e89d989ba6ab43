/** Route of updates: each step of those that were watched, what it was judged by, deploys that nobody watched, other settings, and rollbacks. */
import { z } from 'zod';
import { type CountedVersion, nothingCounted, requestsOf, type UpdateDetail, type UpdateKind, updateKinds } from '../deployment/index.ts';
import type { Events, PlatformEvent } from '../monitoring/index.ts';
import { pageOf } from './bodies.ts';
import { endpointPath, limitDefault, limitParameter, timeOf } from './parameters.ts';
import { percentOf } from './rollout.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const kinds = Object.keys(updateKinds);
/** Other settings neither begin nor end an update. */
const kindsOfUpdates = kinds.filter((kind) => kind !== ('endpoint.settings-changed' satisfies UpdateKind));
const settingValue = z.union([z.string(), z.number(), z.boolean()]).nullable();
const settingChange = z.strictObject({ setting: z.string(), from: settingValue, to: settingValue });

export const updateBody = z.strictObject({
  at: z.string(),
  what: z.enum([
    'begun',
    'share raised',
    'step watched',
    'kept',
    'taken back',
    'superseded',
    'rolled back',
    'deployed',
    'settings changed',
  ]),
  endpoint: z.string(),
  generation: z.number(),
  from: z
    .array(z.string())
    .describe(
      'The versions before it, such as digits/3, none where it was the first; after it was taken back or rolled back, those that were.',
    ),
  to: z.array(z.string()),
  share_percent: z.number().nullable().describe('Of the requests, what the new version gets in its present step, or got in its last.'),
  reason: z.string().nullable(),
  by: z
    .string()
    .nullable()
    .describe(
      'Who asked for it: for the deploy, the update that begins, other settings, a rollback. Null of what Penstock did by itself, and where it is not known any more.',
    ),
  settings: z
    .array(settingChange)
    .describe(
      'Of other settings, and of a watched update that begins or is taken back: such as AllTraffic.instance_count, the first 20. Null: none was given.',
    ),
  more_settings: z.number().describe('How many others were changed.'),
  staying: z
    .array(settingChange)
    .describe(
      'Of a rollback to the version before, which changes no settings: those that are others than when that version served last, from then to now, the first 20.',
    ),
  more_staying: z.number().describe('How many others stay so.'),
  versions: z
    .array(
      z.strictObject({
        model: z.string(),
        requests: z.number(),
        late: z.number(),
        failed: z.number(),
        refused: z.number(),
        overloaded: z.number(),
      }),
    )
    .describe(
      'What each version did since the update began to be watched: by that it is judged. Overloaded (HTTP 429) is a part of refused (HTTP 4xx); updates of older servers have it in failed.',
    ),
});

export type UpdateBody = z.infer<typeof updateBody>;

const updatesQuery = z.strictObject({
  limit: limitParameter,
  before: z.coerce.number().int().min(1).optional().describe('The `next` of the page before.'),
});

export function updateRoutes({ deployments, events }: Pick<ApiServices, 'deployments' | 'events'>): Route[] {
  return [
    route('GET /endpoints/:endpoint/updates', {
      summary: 'List the steps of updates that were watched, deploys that nobody watched, other settings, and rollbacks, the latest first',
      params: endpointPath,
      query: updatesQuery,
      answer: pageOf(updateBody),
      handle: async ({ params, query: { limit = limitDefault, before } }) => {
        const { config, createdAtMs } = deployments.get(params.endpoint);
        const recent = await events.recent({ subjects: [config.name], kinds, before, limit: limit + 1 });
        const found = recent.filter(({ atMs }) => atMs >= createdAtMs); // those of an earlier one of its name are not its own
        const page = found.slice(0, limit);
        return { items: page.map(updateBodyOf), next: found.length > limit ? String(page.at(-1)?.seq ?? '') : null };
      },
    }),
    route('GET /updates', {
      summary: 'List the same of all endpoints, the latest first',
      description: 'Of those that are there; what endpoints did that were deleted since is passed over.',
      query: updatesQuery,
      answer: pageOf(updateBody),
      handle: async ({ query: { limit = limitDefault, before } }) => {
        const createdAtMs = new Map(deployments.list().map((view) => [view.config.name, view.createdAtMs]));
        const isOwn = ({ subject, atMs }: PlatformEvent) => atMs >= (createdAtMs.get(subject) ?? Number.POSITIVE_INFINITY);
        const { found, lookedAt } = await find(events, isOwn, { limit: limit + 1, before });
        const page = found.slice(0, limit);
        return { items: page.map(updateBodyOf), next: found.length > limit ? String(page.at(-1)?.seq ?? '') : lookedAt };
      },
    }),
  ];
}

/** So many events are read at once, so many times: a page may be short where more than that was done by endpoints that are gone. */
const readAtOnce = 500;
const readsMax = 10;

/** The latest such updates, and where there is more to look at behind them; null where there is nothing. */
async function find(
  events: Pick<Events, 'recent'>,
  isWanted: (event: PlatformEvent) => boolean,
  { limit, before }: { readonly limit: number; readonly before: number | undefined },
): Promise<{ readonly found: readonly PlatformEvent[]; readonly lookedAt: string | null }> {
  const found: PlatformEvent[] = [];
  let from = before;
  for (let reads = 0; reads < readsMax && found.length < limit; reads++) {
    const recent = await events.recent({ kinds, before: from, limit: readAtOnce });
    found.push(...recent.filter(isWanted));
    from = recent.at(-1)?.seq;
    if (recent.length < readAtOnce) return { found, lookedAt: null };
  }
  return { found, lookedAt: from === undefined ? null : String(from) };
}

/** The update that was under way then (epoch milliseconds), as its last step tells it; null where none was. */
export async function updateAt(events: Pick<Events, 'recent'>, subject: string, untilMs: number): Promise<UpdateBody | null> {
  const [last] = (await events.recent({ subjects: [subject], kinds: kindsOfUpdates, untilMs, limit: 1 })).map(updateBodyOf);
  const isOver = last === undefined || ['kept', 'taken back', 'superseded', 'rolled back', 'deployed'].includes(last.what);
  // Older servers told of no versions, nor that an update was superseded: nobody knows until when such a one went on.
  return isOver || last.to.length === 0 ? null : last;
}

function updateBodyOf({ atMs, kind, subject, detail }: PlatformEvent): UpdateBody {
  const { generation, from = [], to = [], share, reason, who, versions = [] } = detail as UpdateDetail;
  const { settings = [], moreSettings = 0, staying = [], moreStaying = 0 } = detail as UpdateDetail;
  return {
    at: timeOf(atMs),
    what: updateKinds[kind as UpdateKind],
    endpoint: subject,
    generation,
    from: [...from],
    to: [...to],
    share_percent: share === undefined ? null : percentOf(share),
    reason: reason ?? null,
    by: who ?? null,
    settings: settings.map((change) => ({ ...change })),
    more_settings: moreSettings,
    staying: staying.map((change) => ({ ...change })),
    more_staying: moreStaying,
    versions: versions.map(versionBodyOf),
  };
}

/** What an older server told had no `overloaded`: they were among those that failed. */
function versionBodyOf({ model, counts }: CountedVersion): UpdateBody['versions'][number] {
  const { late, failed, refused, overloaded } = { ...nothingCounted, ...counts };
  return { model, requests: requestsOf(counts), late, failed, refused, overloaded };
}

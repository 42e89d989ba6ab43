/** Routes of updates: steps of monitored updates with their counts, unmonitored deploys, changes of settings, and rollbacks. */
import { z } from 'zod';
import { type CountedVersion, requestsOf, type UpdateDetail, type UpdateKind, updateKinds, zeroCounts } from '../../deployment/index.ts';
import type { Events, PlatformEvent } from '../../records/index.ts';
import { pageBody } from '../bodies.ts';
import { endpointPath, isoTime, limitDefault, limitParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { percentOf } from './rollout.ts';

const kinds = Object.keys(updateKinds);
/** Changes of settings neither begin nor end an update. */
const kindsOfUpdates = kinds.filter((kind) => kind !== ('endpoint.settings-changed' satisfies UpdateKind));
const settingValue = z.union([z.string(), z.number(), z.boolean()]).nullable();
const settingChange = z.strictObject({ setting: z.string(), from: settingValue, to: settingValue });

export const updateBody = z.strictObject({
  at: z.string(),
  what: z.enum([
    'started',
    'share raised',
    'step extended',
    'step completed',
    'paused',
    'completed',
    'update rolled back',
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
      'The versions before the update, such as digits/3; empty for the first deploy. After a rollback: the versions that were rolled back.',
    ),
  to: z.array(z.string()),
  share_percent: z.number().nullable().describe('Share of traffic to the new version in the current step, or in the last one.'),
  reason: z.string().nullable(),
  by: z
    .string()
    .nullable()
    .describe(
      'Key id of the caller, for deploys, started updates, changes of settings and rollbacks. Null for actions of Penstock itself, and if no longer known.',
    ),
  settings: z
    .array(settingChange)
    .describe(
      'Changed settings, such as AllTraffic.instance_count; the first 20. Also for a monitored update that begins or is rolled back. A value of null: not set.',
    ),
  more_settings: z.number().describe('Number of further changed settings.'),
  staying: z
    .array(settingChange)
    .describe(
      'For a rollback to the previous version, which changes no settings: settings that differ from when that version last served; the first 20.',
    ),
  more_staying: z.number().describe('Number of further such settings.'),
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
      'Counts of each version since monitoring of the update began; the verdict is based on them. `refused` (HTTP 4xx) includes `overloaded` (HTTP 429); updates of older servers count overloaded requests as failed.',
    ),
});

export type UpdateBody = z.infer<typeof updateBody>;

const updatesQuery = z.strictObject({
  limit: limitParameter,
  before: z.coerce.number().int().min(1).optional().describe('The `next` of the previous page.'),
});

export function updateRoutes({ deployments, events }: Pick<ApiServices, 'deployments' | 'events'>): ApiRoute[] {
  return [
    apiRoute('GET /endpoints/:endpoint/updates', {
      summary:
        'List the updates of an endpoint: steps of monitored updates, other deploys, changes of settings and rollbacks, newest first',
      params: endpointPath,
      query: updatesQuery,
      answer: pageBody(updateBody),
      handle: async ({ params, query: { limit = limitDefault, before } }) => {
        const { config, createdAtMs } = deployments.get(params.endpoint);
        const recent = await events.recent({ subjects: [config.name], kinds, before, limit: limit + 1 });
        const found = recent.filter(({ atMs }) => atMs >= createdAtMs); // earlier events belong to a deleted endpoint of the same name
        const page = found.slice(0, limit);
        return { items: page.map(updateBodyOf), next: found.length > limit ? String(page.at(-1)?.seq ?? '') : null };
      },
    }),
    apiRoute('GET /updates', {
      summary: 'List the updates of all endpoints, newest first',
      description: 'Only of existing endpoints; updates of deleted ones are skipped.',
      query: updatesQuery,
      answer: pageBody(updateBody),
      handle: async ({ query: { limit = limitDefault, before } }) => {
        const createdAtMs = new Map(deployments.list().map((view) => [view.config.name, view.createdAtMs]));
        const isOwn = ({ subject, atMs }: PlatformEvent) => atMs >= (createdAtMs.get(subject) ?? Number.POSITIVE_INFINITY);
        const { found, scanned } = await find(events, isOwn, { limit: limit + 1, before });
        const page = found.slice(0, limit);
        return { items: page.map(updateBodyOf), next: found.length > limit ? String(page.at(-1)?.seq ?? '') : scanned };
      },
    }),
  ];
}

/** Events per read and reads per page. A page can be short if most events belong to deleted endpoints. */
const readAtOnce = 500;
const readsMax = 10;

/** The latest wanted events. `scanned` is the cursor to continue from; null at the end of the history. */
async function find(
  events: Pick<Events, 'recent'>,
  isWanted: (event: PlatformEvent) => boolean,
  { limit, before }: { readonly limit: number; readonly before: number | undefined },
): Promise<{ readonly found: readonly PlatformEvent[]; readonly scanned: string | null }> {
  const found: PlatformEvent[] = [];
  let from = before;
  for (let reads = 0; reads < readsMax && found.length < limit; reads++) {
    const recent = await events.recent({ kinds, before: from, limit: readAtOnce });
    found.push(...recent.filter(isWanted));
    from = recent.at(-1)?.seq;
    if (recent.length < readAtOnce) return { found, scanned: null };
  }
  return { found, scanned: from === undefined ? null : String(from) };
}

/** The last step of the update that was in progress at `untilMs` (epoch milliseconds); null if there was none. */
export async function updateAt(events: Pick<Events, 'recent'>, subject: string, untilMs: number): Promise<UpdateBody | null> {
  const [last] = (await events.recent({ subjects: [subject], kinds: kindsOfUpdates, untilMs, limit: 1 })).map(updateBodyOf);
  const isOver = last === undefined || ['completed', 'update rolled back', 'superseded', 'rolled back', 'deployed'].includes(last.what);
  // Events of older servers have no versions and no `superseded`, so the end of such an update is unknown.
  return isOver || last.to.length === 0 ? null : last;
}

function updateBodyOf({ atMs, kind, subject, detail }: PlatformEvent): UpdateBody {
  const { generation, from = [], to = [], share, reason, who, versions = [] } = detail as UpdateDetail;
  const { settings = [], moreSettings = 0, staying = [], moreStaying = 0 } = detail as UpdateDetail;
  return {
    at: isoTime(atMs),
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

/** Events of older servers lack `overloaded`; they count those requests as failed. */
function versionBodyOf({ model, counts }: CountedVersion): UpdateBody['versions'][number] {
  const { late, failed, refused, overloaded } = { ...zeroCounts, ...counts };
  return { model, requests: requestsOf(counts), late, failed, refused, overloaded };
}

/** Route of an endpoint's arrivals, second by second: the load that a simulation replays. */
import { z } from 'zod';
import { secondsRetentionMs } from '../../metrics/index.ts';
import { endpointPath, isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const counts = z.array(z.number().nullable());

const arrivalsBody = z.strictObject({
  endpoint: z.string(),
  variant: z.string().nullable().describe('null: all variants together.'),
  from: z.iso.datetime().describe('Start of the first slot: `since`, or the first arrival known of the endpoint if that is later.'),
  to: z.iso.datetime().describe('End of the last slot.'),
  slot_s: z.number().describe('Length of a slot in seconds: 1 or 60.'),
  requests: counts.describe('Requests that arrived in each slot; null if the server was not running.'),
  rows: counts.describe('Rows of these requests.'),
});

export type ArrivalsBody = z.infer<typeof arrivalsBody>;

const slotOf = { second: 1000, minute: 60_000 } as const;

export function arrivalRoutes({ arrivals, deployments, clock }: Pick<ApiServices, 'arrivals' | 'deployments' | 'clock'>): ApiRoute[] {
  return [
    apiRoute('GET /endpoints/:endpoint/arrivals', {
      summary: 'List the number of requests to an endpoint per slot',
      description:
        'Resolution: seconds for two days, minutes for 90 days; at most 200,000 slots. Requests rejected before they reached the queue do not count.',
      params: endpointPath,
      query: z.strictObject({
        since: time.describe('For example 2026-11-24T08:00:00Z.'),
        until: time.optional().describe('Default: now.'),
        by: z.enum(['second', 'minute']).optional().describe('Default: second while that resolution is retained, else minute.'),
        variant: z.string().max(100).optional().describe('Default: all variants together.'),
      }),
      answer: arrivalsBody,
      handle: async ({ params, query }) => {
        const { config, createdAtMs } = deployments.get(params.endpoint);
        const nowMs = clock.wallMs();
        const { since, until = nowMs, by = since > nowMs - secondsRetentionMs ? 'second' : 'minute' } = query;
        const slotMs = slotOf[by];
        const variant = config.variants.find(({ name }) => name.toLowerCase() === query.variant?.toLowerCase())?.name ?? query.variant;
        const knownMs = Math.min(createdAtMs, (await arrivals.firstMs(config.name)) ?? Number.POSITIVE_INFINITY);
        const [fromMs, toMs] = [Math.max(since, knownMs), Math.min(until, nowMs)];
        const isBeforeAll = since < toMs && fromMs >= toMs;
        const { requests, rows, ...found } = isBeforeAll
          ? { fromMs, requests: [], rows: [] }
          : await arrivals.list({ endpoint: config.name, variant, fromMs, toMs, slotMs });
        const answer: ArrivalsBody = {
          endpoint: config.name,
          variant: variant ?? null,
          from: isoTime(found.fromMs),
          to: isoTime(found.fromMs + requests.length * slotMs),
          slot_s: slotMs / 1000,
          requests: [...requests],
          rows: [...rows],
        };
        return Buffer.from(JSON.stringify(answer)); // encoded here: schema serialization of long lists is slow
      },
    }),
  ];
}

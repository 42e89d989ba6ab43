/** The route of who came to an endpoint, second by second: what a simulation replays. */
import { z } from 'zod';
import { secondsKeptMs } from '../monitoring/index.ts';
import { endpointPath, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const counts = z.array(z.number().nullable());

const arrivalsBody = z.strictObject({
  endpoint: z.string(),
  variant: z.string().nullable().describe('null: all of them together.'),
  from: z.iso.datetime().describe('When the first slot begins: where `since` says, or when the endpoint is first known.'),
  to: z.iso.datetime().describe('When the last slot ends.'),
  slot_s: z.number().describe('How long a slot lasts: 1 or 60 seconds.'),
  requests: counts.describe('How many came in each slot; null where nobody counted: the server did not run.'),
  rows: counts.describe('How many rows they had together.'),
});

export type ArrivalsBody = z.infer<typeof arrivalsBody>;

const slotOf = { second: 1000, minute: 60_000 } as const;

export function arrivalRoutes({ arrivals, deployments, clock }: ApiServices): Route[] {
  return [
    route('GET /endpoints/:endpoint/arrivals', {
      summary: 'Tell how many requests came to an endpoint, slot by slot',
      description:
        'Kept by the second for two days, by the minute for ninety; at most 200 000 slots. Requests that were refused at the door do not count.',
      params: endpointPath,
      query: z.strictObject({
        since: time.describe('Such as 2026-11-24T08:00:00Z.'),
        until: time.optional().describe('Now unless given.'),
        by: z.enum(['second', 'minute']).optional().describe('By the second unless given, where that is still kept.'),
        variant: z.string().max(100).optional().describe('All of them together unless given.'),
      }),
      answer: arrivalsBody,
      handle: async ({ params, query }) => {
        const { config, createdAtMs } = deployments.get(params.endpoint);
        const nowMs = clock.wallMs();
        const { since, until = nowMs, by = since > nowMs - secondsKeptMs ? 'second' : 'minute' } = query;
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
          from: timeOf(found.fromMs),
          to: timeOf(found.fromMs + requests.length * slotMs),
          slot_s: slotMs / 1000,
          requests: [...requests],
          rows: [...rows],
        };
        return Buffer.from(JSON.stringify(answer)); // long lists need no second look
      },
    }),
  ];
}

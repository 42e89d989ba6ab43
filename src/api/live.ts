/** What a page that shows numbers follows: one connection, with the numbers every two seconds and what happens as it happens. */
import { z } from 'zod';
import { endpointBodyOf } from './endpoints.ts';
import type { EventStream } from './event-stream.ts';
import { followEvents, lastEventId } from './events.ts';
import { historyOf, spanOf } from './history.ts';
import { spanParameter } from './overview.ts';
import { type HistoryBody, type LiveBody, liveBody } from './overview-bodies.ts';
import type { OverviewReader } from './overview-reader.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';
import type { Streams } from './streams.ts';

const everyMs = 2000;
/** A client that comes back within this time misses no period. */
const backMs = 60_000;

export function liveRoutes(services: ApiServices, streams: Streams, reader: OverviewReader): Route[] {
  const { deployments, events } = services;
  return [
    route('GET /live', {
      summary: 'Follow the numbers of an endpoint, or of all, and what happens',
      description:
        'Server-Sent Events: `numbers` every two seconds, the first at once; `event` as `GET /events` has them, with their `seq` as id. ' +
        'Of an endpoint first the periods of the last minute, then those since the one that was sent last, which comes again.',
      query: z.strictObject({
        endpoint: z.string().max(100).optional().describe('All of them unless given.'),
        period_s: z.coerce.number().int().min(1).max(3600).default(10),
        span_s: spanParameter,
        since: z.coerce.number().int().min(0).optional().describe('The `seq` of the last event that is known, as Last-Event-ID.'),
      }),
      answer: liveBody,
      streams: true,
      handle: async ({ query, ...call }) => {
        if (query.endpoint !== undefined) deployments.get(query.endpoint);
        const since = query.since ?? lastEventId(call.request);
        const stream = streams.open(call);
        const numbers = numbersOf(services, reader, { ...query, periodMs: query.period_s * 1000, spanMs: query.span_s * 1000 });
        void send(services, stream, numbers).catch(() => stream.end());
        void followEvents(events, stream, { since, kind: 'event' }).catch(() => stream.end());
        return undefined;
      },
    }),
  ];
}

/** One after the other: a client that is slow gets fewer, each with all since the last one, and the next only once that is away. */
async function send({ clock }: ApiServices, stream: EventStream, next: () => Promise<LiveBody | null>): Promise<void> {
  let wake = (): void => {};
  stream.onEnd(() => wake());
  while (stream.isOpen) {
    if (!stream.isBehind) {
      const body = await next();
      if (body === null) return stream.end();
      stream.send({ kind: 'numbers', data: JSON.stringify(body) });
    }
    await new Promise<void>((resolve) => {
      const cancel = clock.after(everyMs, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

interface Wish {
  readonly endpoint?: string | undefined;
  readonly periodMs: number;
  readonly spanMs: number;
}

/** What to send next; null once the endpoint is gone. */
function numbersOf(services: ApiServices, reader: OverviewReader, { endpoint, periodMs, spanMs }: Wish): () => Promise<LiveBody | null> {
  const { deployments, clock } = services;
  if (endpoint === undefined) return async () => ({ endpoint: null, history: null, overview: await reader.read(spanMs) });
  let fromMs = clock.wallMs() - Math.max(backMs, 2 * periodMs);
  return async () => {
    const view = deployments.list().find(({ config }) => config.name.toLowerCase() === endpoint.toLowerCase());
    if (view === undefined) return null;
    const nowMs = clock.wallMs();
    const history: HistoryBody = await historyOf(services, view, spanOf(Math.min(fromMs, nowMs - 1), nowMs, periodMs));
    // The last one that was sent may not have been over, and what is looked at every ten seconds comes late.
    fromMs = nowMs - Math.max(periodMs, 12_000);
    return { endpoint: await endpointBodyOf(view, services, reader), history, overview: null };
  };
}

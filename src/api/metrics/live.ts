/** Live stream for dashboards: metrics every two seconds and events as they happen, over one connection. */

import { z } from 'zod';
import { sameName } from '../../names.ts';
import { endpointBodyOf } from '../endpoints/endpoints.ts';
import { followEvents, lastEventId } from '../records/events.ts';
import type { EventStream } from '../routing/event-stream.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import type { Streams } from '../routing/streams.ts';
import { alignedRange, readHistory } from './history.ts';
import { type HistoryBody, type LiveBody, liveBody } from './overview-bodies.ts';
import type { OverviewReader } from './overview-reader.ts';
import { spanParameter } from './overview-reader.ts';

/** What these routes need of the server. */
type Services = Pick<
  ApiServices,
  | 'alarms'
  | 'availability'
  | 'batching'
  | 'challengers'
  | 'clock'
  | 'cluster'
  | 'decisions'
  | 'deployments'
  | 'events'
  | 'functionProfiles'
  | 'ledger'
  | 'machine'
  | 'prices'
  | 'registry'
  | 'selectionWatch'
  | 'series'
  | 'serving'
  | 'tables'
  | 'targets'
>;

const everyMs = 2000;
/** A client that reconnects within this time misses no period. */
const backMs = 60_000;

export function liveRoutes(services: Services, streams: Streams, reader: OverviewReader): ApiRoute[] {
  const { deployments, events } = services;
  return [
    apiRoute('GET /live', {
      summary: 'Stream the metrics and events of one endpoint or of all',
      description:
        'Server-Sent Events: `numbers` at once and then every two seconds; `event` as in `GET /events`, with `seq` as the id. ' +
        'For one endpoint, the first message has the periods of the last minute; each later one starts with the last period sent before.',
      query: z.strictObject({
        endpoint: z.string().max(100).optional().describe('Default: all endpoints.'),
        period_s: z.coerce.number().int().min(1).max(3600).default(10),
        span_s: spanParameter,
        since: z.coerce.number().int().min(0).optional().describe('The `seq` of the last known event, like Last-Event-ID.'),
      }),
      answer: liveBody,
      streams: ['text/event-stream'],
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

/** A slow client gets fewer messages: the next one is read only after the last one was flushed, and covers everything since. */
async function send({ clock }: Pick<ApiServices, 'clock'>, stream: EventStream, next: () => Promise<LiveBody | null>): Promise<void> {
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

interface LiveQuery {
  readonly endpoint?: string | undefined;
  readonly periodMs: number;
  readonly spanMs: number;
}

/** Returns the next message, or null after the endpoint was deleted. */
function numbersOf(services: Services, reader: OverviewReader, { endpoint, periodMs, spanMs }: LiveQuery): () => Promise<LiveBody | null> {
  const { deployments, clock } = services;
  if (endpoint === undefined) return async () => ({ endpoint: null, history: null, overview: await reader.read(spanMs) });
  let fromMs = clock.wallMs() - Math.max(backMs, 2 * periodMs);
  return async () => {
    const view = deployments.list().find(({ config }) => sameName(config.name, endpoint));
    if (view === undefined) return null;
    const nowMs = clock.wallMs();
    const history: HistoryBody = await readHistory(services, view, alignedRange(Math.min(fromMs, nowMs - 1), nowMs, periodMs));
    // The last period sent may have been incomplete, and sampled gauges arrive up to ten seconds late.
    fromMs = nowMs - Math.max(periodMs, 12_000);
    return { endpoint: await endpointBodyOf(view, services, reader), history, overview: null };
  };
}

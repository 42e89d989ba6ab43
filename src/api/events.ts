/** The stream of what happens: state changes of groups, versions and endpoints, as they come. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import type { Events, PlatformEvent } from '../monitoring/index.ts';
import { type EventBody, eventBody, pageOf } from './bodies.ts';
import type { EventStream } from './event-stream.ts';
import { limitDefault, limitParameter, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';
import type { Streams } from './streams.ts';

const replayPage = 500;

export function eventRoutes({ events }: ApiServices, streams: Streams): Route[] {
  return [
    route('GET /events/recent', {
      summary: 'List what happened last, the latest first',
      query: z.strictObject({
        limit: limitParameter,
        subject: z.string().max(256).optional().describe('What it happened to: `digits`, `digits/3`.'),
        before: z.coerce.number().int().min(1).optional().describe('The `next` of the page before.'),
      }),
      answer: pageOf(eventBody),
      handle: async ({ query: { limit = limitDefault, subject, before } }) => {
        const found = await events.recent({ before, subject, limit: limit + 1 });
        const items = found.slice(0, limit).map(eventBodyOf);
        return { items, next: found.length > limit ? String(items.at(-1)?.seq ?? '') : null };
      },
    }),
    route('GET /events', {
      summary: 'Follow what happens',
      description:
        'Server-Sent Events (`text/event-stream`): each `data` is the JSON below, each `id` its `seq`. A client that comes back ' +
        'with Last-Event-ID, or asks with `since`, first gets what it has missed; else it gets what comes from now on.',
      query: z.strictObject({ since: z.coerce.number().int().min(0).optional() }),
      answer: eventBody,
      streams: true,
      handle: async ({ query, ...call }) => {
        const since = query.since ?? lastEventId(call.request);
        const stream = streams.open(call);
        void followEvents(events, stream, { since }).catch(() => stream.end());
        return undefined;
      },
    }),
  ];
}

export function lastEventId(request: IncomingMessage): number | undefined {
  const id = request.headers['last-event-id'];
  if (id === undefined || id === '') return undefined;
  if (typeof id === 'string' && /^\d{1,15}$/.test(id)) return Number(id);
  throw new PlatformError(
    'invalid_request',
    `Last-Event-ID '${String(id).slice(0, 40)}' is none of this stream: send a number, or nothing`,
  );
}

/** Listens first and reads the past then, so that nothing falls between; what came meanwhile is sent after it. `kind`: what all are called. */
export async function followEvents(
  events: Events,
  stream: EventStream,
  { since, kind }: { since: number | undefined; kind?: string },
): Promise<void> {
  const meanwhile: PlatformEvent[] = [];
  let sentSeq = since ?? 0;
  let isLive = since === undefined;
  const send = (event: PlatformEvent): void => {
    if (event.seq <= sentSeq) return;
    sentSeq = event.seq;
    stream.send({ id: event.seq, kind: kind ?? event.kind, data: JSON.stringify(eventBodyOf(event)) });
  };
  stream.onEnd(events.subscribe((event) => (isLive ? send(event) : meanwhile.push(event))));
  while (!isLive && stream.isOpen) {
    const page = await events.since(sentSeq, replayPage);
    for (const event of page) send(event);
    if (page.length === replayPage) continue;
    for (const event of meanwhile) send(event);
    isLive = true;
  }
}

function eventBodyOf({ seq, id, atMs, kind, subject, detail }: PlatformEvent): EventBody {
  return { seq, id, at: timeOf(atMs), kind, subject, detail };
}

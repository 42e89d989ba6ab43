/** The stream of what happens: state changes of groups, versions and endpoints, as they come. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import { checkKinds, defaultAlarmNames, type Events, type EventWish, isWished, type PlatformEvent } from '../monitoring/index.ts';
import { keyOf } from '../registry/index.ts';
import { type EventBody, eventBody, pageOf } from './bodies.ts';
import type { EventStream } from './event-stream.ts';
import { limitDefault, limitParameter, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';
import type { Streams } from './streams.ts';

const replayPage = 500;

/** Which events, of those that were and of those that come alike. */
const wishQuery = z.strictObject({
  subject: z.string().max(256).optional().describe('What it happened to: `digits`, `digits/3`.'),
  endpoint: z.string().max(256).optional().describe('In place of `subject`: what happened to it, and to the alarms that it has by itself.'),
  kind: z
    .string()
    .max(500)
    .regex(/^[a-z-]+(\.[a-z-]+)?(,[a-z-]+(\.[a-z-]+)?)*$/, 'expected kinds such as endpoint.failed or alarm, with commas between')
    .optional()
    .describe('Only such, with commas between: `endpoint.failed`; `alarm` stands for all of alarms.'),
});

export function eventRoutes({ events, deployments }: ApiServices, streams: Streams): Route[] {
  const nameOf = (endpoint: string): string =>
    deployments.list().find(({ config }) => keyOf(config.name) === keyOf(endpoint))?.config.name ?? endpoint;
  return [
    route('GET /events/recent', {
      summary: 'List what happened last, the latest first',
      query: wishQuery.extend({
        limit: limitParameter,
        before: z.coerce.number().int().min(1).optional().describe('The `next` of the page before.'),
      }),
      answer: pageOf(eventBody),
      handle: async ({ query: { limit = limitDefault, before, ...asked } }) => {
        const found = await events.recent({ ...wishOf(asked, nameOf), before, limit: limit + 1 });
        const items = found.slice(0, limit).map(eventBodyOf);
        return { items, next: found.length > limit ? String(items.at(-1)?.seq ?? '') : null };
      },
    }),
    route('GET /events', {
      summary: 'Follow what happens',
      description:
        'Server-Sent Events (`text/event-stream`): each `data` is the JSON below, each `id` its `seq`. A client that comes back ' +
        'with Last-Event-ID, or asks with `since`, first gets what it has missed; else it gets what comes from now on.',
      query: wishQuery.extend({
        since: z.coerce.number().int().min(0).optional(),
        recent: z.coerce
          .number()
          .int()
          .min(0)
          .max(replayPage)
          .default(0)
          .describe('So many of the past first, where it is not known what was missed.'),
      }),
      answer: eventBody,
      streams: true,
      handle: async ({ query: { since, recent, ...asked }, ...call }) => {
        const following = { since: since ?? lastEventId(call.request), recent, wish: wishOf(asked, nameOf) };
        const stream = streams.open(call);
        void followEvents(events, stream, following).catch(() => stream.end());
        return undefined;
      },
    }),
  ];
}

function wishOf({ subject, endpoint, kind }: z.output<typeof wishQuery>, nameOf: (endpoint: string) => string): EventWish {
  if (subject !== undefined && endpoint !== undefined) throw new PlatformError('invalid_request', 'expected subject or endpoint, got both');
  const named = subject === undefined ? undefined : [subject];
  const name = endpoint === undefined ? undefined : nameOf(endpoint);
  const kinds = kind?.split(',');
  if (kinds !== undefined) checkKinds(kinds);
  return { subjects: name === undefined ? named : [name, ...defaultAlarmNames(name)], kinds };
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

export interface Following {
  /** The `seq` of the last event that is known: all after it come first. */
  readonly since: number | undefined;
  /** Where that is not said: so many of the past. */
  readonly recent?: number;
  readonly wish?: EventWish;
  /** What all are called. */
  readonly kind?: string;
}

/** Listens first and reads the past then, so that nothing falls between; what came meanwhile is sent after it. */
export async function followEvents(events: Events, stream: EventStream, { since, recent = 0, wish = {}, kind }: Following): Promise<void> {
  const meanwhile: PlatformEvent[] = [];
  let sentSeq = since ?? 0;
  let isLive = false;
  const send = (event: PlatformEvent): void => {
    if (event.seq <= sentSeq) return;
    sentSeq = event.seq;
    if (isWished(event, wish)) stream.send({ id: event.seq, kind: kind ?? event.kind, data: JSON.stringify(eventBodyOf(event)) });
  };
  stream.onEnd(events.subscribe((event) => (isLive ? send(event) : meanwhile.push(event))));
  if (since !== undefined) {
    for (let isMore = true; isMore && stream.isOpen; ) {
      const page = await events.since(sentSeq, replayPage);
      for (const event of page) send(event);
      isMore = page.length === replayPage;
    }
  } else if (recent > 0) {
    for (const event of (await events.recent({ ...wish, limit: recent })).toReversed()) send(event);
  }
  for (const event of meanwhile) send(event);
  isLive = true;
}

function eventBodyOf({ seq, id, atMs, kind, subject, detail }: PlatformEvent): EventBody {
  return { seq, id, at: timeOf(atMs), kind, subject, detail };
}

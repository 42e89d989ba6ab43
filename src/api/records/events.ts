/** Routes of platform events: state changes of groups, versions, endpoints and alarms, past and live. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { defaultAlarmNames } from '../../alerts/index.ts';
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import { checkKinds, type EventQuery, type Events, matchesEventQuery, type PlatformEvent } from '../../records/index.ts';
import { type EventBody, eventBody, pageBody } from '../bodies.ts';
import type { EventStream } from '../routing/event-stream.ts';
import { isoTime, limitDefault, limitParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import type { Streams } from '../routing/streams.ts';

const replayPage = 500;

/** Filters for past and live events. */
const eventQuery = z.strictObject({
  subject: z.string().max(256).optional().describe('The resource of the event: `digits`, `digits/3`.'),
  endpoint: z.string().max(256).optional().describe('Instead of `subject`: events of the endpoint and of its default alarms.'),
  kind: z
    .string()
    .max(500)
    .regex(/^[a-z-]+(\.[a-z-]+)?(,[a-z-]+(\.[a-z-]+)?)*$/, 'expected kinds such as endpoint.failed or alarm, separated by commas')
    .optional()
    .describe('Event kinds separated by commas, for example `endpoint.failed`; `alarm` matches every kind of alarm event.'),
});

export function eventRoutes({ events, deployments }: Pick<ApiServices, 'events' | 'deployments'>, streams: Streams): ApiRoute[] {
  const nameOf = (endpoint: string): string =>
    deployments.list().find(({ config }) => nameKey(config.name) === nameKey(endpoint))?.config.name ?? endpoint;
  return [
    apiRoute('GET /events/recent', {
      summary: 'List recent events, newest first',
      query: eventQuery.extend({
        limit: limitParameter,
        before: z.coerce.number().int().min(1).optional().describe('The `next` of the previous page.'),
      }),
      answer: pageBody(eventBody),
      handle: async ({ query: { limit = limitDefault, before, ...requested } }) => {
        const found = await events.recent({ ...eventQueryOf(requested, nameOf), before, limit: limit + 1 });
        const items = found.slice(0, limit).map(eventBodyOf);
        return { items, next: found.length > limit ? String(items.at(-1)?.seq ?? '') : null };
      },
    }),
    apiRoute('GET /events', {
      summary: 'Stream events',
      description:
        'Server-Sent Events (`text/event-stream`): each `data` is the JSON below, each `id` its `seq`. With Last-Event-ID or `since`, ' +
        'the stream first sends the events after that one; otherwise it begins with the next event.',
      query: eventQuery.extend({
        since: z.coerce.number().int().min(0).optional(),
        recent: z.coerce
          .number()
          .int()
          .min(0)
          .max(replayPage)
          .default(0)
          .describe('Number of past events to send first, without `since` and Last-Event-ID.'),
      }),
      answer: eventBody,
      streams: ['text/event-stream'],
      handle: async ({ query: { since, recent, ...requested }, ...call }) => {
        const following = { since: since ?? lastEventId(call.request), recent, query: eventQueryOf(requested, nameOf) };
        const stream = streams.open(call);
        void followEvents(events, stream, following).catch(() => stream.end());
        return undefined;
      },
    }),
  ];
}

function eventQueryOf({ subject, endpoint, kind }: z.output<typeof eventQuery>, nameOf: (endpoint: string) => string): EventQuery {
  if (subject !== undefined && endpoint !== undefined) throw new PlatformError('invalid_request', 'expected subject or endpoint, got both');
  const named = subject === undefined ? undefined : [subject];
  const name = endpoint === undefined ? undefined : nameOf(endpoint);
  const kinds = kind?.split(',');
  if (kinds !== undefined) checkKinds(kinds);
  return { subjects: name === undefined ? named : [name, ...defaultAlarmNames(name)], kinds };
}

/** The header Last-Event-ID of a reconnecting client; undefined without one. Throws `invalid_request` if it is not a number. */
export function lastEventId(request: IncomingMessage): number | undefined {
  const id = request.headers['last-event-id'];
  if (id === undefined || id === '') return undefined;
  if (typeof id === 'string' && /^\d{1,15}$/.test(id)) return Number(id);
  throw new PlatformError('invalid_request', `invalid Last-Event-ID: expected a number, got '${String(id).slice(0, 40)}'`);
}

export interface EventSubscription {
  /** The `seq` of the last known event: later stored events are sent first. */
  readonly since: number | undefined;
  /** Without `since`: the number of past events to send first. */
  readonly recent?: number;
  readonly query?: EventQuery;
  /** Overrides the event name of every message. */
  readonly kind?: string;
}

/** Subscribes before it reads stored events, so that none is missed. Events that arrive during the read are sent afterwards. */
export async function followEvents(
  events: Events,
  stream: EventStream,
  { since, recent = 0, query = {}, kind }: EventSubscription,
): Promise<void> {
  const meanwhile: PlatformEvent[] = [];
  let sentSeq = since ?? 0;
  let isLive = false;
  const send = (event: PlatformEvent): void => {
    if (event.seq <= sentSeq) return;
    sentSeq = event.seq;
    if (matchesEventQuery(event, query)) stream.send({ id: event.seq, kind: kind ?? event.kind, data: JSON.stringify(eventBodyOf(event)) });
  };
  stream.onEnd(events.subscribe((event) => (isLive ? send(event) : meanwhile.push(event))));
  if (since !== undefined) {
    for (let isMore = true; isMore && stream.isOpen; ) {
      const page = await events.since(sentSeq, replayPage);
      for (const event of page) send(event);
      isMore = page.length === replayPage;
    }
  } else if (recent > 0) {
    for (const event of (await events.recent({ ...query, limit: recent })).toReversed()) send(event);
  }
  for (const event of meanwhile) send(event);
  isLive = true;
}

function eventBodyOf({ seq, id, atMs, kind, subject, detail }: PlatformEvent): EventBody {
  return { seq, id, at: isoTime(atMs), kind, subject, detail };
}

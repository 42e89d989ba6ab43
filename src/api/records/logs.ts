/** Routes of logs, past and live: of the server, of requests, of workers, of any log group. */

import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import {
  accessLogGroup,
  compileFilter,
  endpointLogGroup,
  isWorkerStream,
  type LogEvent,
  platformLogGroup,
  requestsLogGroup,
} from '../../logs/index.ts';
import { nameKey } from '../../names.ts';
import { logBody, logGroupsBody } from '../bodies.ts';
import { endpointPath, isoTime, switchParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import type { StreamCall, Streams } from '../routing/streams.ts';

const linesQuery = z.strictObject({
  limit: z.coerce.number().int().min(0).max(10_000).default(100).describe('Number of past lines.'),
  filter: z.string().max(1024).default('').describe('CloudWatch Logs filter pattern that lines must match.'),
  request: z
    .string()
    .regex(/^[\w.:-]{1,128}$/)
    .optional()
    .describe('Only lines that name this request.'),
  follow: switchParameter.describe('Continue with new lines as Server-Sent Events: each `data` is a line.'),
});
const logQuery = linesQuery.extend({
  log: z
    .string()
    .max(512)
    .default('platform')
    .describe('`platform`, `requests`, `access`, `workers` (of an endpoint), or the name of a log group.'),
  endpoint: z.string().optional().describe('Only lines about this endpoint.'),
});

interface LogQueryParameters {
  readonly log: string;
  readonly endpoint: string | undefined;
  readonly filter: string;
  readonly request?: string | undefined;
  readonly limit: number;
  readonly follow: boolean;
}

type Answer = z.input<typeof logBody> | undefined;
type Matches = (line: string) => boolean;

const pollMs = 250;
/** A page scans at most 8 MiB or 10,000 rows. */
const pagesMax = 30;
const allTimes = { fromMs: 0, toMs: Number.POSITIVE_INFINITY } as const;

export function logRoutes(
  { deployments, logGroups, clock }: Pick<ApiServices, 'deployments' | 'logGroups' | 'clock'>,
  streams: Streams,
): ApiRoute[] {
  const read = async (reference: LogQueryParameters, call: StreamCall): Promise<Answer> => {
    const group = groupOf(reference);
    const source: Source = { group, matches: lineMatcher(reference, group), isStream: reference.log === 'workers' ? isWorkerStream : null };
    if (!logGroups.has(group)) {
      // The endpoint may exist without having logged anything yet.
      if (reference.log !== 'workers') throw new PlatformError('not_found', `there is no log group ${group}: see GET /api/v1/logs/groups`);
      deployments.get(reference.endpoint ?? '');
      if (!reference.follow) return { items: [] };
    }
    const past = logGroups.has(group) ? await lastEvents(logGroups, source, reference.limit) : { events: [], after: null };
    const lineOf = isJsonLines(group) ? ({ message }: LogEvent) => message : lineOfEvent;
    if (!reference.follow) return { items: past.events.map((event) => ({ line: lineOf(event) })) };
    const stream = streams.open(call);
    const send = (event: LogEvent): void => stream.send({ data: lineOf(event) });
    for (const event of past.events) send(event);
    stream.onEnd(follow({ logGroups, clock }, source, past.after, send));
    return undefined;
  };
  return [
    apiRoute('GET /logs', {
      summary: 'Read the log of the server, of requests, or of any log group',
      query: logQuery,
      answer: logBody,
      streams: ['application/json', 'text/event-stream'],
      handle: ({ query, ...call }) => read({ ...query, endpoint: query.endpoint }, call),
    }),
    apiRoute('GET /logs/groups', {
      summary: 'List the log groups',
      answer: logGroupsBody,
      handle: async () => ({
        items: (await logGroups.groups()).map(({ name, createdAtMs, retentionDays, bytes }) => ({
          name,
          created_at: isoTime(createdAtMs),
          retention_days: retentionDays,
          bytes,
        })),
      }),
    }),
    apiRoute('GET /endpoints/:endpoint/logs', {
      summary: 'Read the request log of an endpoint',
      params: endpointPath,
      query: linesQuery,
      answer: logBody,
      streams: ['application/json', 'text/event-stream'],
      handle: ({ params: { endpoint }, query, ...call }) => {
        deployments.get(endpoint); // throws for an unknown endpoint, instead of showing it as one without requests
        return read({ ...query, log: 'requests', endpoint }, call);
      },
    }),
  ];
}

function groupOf({ log, endpoint }: LogQueryParameters): string {
  if (log === 'platform') return platformLogGroup;
  if (log === 'requests') return requestsLogGroup;
  if (log === 'access') return accessLogGroup;
  if (log !== 'workers') return log;
  if (endpoint === undefined) throw new PlatformError('invalid_request', 'the log workers needs an endpoint: add endpoint=NAME');
  return endpointLogGroup(endpoint);
}

/** The server's own logs are JSON lines; other log groups may contain any text. */
function isJsonLines(group: string): boolean {
  return group === platformLogGroup || group === requestsLogGroup || group === accessLogGroup;
}

/** The event as a JSON line with its time and stream. */
function lineOfEvent({ atMs, stream, message }: LogEvent): string {
  try {
    const fields: unknown = JSON.parse(message);
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return JSON.stringify({ at: atMs, stream, ...fields });
  } catch {
    // a line of plain text
  }
  return JSON.stringify({ at: atMs, stream, message });
}

type Reader = Pick<ApiServices, 'logGroups'>['logGroups'];

/** Where lines are read from. */
interface Source {
  readonly group: string;
  readonly matches: Matches;
  /** Which streams of the group; null for all. */
  readonly isStream: ((name: string) => boolean) | null;
}

/** The streams of the group that are read, which can be created meanwhile; null for all. */
async function streamsOf(groups: Reader, { group, isStream }: Source): Promise<ReadonlySet<string> | null> {
  if (isStream === null) return null;
  return new Set((await groups.streams(group)).map(({ name }) => name).filter(isStream));
}

/** The last events, and the cursor after them. */
async function lastEvents(groups: Reader, source: Source, limit: number): Promise<{ events: LogEvent[]; after: string }> {
  const { group, matches } = source;
  const streams = await streamsOf(groups, source);
  const query = { ...allTimes, streams, from: 'tail', limit: Math.max(limit, 1), matches } as const;
  let page = await groups.read(group, { ...query, cursor: null });
  const { after } = page;
  const events = [...page.events];
  for (let pages = 1; events.length < limit && !page.isEnd && pages < pagesMax; pages++) {
    page = await groups.read(group, { ...query, limit: limit - events.length, cursor: page.before });
    events.unshift(...page.events);
  }
  return { events: limit === 0 ? [] : events, after };
}

/** Polls for new events until the returned function is called. */
function follow(
  { logGroups, clock }: { readonly logGroups: Reader; readonly clock: Clock },
  source: Source,
  from: string | null,
  onEvent: (event: LogEvent) => void,
): () => void {
  const { group, matches } = source;
  let cursor = from;
  let isStopped = false;
  let cancel: () => void = () => {};
  const poll = async (): Promise<void> => {
    for (let isEnd = !logGroups.has(group); !isEnd && !isStopped; ) {
      const streams = await streamsOf(logGroups, source);
      const page = await logGroups.read(group, { ...allTimes, streams, from: 'head', cursor, limit: 1000, matches });
      if (!isStopped) for (const event of page.events) onEvent(event);
      cursor = page.after;
      isEnd = page.isEnd;
    }
  };
  const again = (): void => {
    void poll()
      .catch(() => undefined) // a failed read is retried at the next poll
      .finally(() => {
        if (!isStopped) cancel = clock.after(pollMs, again);
      });
  };
  again();
  return () => {
    isStopped = true;
    cancel();
  };
}

/** Whether the line contains the id, and not only as a part of a longer one. */
function names(line: string, request: string): boolean {
  for (let at = line.indexOf(request); at !== -1; at = line.indexOf(request, at + 1)) {
    const around = [line.charAt(at - 1), line.charAt(at + request.length)];
    if (!around.some((character) => /[\w.:-]/.test(character))) return true;
  }
  return false;
}

function lineMatcher({ endpoint, filter, request }: LogQueryParameters, group: string): Matches {
  const filtered = compileFilter(filter);
  const matches = request === undefined ? filtered : (line: string) => names(line, request) && filtered(line);
  if (endpoint === undefined || !isJsonLines(group)) return matches;
  const name = nameKey(endpoint);
  return (line) => {
    if (!line.toLowerCase().includes(name) || !matches(line)) return false;
    try {
      const fields = JSON.parse(line) as { readonly endpoint?: unknown };
      return typeof fields.endpoint === 'string' && nameKey(fields.endpoint) === name;
    } catch {
      return false;
    }
  };
}

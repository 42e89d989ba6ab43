/** Routes of logs: the last lines, and the lines that come; of the server, of requests, of workers, of any log group. */
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { accessLogGroup, compileFilter, endpointLogGroup, type LogEvent, platformLogGroup, requestsLogGroup } from '../monitoring/index.ts';
import { logBody, logGroupsBody } from './bodies.ts';
import { endpointPath, switchParameter, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';
import type { StreamCall, Streams } from './streams.ts';

const linesQuery = z.strictObject({
  limit: z.coerce.number().int().min(0).max(10_000).default(100).describe('How many lines of the past.'),
  filter: z.string().max(1024).default('').describe('Only lines that match this filter pattern of CloudWatch Logs.'),
  follow: switchParameter.describe('Go on with the lines that come, as Server-Sent Events: each `data` is a line.'),
});
const logQuery = linesQuery.extend({
  log: z
    .string()
    .max(512)
    .default('platform')
    .describe('`platform`, `requests`, `access`, `workers` (of an endpoint), or the name of a log group.'),
  endpoint: z.string().optional().describe('Only lines about this endpoint.'),
});

interface Asked {
  readonly log: string;
  readonly endpoint: string | undefined;
  readonly filter: string;
  readonly limit: number;
  readonly follow: boolean;
}

type Answer = z.input<typeof logBody> | undefined;
type Matches = (line: string) => boolean;

const pollMs = 250;
/** One page looks at 8 MiB, or 10,000 rows, at most. */
const pagesMax = 30;
const everything = { streams: null, fromMs: 0, toMs: Number.POSITIVE_INFINITY } as const;

export function logRoutes({ deployments, logGroups, clock }: ApiServices, streams: Streams): Route[] {
  const read = async (asked: Asked, call: StreamCall): Promise<Answer> => {
    const group = groupOf(asked);
    const matches = wanted(asked, group);
    if (!logGroups.has(group)) {
      // An endpoint that is there and has not said anything yet.
      if (asked.log !== 'workers') throw new PlatformError('not_found', `there is no log group ${group}: see GET /api/v1/logs/groups`);
      deployments.get(asked.endpoint ?? '');
      if (!asked.follow) return { items: [] };
    }
    const past = logGroups.has(group) ? await lastEvents(logGroups, group, asked.limit, matches) : { events: [], after: null };
    const lineOf = isJsonLines(group) ? ({ message }: LogEvent) => message : lineOfEvent;
    if (!asked.follow) return { items: past.events.map((event) => ({ line: lineOf(event) })) };
    const stream = streams.open(call);
    const send = (event: LogEvent): void => stream.send({ data: lineOf(event) });
    for (const event of past.events) send(event);
    stream.onEnd(follow({ logGroups, clock }, group, past.after, matches, send));
    return undefined;
  };
  return [
    route('GET /logs', {
      summary: 'Read the log of the server, of its requests, or of any log group',
      query: logQuery,
      answer: logBody,
      streams: true,
      handle: ({ query, ...call }) => read({ ...query, endpoint: query.endpoint }, call),
    }),
    route('GET /logs/groups', {
      summary: 'List the log groups',
      answer: logGroupsBody,
      handle: async () => ({
        items: (await logGroups.groups()).map(({ name, createdAtMs, retentionDays, bytes }) => ({
          name,
          created_at: timeOf(createdAtMs),
          retention_days: retentionDays,
          bytes,
        })),
      }),
    }),
    route('GET /endpoints/:endpoint/logs', {
      summary: 'Read the log of the requests to an endpoint',
      params: endpointPath,
      query: linesQuery,
      answer: logBody,
      streams: true,
      handle: ({ params: { endpoint }, query, ...call }) => {
        deployments.get(endpoint); // an unknown endpoint is refused, rather than shown as one without requests
        return read({ ...query, log: 'requests', endpoint }, call);
      },
    }),
  ];
}

function groupOf({ log, endpoint }: Asked): string {
  if (log === 'platform') return platformLogGroup;
  if (log === 'requests') return requestsLogGroup;
  if (log === 'access') return accessLogGroup;
  if (log !== 'workers') return log;
  if (endpoint === undefined)
    throw new PlatformError('invalid_request', 'the log workers is that of an endpoint: say which, as endpoint=NAME');
  return endpointLogGroup(endpoint);
}

/** The server's own logs; what others write may be any text. */
function isJsonLines(group: string): boolean {
  return group === platformLogGroup || group === requestsLogGroup || group === accessLogGroup;
}

/** As JSON, with its time and its stream. */
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

/** The last ones, and from where to go on. */
async function lastEvents(groups: Reader, group: string, limit: number, matches: Matches): Promise<{ events: LogEvent[]; after: string }> {
  const wish = { ...everything, from: 'tail', limit: Math.max(limit, 1), matches } as const;
  let page = await groups.read(group, { ...wish, cursor: null });
  const { after } = page;
  const events = [...page.events];
  for (let pages = 1; events.length < limit && !page.isEnd && pages < pagesMax; pages++) {
    page = await groups.read(group, { ...wish, limit: limit - events.length, cursor: page.before });
    events.unshift(...page.events);
  }
  return { events: limit === 0 ? [] : events, after };
}

/** Hands on each event that comes, until it is stopped by the answer. */
function follow(
  { logGroups, clock }: { readonly logGroups: Reader; readonly clock: Clock },
  group: string,
  from: string | null,
  matches: Matches,
  onEvent: (event: LogEvent) => void,
): () => void {
  let cursor = from;
  let isStopped = false;
  let cancel: () => void = () => {};
  const poll = async (): Promise<void> => {
    for (let isEnd = !logGroups.has(group); !isEnd && !isStopped; ) {
      const page = await logGroups.read(group, { ...everything, from: 'head', cursor, limit: 1000, matches });
      if (!isStopped) for (const event of page.events) onEvent(event);
      cursor = page.after;
      isEnd = page.isEnd;
    }
  };
  const again = (): void => {
    void poll()
      .catch(() => undefined) // what cannot be read now may be read the next time
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

function wanted({ endpoint, filter }: Asked, group: string): Matches {
  const matches = compileFilter(filter);
  if (endpoint === undefined || !isJsonLines(group)) return matches;
  const name = endpoint.toLowerCase();
  return (line) => {
    if (!line.toLowerCase().includes(name) || !matches(line)) return false;
    try {
      const fields = JSON.parse(line) as { readonly endpoint?: unknown };
      return typeof fields.endpoint === 'string' && fields.endpoint.toLowerCase() === name;
    } catch {
      return false;
    }
  };
}

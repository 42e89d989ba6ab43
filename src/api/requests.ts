/** Route of a single request: where its time went, and why. */
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import { abruptEnds, accessLogGroup, type Decision, type LogPage, linesLostIn, requestsLogGroup } from '../monitoring/index.ts';
import { timeOf } from './parameters.ts';
import { type RanBefore, type RanLine, ranBefore, waitOf } from './ran-before.ts';
import { type RequestBody, requestBody } from './request-bodies.ts';
import { storyOf } from './request-story.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';
import { type UpdateBody, updateAt } from './updates.ts';

const requestPath = z.strictObject({ request: z.string().min(1).max(512) });

/** A line as `formatRequestLine` writes it; those of an older server have less. */
interface LoggedRequest {
  readonly at: number;
  readonly request: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly version: string;
  readonly status: string | number;
  readonly rows: number;
  readonly batchRows: number;
  readonly closeReason: string;
  readonly executor?: string;
  readonly queueMs: number | null;
  readonly computeMs: number | null;
  readonly encodeMs: number | null;
  readonly totalMs: number | null;
  readonly bodyMs?: number | null;
  readonly costUsd: number | null;
  readonly parts?: number;
  readonly rowsAhead?: number;
  readonly batchRequests?: number;
  readonly batchWaitMs?: number;
  readonly overflow?: string;
  readonly coldStart?: boolean;
  readonly error?: string;
}

type Needs = Pick<ApiServices, 'logGroups' | 'decisions' | 'events'>;

export function requestRoutes(services: Needs): Route[] {
  return [
    route('GET /requests/:request', {
      summary: 'Tell where the time of a request went, and why',
      description: 'By the id that its answer bore as `x-request-id`. The latest requests are known, as far back as their log goes.',
      params: requestPath,
      answer: requestBody,
      handle: async ({ params: { request } }) => {
        const line = await find(services, request);
        const decisions = await decidedBefore(services, line);
        const update = await updateAt(services.events, line.endpoint, line.at - (line.totalMs ?? 0));
        const told = bodyOf(line, decisions, update);
        const before = await ranBeforeIt(services, line, told.timings.executor_wait_ms);
        return { ...told, explanation: storyOf(told, decisions, before) };
      },
    }),
  ];
}

/** The last one of that id. Throws `not_found`, and says how far back the log goes. */
async function find({ logGroups, events }: Needs, id: string): Promise<LoggedRequest> {
  const found = await lineOf(logGroups, requestsLogGroup, id);
  if (found !== null) return found as LoggedRequest;
  const shown = id.slice(0, 128);
  const access = (await lineOf(logGroups, accessLogGroup, id)) as LoggedAccess | null;
  if (access !== null) throw new PlatformError('not_found', `request ${shown} never reached a model: ${storyOfAccess(access)}`);
  const [log] = await logGroups.streams(requestsLogGroup);
  const firstAtMs = log?.firstAtMs ?? null;
  const since = firstAtMs === null ? 'which is empty' : `which goes back to ${timeOf(firstAtMs)}`;
  // Of an older end the log knows nothing any more, be it lost or not.
  // Nobody knows when it came; of several ends the latest it is, as whoever asks does so soon.
  const [end] = await abruptEnds(events, firstAtMs ?? 0, 1);
  const lost = end === undefined ? '' : ` was answered in ${linesLostIn(end)}, when its line was not written yet,`;
  throw new PlatformError(
    'not_found',
    `request ${shown} is not in the log, ${since}: it is older, never reached an endpoint, was one of thousands a second of which only some are logged,${lost} or its id is another (the x-request-id of its answer, AWS's x-amzn-RequestId). What became of one that was submitted to be worked on later tells penstock async status ID`,
  );
}

/** A line as `formatAccessLine` writes it. */
interface LoggedAccess {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly operation?: string;
  readonly model?: string;
  readonly status: number;
  readonly totalMs: number;
  readonly who: string | null;
  readonly from?: string;
}

function storyOfAccess({ at, method, path, operation, model, status, totalMs, who, from = 'nowhere' }: LoggedAccess): string {
  const what = operation === undefined ? `${method} ${path}` : `${operation} (${method} ${path})`;
  const after = totalMs > 0 ? ` after ${totalMs} ms` : '';
  const about = model === undefined ? '' : ` for the model '${model}'`;
  return `it was the call ${what}${about}, by ${who ?? 'somebody unknown'} from ${from}, answered ${status}${after} at ${timeOf(at)}`;
}

/** The last line of that id in a log; null where there is none. */
async function lineOf(logGroups: Needs['logGroups'], group: string, id: string): Promise<unknown> {
  if (!logGroups.has(group)) return null;
  const containing = `"request":${JSON.stringify(id)},`;
  const wish = { streams: null, fromMs: 0, toMs: Number.POSITIVE_INFINITY, from: 'tail', limit: 1 } as const;
  for (let cursor: string | null = null; ; ) {
    const page: LogPage = await logGroups.read(group, {
      ...wish,
      cursor,
      containing,
      matches: (line) => line.includes(containing),
    });
    const [found] = page.events;
    if (found !== undefined) return JSON.parse(found.message);
    if (page.isEnd) return null;
    cursor = page.before;
  }
}

/** So many requests that ended while it waited are looked through. */
const endedMost = 1000;
/** From the end of a run to its line. */
const encodeMsMost = 100;

async function ranBeforeIt({ logGroups }: Needs, line: LoggedRequest, waitedMs: number): Promise<RanBefore | null> {
  const wait = waitOf(line, waitedMs);
  if (wait === null || line.executor === undefined) return null;
  const containing = `"endpoint":${JSON.stringify(line.endpoint)},`;
  // A batch's end is stamped once its answer is encoded.
  const wish = {
    streams: null,
    fromMs: wait.fromMs,
    toMs: wait.toMs + encodeMsMost,
    from: 'tail',
    limit: endedMost,
    cursor: null,
  } as const;
  const page = await logGroups.read(requestsLogGroup, { ...wish, containing, matches: (text) => text.includes(containing) });
  return ranBefore(
    line,
    waitedMs,
    page.events.map(({ message }) => JSON.parse(message) as RanLine),
  );
}

/** The last decision of each kind that was in force when the request came. */
async function decidedBefore({ decisions }: Needs, { endpoint, variant, at, totalMs }: LoggedRequest): Promise<Decision[]> {
  const untilMs = at - (totalMs ?? 0);
  const kinds = ['scaling', 'batching'] as const;
  const found = await Promise.all(
    kinds.map(async (kind) => {
      const made = await decisions.list({ endpoint, kind, untilMs, limit: 50 });
      return made.find((decision) => decision.variant.toLowerCase() === variant.toLowerCase());
    }),
  );
  return found.flatMap((decision) => decision ?? []);
}

function bodyOf(line: LoggedRequest, decisions: readonly Decision[], update: UpdateBody | null): Omit<RequestBody, 'explanation'> {
  const { queueMs, computeMs, encodeMs, totalMs, batchWaitMs = 0 } = line;
  const body = line.bodyMs ?? 0;
  const [queue, compute, encode, total] = [queueMs ?? 0, computeMs ?? 0, encodeMs ?? 0, totalMs ?? 0];
  const kept = Math.min(batchWaitMs, queue);
  return {
    id: line.request,
    at: timeOf(line.at),
    endpoint: line.endpoint,
    variant: line.variant,
    version: line.version,
    status: line.status,
    error: line.error ?? null,
    executor: line.executor ?? null,
    overflow: line.overflow ?? null,
    rows: line.rows,
    parts: line.parts ?? 1,
    rows_ahead: line.rowsAhead ?? null,
    batch_rows: line.batchRows,
    batch_requests: line.batchRequests ?? null,
    close_reason: line.closeReason === '' ? null : line.closeReason,
    cold_start: line.coldStart === true,
    cost_usd: line.costUsd,
    timings: {
      total_ms: total,
      body_ms: body,
      batch_wait_ms: kept,
      executor_wait_ms: rounded(queue - kept),
      compute_ms: compute,
      encode_ms: encode,
      other_ms: rounded(Math.max(0, total - body - queue - compute - encode)),
    },
    update: update === null ? null : { from: update.from, to: update.to, share_percent: update.share_percent },
    decisions: decisions.map(({ id, kind, atMs, reason, explanation }) => ({ id, kind, at: timeOf(atMs), reason, explanation })),
  };
}

/** To the microsecond, as the log has it. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Route that explains where the time of a single request went. */

import { z } from 'zod';
import { PlatformError } from '../../errors.ts';
import { abruptEnds, accessLogGroup, type LogPage, lostLinesText, type PlanLine, requestsLogGroup } from '../../logs/index.ts';
import { sameName } from '../../names.ts';
import type { Decision } from '../../records/index.ts';
import { type UpdateBody, updateAt } from '../endpoints/updates.ts';
import { isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type LoggedRun, type PrecedingBatch, precedingBatch, waitWindow } from './preceding-batch.ts';
import { type RequestBody, requestBody } from './request-bodies.ts';
import { explainRequest } from './request-explanation.ts';

const requestPath = z.strictObject({ request: z.string().min(1).max(512) });

/** A line as `formatRequestLine` writes it. Lines of older servers lack the optional fields. */
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
  readonly plan?: PlanLine;
  readonly error?: string;
}

type RequestRouteDeps = Pick<ApiServices, 'logGroups' | 'decisions' | 'events'>;

export function requestRoutes(services: RequestRouteDeps): ApiRoute[] {
  return [
    apiRoute('GET /requests/:request', {
      summary: 'Explain where the time of a request went',
      description: 'By the `x-request-id` of its response. Only requests that are still in the request log are known.',
      params: requestPath,
      answer: requestBody,
      handle: async ({ params: { request } }) => {
        const line = await find(services, request);
        const decisions = await decidedBefore(services, line);
        const update = await updateAt(services.events, line.endpoint, line.at - (line.totalMs ?? 0));
        const reported = bodyOf(line, decisions, update);
        const before = await ranBeforeIt(services, line, reported.timings.executor_wait_ms);
        return { ...reported, explanation: explainRequest(reported, decisions, before) };
      },
    }),
  ];
}

/** The latest request with this id. Throws `not_found` with the age of the oldest line. */
async function find({ logGroups, events }: RequestRouteDeps, id: string): Promise<LoggedRequest> {
  const found = await lineOf(logGroups, requestsLogGroup, id);
  if (found !== null) return found as LoggedRequest;
  const shown = id.slice(0, 128);
  const access = (await lineOf(logGroups, accessLogGroup, id)) as LoggedAccess | null;
  if (access !== null) throw new PlatformError('not_found', `request ${shown} never reached a model: ${describeAccess(access)}`);
  const [log] = await logGroups.streams(requestsLogGroup);
  const firstAtMs = log?.firstAtMs ?? null;
  const since = firstAtMs === null ? 'which is empty' : `which goes back to ${isoTime(firstAtMs)}`;
  // Abrupt ends before the oldest line are irrelevant: older lines have been deleted. The arrival time is unknown, so the
  // latest abrupt end is reported: requests are usually looked up soon after they were sent.
  const [end] = await abruptEnds(events, firstAtMs ?? 0, 1);
  const lost = end === undefined ? '' : ` was answered in ${lostLinesText(end)} before its line was written,`;
  throw new PlatformError(
    'not_found',
    `request ${shown} is not in the log, ${since}: it is older, never reached an endpoint, was not sampled at a rate of thousands per second,${lost} or has another id (expected the x-request-id of its response, or x-amzn-RequestId from the AWS APIs). For asynchronous requests, run penstock async status ID`,
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

function describeAccess({ at, method, path, operation, model, status, totalMs, who, from = 'an unknown address' }: LoggedAccess): string {
  const what = operation === undefined ? `${method} ${path}` : `${operation} (${method} ${path})`;
  const after = totalMs > 0 ? ` after ${totalMs} ms` : '';
  const about = model === undefined ? '' : ` for the model '${model}'`;
  return `it was the call ${what}${about}, by ${who ?? 'an unknown caller'} from ${from}, answered with ${status}${after} at ${isoTime(at)}`;
}

/** The last line with this id in a log; null if there is none. */
async function lineOf(logGroups: RequestRouteDeps['logGroups'], group: string, id: string): Promise<unknown> {
  if (!logGroups.has(group)) return null;
  const containing = `"request":${JSON.stringify(id)},`;
  const query = { streams: null, fromMs: 0, toMs: Number.POSITIVE_INFINITY, from: 'tail', limit: 1 } as const;
  for (let cursor: string | null = null; ; ) {
    const page: LogPage = await logGroups.read(group, {
      ...query,
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

/** Maximum number of requests examined that ended during the wait. */
const endedMax = 1000;
/** Longest expected time from the end of a run to its log line. */
const encodeMsMax = 100;

async function ranBeforeIt({ logGroups }: RequestRouteDeps, line: LoggedRequest, waitedMs: number): Promise<PrecedingBatch | null> {
  const wait = waitWindow(line, waitedMs);
  if (wait === null || line.executor === undefined) return null;
  const containing = `"endpoint":${JSON.stringify(line.endpoint)},`;
  // The log line of a request is stamped after its response was encoded.
  const query = {
    streams: null,
    fromMs: wait.fromMs,
    toMs: wait.toMs + encodeMsMax,
    from: 'tail',
    limit: endedMax,
    cursor: null,
  } as const;
  const page = await logGroups.read(requestsLogGroup, { ...query, containing, matches: (text) => text.includes(containing) });
  return precedingBatch(
    line,
    waitedMs,
    page.events.map(({ message }) => JSON.parse(message) as LoggedRun),
  );
}

/** The last decision of each kind that was in force when the request arrived. */
async function decidedBefore({ decisions }: RequestRouteDeps, { endpoint, variant, at, totalMs }: LoggedRequest): Promise<Decision[]> {
  const untilMs = at - (totalMs ?? 0);
  const kinds = ['scaling', 'batching', 'selection'] as const;
  const found = await Promise.all(
    kinds.map(async (kind) => {
      const made = await decisions.list({ endpoint, kind, untilMs, limit: 50 });
      return made.find((decision) => sameName(decision.variant, variant));
    }),
  );
  return found.flatMap((decision) => decision ?? []);
}

function bodyOf(line: LoggedRequest, decisions: readonly Decision[], update: UpdateBody | null): Omit<RequestBody, 'explanation'> {
  const { queueMs, computeMs, encodeMs, totalMs, batchWaitMs = 0 } = line;
  const body = line.bodyMs ?? 0;
  const [queue, compute, encode, total] = [queueMs ?? 0, computeMs ?? 0, encodeMs ?? 0, totalMs ?? 0];
  const retained = Math.min(batchWaitMs, queue);
  return {
    id: line.request,
    at: isoTime(line.at),
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
    plan: line.plan === undefined ? null : planBodyOf(line.plan),
    cost_usd: line.costUsd,
    timings: {
      total_ms: total,
      body_ms: body,
      batch_wait_ms: retained,
      executor_wait_ms: rounded(queue - retained),
      compute_ms: compute,
      encode_ms: encode,
      other_ms: rounded(Math.max(0, total - body - queue - compute - encode)),
    },
    update: update === null ? null : { from: update.from, to: update.to, share_percent: update.share_percent },
    decisions: decisions.map(({ id, kind, atMs, reason, explanation }) => ({ id, kind, at: isoTime(atMs), reason, explanation })),
  };
}

function planBodyOf({ wentOn, confidenceMin, rowsWaiting, heldBack, ...plan }: PlanLine): NonNullable<RequestBody['plan']> {
  return {
    ...plan,
    went_on: wentOn,
    confidence_min: confidenceMin,
    rows_waiting: rowsWaiting,
    held_back: heldBack && { rung: heldBack.rung, request: heldBack.request, late_ms: heldBack.lateMs },
  };
}

/** To the microsecond, the resolution of the log. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

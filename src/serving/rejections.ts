/** Errors of rejected requests. */
import { PlatformError } from '../errors.ts';
import { approximateMs, formatMs } from '../objective.ts';
import type { PoolContext } from './executor-pool.ts';
import type { PendingRequest } from './request.ts';

/** The error if the queue is full. `rowsWaiting`: rows in the queue now. */
export function queueFullError({ endpoint, settings }: PoolContext, rowsWaiting: number, retryAfterMs: number): PlatformError {
  const text = `endpoint ${endpoint} is overloaded: the queue is full (${rowsWaiting} rows waiting, limit ${settings.queueRowsMax})`;
  return new PlatformError('overloaded', `${text}. Retry later or add instances`, { retryAfterMs });
}

/** The error for a late request that is rejected, because it would wait behind others until its timeout, or the queue is full. */
export function noPlaceError(
  { endpoint, settings }: PoolContext,
  { call, timeoutAtMs }: PendingRequest,
  retryAfterMs: number,
): PlatformError {
  const objective = formatMs(settings.objective?.latencyMs ?? 0);
  const timeout = formatMs(Math.round(timeoutAtMs - call.arrivedAtMs));
  const text = `endpoint ${endpoint} is overloaded: this request missed its objective of ${objective}, and requests that can still meet theirs use all capacity until its timeout of ${timeout}`;
  return new PlatformError('overloaded', `${text}. Retry later or add instances`, { retryAfterMs: spread(retryAfterMs, call.requestId) });
}

/** Within 20 % of the time, by the request's id: clients that were rejected together do not return together. */
function spread(ms: number, requestId: string): number {
  let hash = 0;
  for (let i = 0; i < requestId.length; i++) hash = (Math.imul(hash, 31) + requestId.charCodeAt(i)) >>> 0;
  return ms * (0.8 + (0.4 * (hash % 1000)) / 1000);
}

/** Explains why `late: shed` rejects a request that would be answered in `answeredInMs` from now. */
export function deadlinePassedError({ settings, clock }: PoolContext, request: PendingRequest, answeredInMs: number): string {
  const { call, timeoutAtMs, promisedAtMs } = request;
  const objectiveMs = settings.objective?.latencyMs ?? Number.POSITIVE_INFINITY;
  const timeoutMs = timeoutAtMs - call.arrivedAtMs;
  const promise = timeoutMs <= objectiveMs ? `timeout of ${formatMs(timeoutMs)}` : `objective of ${formatMs(objectiveMs)}`;
  if (answeredInMs === Number.POSITIVE_INFINITY) return `its ${promise} cannot be met: no executor is ready`;
  const takes = approximateMs(Math.ceil(10 * (clock.nowMs() - call.arrivedAtMs + answeredInMs)) / 10);
  const marginMs = Math.min(timeoutMs, objectiveMs) - (promisedAtMs - call.arrivedAtMs);
  const margin = marginMs < 0.05 ? '' : `, and ${formatMs(Number(marginMs.toPrecision(2)))} of it are reserved for slower runs`;
  return `its ${promise} cannot be met: a response would take ${takes}${margin}`;
}

/**
 * The error if functions are busy. `mostAtOnce`: the concurrency limit, if all allowed functions are busy; null if some are still
 * starting.
 */
export function functionsBusyError({ endpoint }: PoolContext, why: string, mostAtOnce: number | null, retryAfterMs: number): PlatformError {
  const [state, cure] =
    mostAtOnce === null
      ? ['its functions are starting', 'Retry later']
      : [
          mostAtOnce === 1 ? 'its only allowed function is busy' : `all ${mostAtOnce} allowed functions are busy`,
          'Retry later or allow more with --max-concurrency',
        ];
  return new PlatformError('overloaded', `endpoint ${endpoint} is overloaded: ${why}; ${state}. ${cure}`, { retryAfterMs });
}

/** The error if no request can be served, because no function can be started. */
export function cannotStartError(
  { model }: PoolContext,
  { reason, retryAfterMs }: { readonly reason: string; readonly retryAfterMs: number },
): PlatformError {
  const again = `the next attempt is in ${Math.ceil(retryAfterMs / 1000)} s`;
  return new PlatformError('model_failed', `failed to start a function of ${model.name}: ${reason}; ${again}`, { retryAfterMs });
}

/** The error if neither an instance nor a function would answer in time. */
export function unavailableError(
  { endpoint, settings }: PoolContext,
  request: PendingRequest,
  retryAfterMs: number,
  shutReason: string | null,
): PlatformError {
  const isTimeout = request.timeoutAtMs <= request.promisedAtMs;
  const promise = isTimeout ? 'the timeout of this request' : `its objective of ${formatMs(settings.objective?.latencyMs ?? 0)}`;
  const why = shutReason ?? 'its instances are busy, and a function would be late too';
  return new PlatformError('overloaded', `endpoint ${endpoint} cannot answer within ${promise}: ${why}. Retry later`, { retryAfterMs });
}

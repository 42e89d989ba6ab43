/** What a request is told that is not taken. */
import { PlatformError } from '../errors.ts';
import { formatMs, spokenMs } from '../objective.ts';
import type { PendingRequest } from './request.ts';
import type { Door } from './side.ts';

export function queueIsFull({ endpoint, settings }: Door, rowsWaiting: number, retryAfterMs: number): PlatformError {
  const text = `endpoint ${endpoint} is overloaded: ${rowsWaiting} rows wait already, ${settings.queueRowsMax} may`;
  return new PlatformError('overloaded', `${text}; ask again later or add instances`, { retryAfterMs });
}

/** Why a request is not taken that would be answered after so long from now, by `late: shed`. */
export function tooLate({ settings, clock }: Door, request: PendingRequest, answeredInMs: number): string {
  const { call, timeoutAtMs, promisedAtMs } = request;
  const objectiveMs = settings.objective?.latencyMs ?? Number.POSITIVE_INFINITY;
  const timeoutMs = timeoutAtMs - call.arrivedAtMs;
  const promise = timeoutMs <= objectiveMs ? `timeout of ${formatMs(timeoutMs)}` : `objective of ${formatMs(objectiveMs)}`;
  if (answeredInMs === Number.POSITIVE_INFINITY) return `its ${promise} cannot be kept: nobody is ready to answer`;
  const takes = spokenMs(Math.ceil(10 * (clock.nowMs() - call.arrivedAtMs + answeredInMs)) / 10);
  const marginMs = Math.min(timeoutMs, objectiveMs) - (promisedAtMs - call.arrivedAtMs);
  const margin = marginMs < 0.05 ? '' : `, and ${formatMs(Number(marginMs.toPrecision(2)))} of it are held back for runs that take longer`;
  return `its ${promise} cannot be kept: an answer would take ${takes}${margin}`;
}

/** `mostAtOnce` functions are all there may be, and are busy; with null, more are starting. */
export function functionsAreBusy({ endpoint }: Door, why: string, mostAtOnce: number | null, retryAfterMs: number): PlatformError {
  const [state, cure] =
    mostAtOnce === null
      ? ['its functions are starting', 'ask again later']
      : [
          mostAtOnce === 1 ? 'the one function it may have at once is busy' : `all ${mostAtOnce} functions it may have at once are busy`,
          'ask again later or allow more with --max-concurrency',
        ];
  return new PlatformError('overloaded', `endpoint ${endpoint} is overloaded: ${why}; ${state}; ${cure}`, { retryAfterMs });
}

/** Nobody can be served, for no function can be had. */
export function cannotStart(
  { model }: Door,
  { reason, retryAfterMs }: { readonly reason: string; readonly retryAfterMs: number },
): PlatformError {
  const again = `the next attempt is made in ${Math.ceil(retryAfterMs / 1000)} s`;
  return new PlatformError('model_failed', `no function of ${model.name} could be started: ${reason}; ${again}`, { retryAfterMs });
}

/** Neither an instance nor a function makes it. */
export function cannotAnswer(
  { endpoint, settings }: Door,
  request: PendingRequest,
  retryAfterMs: number,
  shutReason: string | null,
): PlatformError {
  const isTimeout = request.timeoutAtMs <= request.promisedAtMs;
  const promise = isTimeout ? 'the timeout of this request' : `its objective of ${formatMs(settings.objective?.latencyMs ?? 0)}`;
  const why = shutReason ?? 'its instances are busy, and a function would be too late as well';
  return new PlatformError('overloaded', `endpoint ${endpoint} cannot answer within ${promise}: ${why}; ask again later`, { retryAfterMs });
}

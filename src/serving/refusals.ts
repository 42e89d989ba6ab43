/** What a request is told that is not taken. */
import { PlatformError } from '../errors.ts';
import type { PendingRequest } from './request.ts';
import type { Door } from './side.ts';

export function queueIsFull({ endpoint, settings }: Door, rowsWaiting: number, retryAfterMs: number): PlatformError {
  const text = `endpoint ${endpoint} is overloaded: ${rowsWaiting} rows wait already, ${settings.queueRowsMax} may`;
  return new PlatformError('overloaded', `${text}; ask again later or add instances`, { retryAfterMs });
}

/** Neither an instance nor a function makes it. */
export function cannotAnswer(
  { endpoint, settings }: Door,
  request: PendingRequest,
  retryAfterMs: number,
  shutReason: string | null,
): PlatformError {
  const isTimeout = request.timeoutAtMs <= request.promisedAtMs;
  const promise = isTimeout ? 'the timeout of this request' : `its objective of ${settings.objective?.latencyMs} ms`;
  const why = shutReason ?? 'its instances are busy, and a function would be too late as well';
  return new PlatformError('overloaded', `endpoint ${endpoint} cannot answer within ${promise}: ${why}; ask again later`, { retryAfterMs });
}

/** HTTP status of each error code, and the error body shared by all APIs except those of AWS. */
import type { ErrorCode, PlatformError } from '../errors.ts';

/** By Penstock's error code. */
export const httpStatus = {
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  already_exists: 409,
  wrong_state: 409,
  too_large: 413,
  overloaded: 429,
  model_failed: 500,
  internal: 500,
  unsupported: 501,
  unavailable: 503,
  deadline_exceeded: 504,
} as const satisfies Record<ErrorCode, number>;

/** The status of an error: the one that a model chose for its caller, or that of the code. */
export function httpStatusOf({ code, callerStatus }: Pick<PlatformError, 'code' | 'callerStatus'>): number {
  return callerStatus ?? httpStatus[code];
}

/** `{"error":"…","code":"…","hint"?:"…","request_id":"…"}` */
export function errorBody(
  error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string | undefined },
  requestId: string,
): string {
  return JSON.stringify({ error: error.message, code: error.code, hint: error.hint, request_id: requestId });
}

/** Headers of an error response: Retry-After and WWW-Authenticate. */
export function errorHeaders(error: PlatformError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (error.code === 'overloaded' || error.code === 'unavailable') {
    headers['retry-after'] = String(Math.max(1, Math.ceil((error.retryAfterMs ?? 1000) / 1000)));
  }
  if (error.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer realm="penstock"';
  return headers;
}

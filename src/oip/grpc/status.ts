/** Maps errors to gRPC statuses. */
import { Metadata, type ServerErrorResponse, status } from '@grpc/grpc-js';
import { asPlatformError, type ErrorCode, PlatformError } from '../../errors.ts';

/** By error code; a code without a row does not compile. */
export const grpcStatus = {
  invalid_request: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  wrong_state: status.FAILED_PRECONDITION,
  too_large: status.RESOURCE_EXHAUSTED,
  overloaded: status.RESOURCE_EXHAUSTED,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  model_failed: status.INTERNAL,
  unsupported: status.UNIMPLEMENTED,
  unavailable: status.UNAVAILABLE,
  internal: status.INTERNAL,
} as const satisfies Record<ErrorCode, status>;

/** Details are sent in a header, and clients limit headers. */
const detailsLengthMax = 2000;

/** `details` has the message and the hint, because clients show nothing else. */
export function grpcErrorOf(
  thrown: unknown,
  requestId: string,
): Required<Pick<ServerErrorResponse, 'code' | 'details' | 'metadata'>> & Error {
  const error = asPlatformError(thrown);
  const metadata = trailerOf(requestId);
  // Used by the retry policy of clients.
  if (error.retryAfterMs !== undefined) metadata.set('grpc-retry-pushback-ms', String(Math.ceil(error.retryAfterMs)));
  return Object.assign(new Error(error.message), { code: grpcStatus[error.code], details: detailsOf(error), metadata });
}

/** Message and hint as one text, truncated and safe for a header. */
export function detailsOf({ message, hint }: Pick<PlatformError, 'message' | 'hint'>): string {
  const text = hint === undefined ? message : `${message}; ${hint}`;
  // Truncation may split a surrogate pair, which cannot be written into a header.
  return text.slice(0, detailsLengthMax).toWellFormed();
}

/** The request id, by which the logs have the call. */
export function trailerOf(requestId: string): Metadata {
  const metadata = new Metadata();
  metadata.set('x-request-id', requestId);
  return metadata;
}

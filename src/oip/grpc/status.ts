/** How a refusal looks over gRPC. */
import { Metadata, type ServerErrorResponse, status } from '@grpc/grpc-js';
import { asPlatformError, type ErrorCode, PlatformError } from '../../errors.ts';

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

/** It travels in a header, and clients bound those. */
const detailsLengthMax = 2000;

/** The whole reason stands in `details`: clients show nothing else. */
export function statusOf(thrown: unknown, requestId: string): Pick<ServerErrorResponse, 'code' | 'details' | 'metadata'> & Error {
  const error = asPlatformError(thrown);
  const metadata = trailerOf(requestId);
  // What a client's retry policy looks for.
  if (error.retryAfterMs !== undefined) metadata.set('grpc-retry-pushback-ms', String(Math.ceil(error.retryAfterMs)));
  return Object.assign(new Error(error.message), { code: grpcStatus[error.code], details: detailsOf(error), metadata });
}

export function detailsOf({ message, hint }: Pick<PlatformError, 'message' | 'hint'>): string {
  const text = hint === undefined ? message : `${message}; ${hint}`;
  // Half a surrogate pair, where a client's own text was cut, cannot be written into a header.
  return text.slice(0, detailsLengthMax).toWellFormed();
}

export function trailerOf(requestId: string): Metadata {
  const metadata = new Metadata();
  metadata.set('x-request-id', requestId);
  return metadata;
}

/** Maps each error to its code and status per service. One table, so the compiler reports a missing entry. */
import type { ErrorCode } from '../../errors.ts';
import type { AwsServiceName } from '../service.ts';
import type { SignatureErrorReason } from './signatures/signature-error.ts';

/** AWS's error code and the HTTP status that SDKs expect with it. */
export interface CodeAndStatus {
  readonly code: string;
  readonly status: number;
}

/** JSON 1.1, JSON 1.0, REST-JSON of the runtime, query/XML, and REST-XML of S3. */
export type ErrorForm = 'json-1.1' | 'json-1.0' | 'rest-json' | 'query' | 'rest-xml';

type Codes = Readonly<Record<Exclude<ErrorCode, 'unauthenticated' | 'forbidden'>, CodeAndStatus>>;

const at = (status: number, code: string): CodeAndStatus => ({ code, status });

const tooLarge = at(413, 'RequestEntityTooLargeException');
const unknownOperation = at(400, 'UnknownOperationException');
const internalFailure = at(500, 'InternalFailure');
const throttling = at(400, 'ThrottlingException');

/** Errors that cannot occur in a service map to `internal`. */
function common(internal: CodeAndStatus) {
  return {
    too_large: tooLarge,
    overloaded: throttling,
    unsupported: unknownOperation,
    internal,
    model_failed: internal,
    deadline_exceeded: internal,
  };
}

/** By service, then by Penstock's error code. Services name the same problem differently. */
export const errorCodes = {
  sagemaker: {
    ...common(internalFailure),
    invalid_request: at(400, 'ValidationException'),
    not_found: at(400, 'ValidationException'),
    already_exists: at(400, 'ValidationException'),
    wrong_state: at(400, 'ValidationException'),
    unavailable: at(503, 'ServiceUnavailableException'),
  },
  'sagemaker-runtime': {
    ...common(internalFailure),
    invalid_request: at(400, 'ValidationError'),
    not_found: at(400, 'ValidationError'),
    already_exists: internalFailure,
    wrong_state: at(400, 'ValidationError'),
    overloaded: at(429, 'ThrottlingException'),
    unavailable: at(503, 'ServiceUnavailable'),
    model_failed: at(424, 'ModelError'),
    deadline_exceeded: at(424, 'ModelError'),
  },
  'application-autoscaling': {
    ...common(at(500, 'InternalServiceException')),
    invalid_request: at(400, 'ValidationException'),
    not_found: at(400, 'ObjectNotFoundException'),
    already_exists: at(500, 'InternalServiceException'),
    wrong_state: at(400, 'ConcurrentUpdateException'),
    unavailable: at(400, 'FailedResourceAccessException'),
  },
  // Codes of the query protocol. JSON 1.0 uses shape names instead (see error-replies.ts).
  cloudwatch: {
    ...common(at(500, 'InternalServiceError')),
    invalid_request: at(400, 'InvalidParameterValue'),
    not_found: at(404, 'ResourceNotFound'),
    already_exists: at(500, 'InternalServiceError'),
    wrong_state: at(500, 'InternalServiceError'),
    overloaded: at(400, 'Throttling'),
    unavailable: at(500, 'InternalServiceError'),
  },
  logs: {
    ...common(internalFailure),
    invalid_request: at(400, 'InvalidParameterException'),
    not_found: at(400, 'ResourceNotFoundException'),
    already_exists: at(400, 'ResourceAlreadyExistsException'),
    wrong_state: at(400, 'OperationAbortedException'),
    unavailable: at(503, 'ServiceUnavailableException'),
  },
  cloudtrail: {
    ...common(internalFailure),
    invalid_request: at(400, 'InvalidLookupAttributesException'),
    not_found: internalFailure,
    already_exists: internalFailure,
    wrong_state: internalFailure,
    unavailable: at(503, 'ServiceUnavailableException'),
  },
  events: {
    ...common(at(500, 'InternalException')),
    invalid_request: at(400, 'ValidationException'),
    not_found: at(400, 'ResourceNotFoundException'),
    already_exists: at(500, 'InternalException'),
    wrong_state: at(400, 'ConcurrentModificationException'),
    unavailable: at(500, 'InternalException'),
  },
  sts: {
    ...common(internalFailure),
    invalid_request: at(400, 'ValidationError'),
    not_found: internalFailure,
    already_exists: internalFailure,
    wrong_state: internalFailure,
    overloaded: at(400, 'Throttling'),
    unavailable: at(503, 'ServiceUnavailable'),
  },
  iam: {
    ...common(at(500, 'ServiceFailure')),
    invalid_request: at(400, 'ValidationError'),
    not_found: at(404, 'NoSuchEntity'),
    already_exists: at(500, 'ServiceFailure'),
    wrong_state: at(500, 'ServiceFailure'),
    overloaded: at(400, 'Throttling'),
    unavailable: at(503, 'ServiceUnavailable'),
  },
  s3: {
    ...common(at(500, 'InternalError')),
    invalid_request: at(400, 'InvalidArgument'),
    not_found: at(404, 'NoSuchKey'),
    already_exists: at(409, 'BucketAlreadyOwnedByYou'),
    wrong_state: at(409, 'BucketNotEmpty'),
    too_large: at(400, 'EntityTooLarge'),
    overloaded: at(503, 'SlowDown'),
    unsupported: at(501, 'NotImplemented'),
    unavailable: at(503, 'ServiceUnavailable'),
  },
} as const satisfies Record<AwsServiceName, Codes>;

type Refusal = SignatureErrorReason | 'forbidden';

const jsonRefusals = {
  missing: at(403, 'MissingAuthenticationTokenException'),
  malformed: at(400, 'IncompleteSignatureException'),
  'unknown-access-key': at(403, 'UnrecognizedClientException'),
  'invalid-token': at(403, 'UnrecognizedClientException'),
  'expired-token': at(403, 'ExpiredTokenException'),
  'unsigned-header': at(403, 'InvalidSignatureException'),
  'signature-mismatch': at(403, 'InvalidSignatureException'),
  'clock-skew': at(403, 'InvalidSignatureException'),
  expired: at(403, 'InvalidSignatureException'),
  'payload-hash-mismatch': at(403, 'InvalidSignatureException'),
  forbidden: at(403, 'AccessDeniedException'),
} as const satisfies Record<Refusal, CodeAndStatus>;

/** Authentication and authorization errors. Their codes depend on the protocol, not on the service. */
export const rejectionCodes = {
  'json-1.1': jsonRefusals,
  'json-1.0': jsonRefusals,
  'rest-json': jsonRefusals,
  query: {
    missing: at(403, 'MissingAuthenticationToken'),
    malformed: at(400, 'IncompleteSignature'),
    'unknown-access-key': at(403, 'InvalidClientTokenId'),
    'invalid-token': at(403, 'InvalidClientTokenId'),
    'expired-token': at(403, 'ExpiredToken'),
    'unsigned-header': at(403, 'SignatureDoesNotMatch'),
    'signature-mismatch': at(403, 'SignatureDoesNotMatch'),
    'clock-skew': at(403, 'SignatureDoesNotMatch'),
    expired: at(403, 'SignatureDoesNotMatch'),
    'payload-hash-mismatch': at(403, 'SignatureDoesNotMatch'),
    forbidden: at(403, 'AccessDenied'),
  },
  'rest-xml': {
    missing: at(403, 'AccessDenied'),
    malformed: at(400, 'AuthorizationHeaderMalformed'),
    'unknown-access-key': at(403, 'InvalidAccessKeyId'),
    'invalid-token': at(400, 'InvalidToken'),
    'expired-token': at(400, 'ExpiredToken'),
    'unsigned-header': at(403, 'AccessDenied'),
    'signature-mismatch': at(403, 'SignatureDoesNotMatch'),
    'clock-skew': at(403, 'RequestTimeTooSkewed'),
    expired: at(403, 'AccessDenied'),
    'payload-hash-mismatch': at(400, 'XAmzContentSHA256Mismatch'),
    forbidden: at(403, 'AccessDenied'),
  },
} as const satisfies Record<ErrorForm, Record<Refusal, CodeAndStatus>>;

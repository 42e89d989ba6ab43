/** Maps errors of an S3 client to platform errors: an operator must see at once whether the network, the bucket or the credentials are at fault. Pure. */
import { messageOf, PlatformError } from '../../errors.ts';

const retryAfterMs = 5000;

interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Whether there is no such object, as opposed to no such bucket. A HEAD request has no body that would tell them apart. */
export function isMissingKey(error: unknown): boolean {
  const { name, $metadata } = error as SdkError;
  return name === 'NoSuchKey' || (name === 'NotFound' && $metadata?.httpStatusCode === 404);
}

const credentials = 'check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, and that the key may read and write there';

const remedies: readonly (readonly [RegExp, string])[] = [
  [/^NoSuchBucket$/, 'the bucket does not exist: create it, or correct --objects'],
  [/^(?:AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|403)$/, `it rejected the credentials: ${credentials}`],
  [/^(?:CredentialsProviderError|CredentialsError)$/, `there are no credentials: ${credentials}`],
  [/^RequestTimeTooSkewed$/, 'the clocks of this machine and of the store differ: set them'],
  [
    /^(?:PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$/,
    'the bucket is in another region: set AWS_REGION',
  ],
];

/** `doing`: `write objects in s3://models`. Returns a `PlatformError` unchanged. */
export function s3FailureOf(error: unknown, doing: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const { name = '', code, $metadata } = error as SdkError;
  const remedy = remedies.find(([pattern]) => pattern.test(name))?.[1];
  const message =
    remedy ??
    `${code ?? name}: ${messageOf(error).replace(/\.+$/, '')}${$metadata?.httpStatusCode === undefined ? '. Check that the store is running and reachable' : ''}`;
  return new PlatformError('unavailable', `cannot ${doing}: ${message}`, { cause: error, retryAfterMs });
}

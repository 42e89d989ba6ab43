/**
 * The interface between an AWS service and the router. The router authenticates the caller, decodes the protocol and validates the input
 * against the service's shapes. It also encodes the output or the error in the caller's protocol.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Caller } from '../access/index.ts';

/** The account and region that this installation reports and uses in its ARNs. */
export interface AwsLocation {
  /** 12 digits. */
  readonly account: string;
  /** `us-east-1` */
  readonly region: string;
}

/** One call with a verified signature. */
export interface AwsCall extends AwsLocation {
  /** `CreateEndpoint` */
  readonly operation: string;
  readonly caller: Caller;
  readonly requestId: string;
  readonly remoteAddress: string | undefined;
  readonly userAgent: string | undefined;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
}

/** Members as received, validated against the shape. Unknown members are retained. Times are epoch milliseconds. */
export type AwsInput = Readonly<Record<string, unknown>>;

/** Members of the output shape. Times are `Date`; absent members are omitted. */
export type AwsOutput = Readonly<Record<string, unknown>>;

/** Throws `AwsError`, or `PlatformError`, which each protocol maps to one of its own codes. */
export type AwsOperation = (input: AwsInput, call: AwsCall) => Promise<AwsOutput> | AwsOutput;

/** A service whose calls are documents: JSON 1.1, JSON 1.0, query. */
export interface AwsService {
  readonly name: AwsServiceName;
  readonly operations: Readonly<Record<string, AwsOperation>>;
}

export type AwsServiceName =
  | 'sagemaker'
  | 'sagemaker-runtime'
  | 'application-autoscaling'
  | 'cloudwatch'
  | 'logs'
  | 'cloudtrail'
  | 'events'
  | 's3'
  | 'sts'
  | 'iam';

/** A request with a verified signature, for services that read their own bodies: the runtime and S3. */
export interface VerifiedRequest extends AwsLocation {
  readonly caller: Caller;
  readonly requestId: string;
  readonly method: string;
  /** Percent-encoded as received, without the mount prefix and the query. */
  readonly path: string;
  /** The bucket named by `Host` in S3's virtual host style; null in path style and for other services. */
  readonly hostBucket: string | null;
  /** Decoded, in order of arrival, without the parameters of the signature. */
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Length of the decoded body; null if the client did not declare it. */
  readonly contentLength: number | null;
  /**
   * The body without aws-chunked framing. It ends with an error if its hash, checksum or trailers are wrong, so nothing may be published
   * before a clean end.
   */
  readonly body: Readable;
  /** Verified `x-amz-checksum-*` trailers by name. Null until the body has ended cleanly; empty if it has no trailers. */
  trailers(): Readonly<Record<string, string>> | null;
  /** Reads the whole body and verifies it. Throws `too_large` beyond `bytesMax`. */
  readBody(bytesMax: number): Promise<Buffer>;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
}

/** Writes its own responses. An error thrown before any header was sent is encoded in the caller's protocol. */
export interface AwsStreamService {
  readonly name: 's3' | 'sagemaker-runtime';
  handle(request: VerifiedRequest, response: ServerResponse): Promise<void>;
}

/** An AWS error that has no platform error code, or whose code on the wire differs from it. */
export class AwsError extends Error {
  /** `ValidationException` */
  readonly code: string;
  readonly httpStatus: number;
  /** Additional members of the error's shape. */
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: string,
    message: string,
    options: { httpStatus?: number; members?: Record<string, unknown>; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AwsError';
    this.code = code;
    this.httpStatus = options.httpStatus ?? 400;
    this.members = options.members ?? {};
    this.headers = options.headers ?? {};
  }
}

/**
 * What an AWS service is to the door. The door has verified who calls, decoded the protocol and checked the input
 * against the service's shapes before it asks; it encodes the answer, and the error, as the caller's protocol wants.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Caller } from '../access/index.ts';

/** Where this installation says it is: what its ARNs bear. */
export interface AwsPlace {
  /** 12 digits. */
  readonly account: string;
  /** `us-east-1` */
  readonly region: string;
}

/** One call whose signature was verified. */
export interface AwsCall extends AwsPlace {
  /** `CreateEndpoint` */
  readonly operation: string;
  readonly caller: Caller;
  readonly requestId: string;
  /** Where it came from. */
  readonly remoteAddress: string | undefined;
  readonly userAgent: string | undefined;
  /** The client has gone. */
  readonly signal: AbortSignal;
}

/** Members as they came, checked against the shape; unknown ones are kept. Times are epoch milliseconds. */
export type AwsInput = Readonly<Record<string, unknown>>;

/** Members of the output shape. Times are `Date`, absent members are left out. */
export type AwsOutput = Readonly<Record<string, unknown>>;

/** Throws `AwsError`, or `PlatformError`, for which each protocol has its table. */
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
  | 'sts';

/** A request whose signature was verified, where the service reads bodies by itself: the runtime, S3. */
export interface VerifiedRequest extends AwsPlace {
  readonly caller: Caller;
  readonly requestId: string;
  readonly method: string;
  /** Percent-encoded as it came, without the mount prefix and the query. */
  readonly path: string;
  /** For S3 in virtual host style: the bucket named by `Host`; null in path style and elsewhere. */
  readonly hostBucket: string | null;
  /** Decoded, in the order they came; without the members of a signature. */
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Of the body with its framing undone; null where the client did not say. */
  readonly contentLength: number | null;
  /**
   * The body with aws-chunked framing undone. It ends with an error where its hash, its checksum or its trailers are
   * wrong, so nothing may be published before it has ended well.
   */
  readonly body: Readable;
  /** `x-amz-checksum-*` by name, as trailers of the body brought them, verified; null until the body has ended well, empty where there are none. */
  trailers(): Readonly<Record<string, string>> | null;
  /** The whole body, verified. Throws `too_large` beyond `bytesMax`. */
  readBody(bytesMax: number): Promise<Buffer>;
  /** The client has gone. */
  readonly signal: AbortSignal;
}

/** Answers by itself; what it throws is encoded as its protocol wants while no header has been sent. */
export interface AwsStreamService {
  readonly name: 's3' | 'sagemaker-runtime';
  handle(request: VerifiedRequest, response: ServerResponse): Promise<void>;
}

/** An answer of AWS that has no code of our own, or a name of its own on the wire. */
export class AwsError extends Error {
  /** `ValidationException` */
  readonly code: string;
  readonly httpStatus: number;
  /** More members of the error's shape. */
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

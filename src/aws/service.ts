/**
 * The interface between an AWS service and the router. The router authenticates the caller, decodes the protocol and validates the input
 * against the service's shapes. It also encodes the output or the error in the caller's protocol.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { type Action, type Caller, type Permission, permissionFor } from '../access/index.ts';

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
  /** Aborts when the client disconnects, and when the server drains: stop waiting for changes. */
  readonly signal: AbortSignal;
}

/** Members as received, validated against the shape. Unknown members are retained. Times are epoch milliseconds. */
export type AwsInput = Readonly<Record<string, unknown>>;

/** Members of the output shape. Times are `Date`; absent members are omitted. */
export type AwsOutput = Readonly<Record<string, unknown>>;

/** Throws `AwsError`, or `PlatformError`, which each protocol maps to one of its own codes. */
export type OperationRun = (input: AwsInput, call: AwsCall) => Promise<AwsOutput> | AwsOutput;

/** What the audit records of a change. The caller, the input without secrets, and the outcome are always recorded. */
export interface AuditRule {
  /** The member that names the target. By default the most specific one that names a resource. */
  readonly target?: string;
  /** A member that is too large to record. */
  readonly omit?: string;
}

/** One operation: who may call it, what the audit records of it, and what it does. AWS's model has its shapes, under the same name. */
export interface AwsOperation {
  /** The action that it performs, which decides the permission; it may depend on the input. Null if any valid key may call the operation. */
  readonly action: Action | ((input: AwsInput) => Action) | null;
  /** Null if a success is not audited, as those of reads and of data. */
  readonly audit: AuditRule | null;
  readonly run: OperationRun;
}

/** An operation that only reads. */
export function readOperation(action: AwsOperation['action'], run: OperationRun): AwsOperation {
  return { action, audit: null, run };
}

/** An operation that sends data rather than change the configuration. Like CloudTrail, the audit does not record it. */
export function dataOperation(action: AwsOperation['action'], run: OperationRun): AwsOperation {
  return { action, audit: null, run };
}

/** An operation that changes something. The audit records each success, unless the changed module has recorded it already. */
export function changeOperation(action: AwsOperation['action'], run: OperationRun, audit: AuditRule = {}): AwsOperation {
  return { action, audit, run };
}

/** Null if any valid key may call the operation with this input. */
export function permissionOf({ action }: Pick<AwsOperation, 'action'>, input: AwsInput): Permission | null {
  const performed = typeof action === 'function' ? action(input) : action;
  return performed === null ? null : permissionFor(performed);
}

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

/** The service prefix in the actions of AWS policies. */
export const actionPrefixes = {
  sagemaker: 'sagemaker',
  'sagemaker-runtime': 'sagemaker',
  'application-autoscaling': 'application-autoscaling',
  cloudwatch: 'cloudwatch',
  logs: 'logs',
  cloudtrail: 'cloudtrail',
  events: 'events',
  s3: 's3',
  sts: 'sts',
  iam: 'iam',
} as const satisfies Record<AwsServiceName, string>;

/** Covers all operations of the runtime, because it is checked before the path is parsed. */
export const runtimeAction = 'invoke endpoint' satisfies Action;

export const runtimeOperations: readonly string[] = ['InvokeEndpoint', 'InvokeEndpointAsync', 'InvokeEndpointWithResponseStream'];

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

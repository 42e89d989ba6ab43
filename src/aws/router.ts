/**
 * The router of the AWS APIs. One listener serves all services, at `/` and below `/aws`:
 *
 * 1. `isAwsRequest` (wire/route.ts) decides whether a request belongs to an AWS API, whatever its path.
 * 2. `parseAwsRoute` derives the service and the error format from the scope of the signature.
 * 3. `Admissions` (wire/admission.ts) verifies the signature: Signature Version 4 in a header or query, or Version 2 in an
 *    S3 query. The key decides the role. Every request needs a key, even on loopback.
 * 4. The runtime and S3 read their own bodies (`AwsStreamService`), verified as they stream (wire/verified.ts).
 *    Calls of all other services are documents (`AwsService`): decoded from JSON or a form, checked against AWS's shapes
 *    (shapes/), executed and encoded (wire/document-call.ts).
 * 5. Errors are encoded in the protocol of the caller (wire/error-replies.ts, wire/error-codes.ts).
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Access, type Caller, type Permission, permissionFor } from '../access/index.ts';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import {
  accessFields,
  type BodyBudget,
  clientClosedRequest,
  isBrokenOff,
  type Listener,
  respond,
  type WriteAccess,
} from '../http/index.ts';
import type { Log } from '../logs/index.ts';
import { type ActionEntry, isAuditAction, isRecorded, type Origin, unknownCaller, withOrigin } from '../records/index.ts';
import { auditOutcome, auditParameters } from './call-parameters.ts';
import { callerArn } from './identity/role-arn.ts';
import { EndpointNotFound } from './runtime/model-error.ts';
import {
  type AwsCall,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  type AwsOutput,
  type AwsService,
  type AwsServiceName,
  type AwsStreamService,
  actionPrefixes,
  permissionOf,
  runtimeAction,
} from './service.ts';
import type { OperationShapes } from './shapes/shapes.ts';
import { type Admission, Admissions } from './wire/admission.ts';
import { checkedInput, type DocumentService, decodeCall, documentService, encodeDocumentReply, unpacked } from './wire/document-call.ts';
import { errorReply, wireErrorOf } from './wire/error-replies.ts';
import { auditTargetOf, bucketOperation, type RejectedAwsCall, rejectedCallOf, unsignedCallOf } from './wire/rejected-call.ts';
import { awaitsContinue, discardRest, readEntireBody } from './wire/request-body.ts';
import { type AwsRoute, hostBucketOf, isAwsRequest, parseAwsRoute, withoutMount } from './wire/route.ts';
import { isHash, payloadMismatch } from './wire/signatures/body-check.ts';
import type { SignedRequest } from './wire/signatures/signature.ts';
import { SignatureError, type SignatureErrorReason } from './wire/signatures/signature-error.ts';
import { sha256Hex } from './wire/signatures/signature-v4.ts';
import { signalOf, VerifiedCall } from './wire/signatures/verified.ts';

export interface AwsRouterLimits {
  /** Limit for the body of a document call. */
  readonly documentBytesMax: number;
  /** Limit for a compressed body after decompression. */
  readonly unpackedBytesMax: number;
  /** Limit for an inference request that must be read whole to verify its signature. */
  readonly invocationBytesMax: number;
  /** How much of a rejected inference body is read and discarded to keep its connection open. */
  readonly droppedBytesMax: number;
}

const defaultLimits: AwsRouterLimits = {
  documentBytesMax: 4 * 2 ** 20,
  unpackedBytesMax: 2 ** 20,
  invocationBytesMax: 6_291_456,
  droppedBytesMax: 64 * 2 ** 20,
};

export interface AwsRouterOptions {
  readonly services: readonly AwsService[];
  readonly streams: readonly AwsStreamService[];
  readonly access: Pick<Access, 'signerFor' | 'require' | 'failedFrom'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly log: Log;
  readonly awsLocation: AwsLocation;
  /** Memory budget shared by all bodies that are read whole. S3 objects stream and do not count. */
  readonly budget: BodyBudget;
  /** Host names of this server besides `localhost`. A prefix before one of them in `Host` is a bucket name. */
  readonly hostNames?: readonly string[];
  readonly limits?: Partial<AwsRouterLimits>;
  /** Called at the end of each control call, and for each invocation rejected before it reached the runtime. */
  readonly writeAccess?: WriteAccess;
  /** Called for each successful change that its service did not record in the audit itself. */
  readonly onDone?: (done: ActionEntry) => Promise<void>;
  /** Called for each rejected change, and for each request with a missing or invalid signature. */
  readonly onRefused?: (who: string, refused: RejectedAwsCall) => Promise<void>;
}

/** These errors produce no entry in the request log, so the access log must record them. */
function isRejectedOnEntry(error: unknown): boolean {
  if (error instanceof SignatureError || error instanceof EndpointNotFound) return true;
  return error instanceof PlatformError && error.code === 'forbidden';
}

/** Reasons that count as a failed login attempt of the remote address. */
const wrongKey: readonly SignatureErrorReason[] = ['unknown-access-key', 'invalid-token', 'signature-mismatch'];

/** Null means that any valid key may call the operation. */
const unaudited: readonly (Permission | null)[] = ['read', 'invoke', null];

/** A change that succeeded. */
interface Change {
  readonly input: AwsInput;
  readonly output: AwsOutput;
  readonly rule: NonNullable<AwsOperation['audit']>;
}

/** State of a request while it is handled. */
interface RequestState {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly signed: SignedRequest;
  /** Without the mount prefix. */
  readonly path: string;
  readonly route: AwsRoute;
  /** Null until the document is decoded. */
  operation: OperationShapes | null;
  /** `CreateEndpoint`. Undefined for stream services, whose path names the operation. */
  operationName: string | undefined;
  /** Set only for calls that may be audited. */
  parameters: Readonly<Record<string, unknown>> | undefined;
  /** The key id; null until the signature is verified. */
  caller: string | null;
  /** Epoch milliseconds; 0 for invocations, which have their own log. */
  readonly receivedAtMs: number;
}

/** Operations that the credentials of a training job are good for, beside those of buckets and the runtime. */
const jobOperations: Readonly<Partial<Record<AwsServiceName, readonly string[]>>> = {
  cloudwatch: ['PutMetricData'],
  sts: ['GetCallerIdentity'],
};

export class AwsRouter {
  readonly #options: AwsRouterOptions;
  readonly #limits: AwsRouterLimits;
  readonly #documents: ReadonlyMap<AwsServiceName, DocumentService>;
  readonly #streams: ReadonlyMap<AwsServiceName, AwsStreamService>;
  readonly #admissions: Admissions;
  /** The calls in progress. */
  readonly #controllers = new Set<AbortController>();
  #isDraining = false;
  #extendTimeout: (request: IncomingMessage) => void = () => {};

  constructor(options: AwsRouterOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const names = [...options.services, ...options.streams].map(({ name }) => name);
    assert(new Set(names).size === names.length, `duplicate AWS service: expected unique names, got ${names.join(', ')}`);
    this.#documents = new Map(options.services.map((service) => [service.name, documentService(service)]));
    this.#streams = new Map(options.streams.map((service) => [service.name, service]));
    this.#admissions = new Admissions(options);
  }

  /** Must be called before the server starts listening. */
  mount(listener: Pick<Listener, 'claim' | 'extendTimeout'>): void {
    this.#extendTimeout = (request) => listener.extendTimeout(request);
    listener.claim(isAwsRequest, (request, response, path, query) => void this.handle(request, response, path, query));
  }

  /** Answers calls that are held for a change, and holds no others. */
  endHolds(): void {
    this.#isDraining = true;
    for (const controller of this.#controllers) controller.abort();
  }

  /** Sends a response in every case; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse, path: string, query: string): Promise<void> {
    const signed: SignedRequest = { method: request.method ?? '', path, query, headers: request.headers };
    const inner = withoutMount(path);
    const route = parseAwsRoute(signed, inner);
    const receivedAtMs = route.service === 'sagemaker-runtime' ? 0 : this.#options.clock.wallMs();
    const state: RequestState = {
      request,
      response,
      requestId: randomUUID(),
      signed,
      path: inner,
      route,
      operation: null,
      operationName: undefined,
      parameters: undefined,
      caller: null,
      receivedAtMs,
    };
    try {
      await this.#serve(state);
      if (receivedAtMs > 0) this.#logAccess(state);
    } catch (error) {
      if (isBrokenOff(request)) {
        response.statusCode = clientClosedRequest;
        response.destroy();
        if (receivedAtMs > 0) this.#logAccess(state);
        return;
      }
      await this.#reject(state, this.#rateLimited(state, error)).catch((failure: unknown) => {
        this.#log(state, failure, 'failed to send an error response');
        response.destroy();
      });
      if (receivedAtMs > 0 || isRejectedOnEntry(error)) this.#logAccess(state);
    }
  }

  #logAccess({ request, response, requestId, operationName: operation, caller, receivedAtMs }: RequestState): void {
    const atMs = this.#options.clock.wallMs();
    const [status, ms] = [response.statusCode, receivedAtMs === 0 ? 0 : atMs - receivedAtMs];
    this.#options.writeAccess?.({ ...accessFields(request), atMs, requestId, protocol: 'aws', operation, status, ms, who: caller });
  }

  async #serve(state: RequestState): Promise<void> {
    const { request, response, signed, route, path } = state;
    const hostBucket = route.service === 's3' ? hostBucketOf(signed.headers.host, this.#options.hostNames ?? []) : null;
    const bytesMax = route.service === 'sagemaker-runtime' ? this.#limits.invocationBytesMax : this.#limits.documentBytesMax;
    const context = { path, hostBucket, isS3: route.service === 's3', bytesMax };
    const admission = await this.#admissions.admit(request, response, signed, context);
    state.caller = admission.caller.keyId;
    const { limiter } = admission.caller;
    if (limiter !== undefined) response.once('close', limiter.begin());
    const stream = route.service === null ? undefined : this.#streams.get(route.service);
    if (stream !== undefined) return this.#stream(stream, state, admission, hostBucket);
    const service = route.service === null ? undefined : this.#documents.get(route.service);
    if (service === undefined) throw this.#unknownService(route);
    await this.#call(service, state, admission);
  }

  async #stream(service: AwsStreamService, state: RequestState, admission: Admission, hostBucket: string | null): Promise<void> {
    const { request, response, requestId, path } = state;
    // S3 checks permissions per operation itself.
    if (service.name === 'sagemaker-runtime') this.#require(admission.caller, permissionFor(runtimeAction), service.name, 'InvokeEndpoint');
    if (service.name === 's3') this.#extendTimeout(request);
    response.setHeader(service.name === 's3' ? 'x-amz-request-id' : 'x-amzn-requestid', requestId);
    const { budget, awsLocation } = this.#options;
    const verified = new VerifiedCall(request, response, { ...admission, ...awsLocation, budget, requestId, path, hostBucket });
    // Invocations skip the audit and the access log: they are frequent and have their own log.
    if (service.name === 'sagemaker-runtime') return service.handle(verified, response);
    // The audit covers S3 buckets but not objects.
    state.parameters = { bucketName: (hostBucket ?? path.split('/')[1] ?? '').slice(0, 255) };
    await withOrigin(this.#originOf(state), async () => {
      try {
        await service.handle(verified, response);
      } catch (error) {
        const action = bucketOperation(verified.method, path, verified.query);
        if (action !== null && hostBucket === null)
          await this.#auditRejection(verified.caller.keyId, rejectedCallOf('s3', action, { Name: path.slice(1) }, error));
        throw error;
      }
    });
  }

  async #auditRejection(who: string, rejected: RejectedAwsCall): Promise<void> {
    await this.#options.onRefused?.(who, rejected);
  }

  async #call(service: DocumentService, state: RequestState, admission: Admission): Promise<void> {
    const { request, response, requestId, signed, route } = state;
    const body = admission.wholeBody ?? (await this.#readDocument(request, response, admission));
    const plain = await unpacked(body, signed.headers, this.#limits.unpackedBytesMax);
    const isInQuery = route.form === 'query' && signed.method === 'GET';
    const call = decodeCall(service, route.form, signed.headers, isInQuery ? Buffer.from(signed.query, 'latin1') : plain);
    state.operation = call.shapes;
    state.operationName = call.operation;
    const { name } = service.service;
    const { audit, run } = call.row;
    const permission = permissionOf(call.row, call.document);
    const { caller } = admission;
    if (audit !== null || !unaudited.includes(permission)) state.parameters = auditParameters(call.document, call.shapes.input);
    const output = await withOrigin(this.#originOf(state), async () => {
      try {
        if (caller.assumed?.job !== undefined) this.#requireOfJob(caller, name, call.operation);
        if (permission !== null) this.#require(caller, permission, name, call.operation);
        const input = checkedInput(call);
        const done = await run(input, this.#awsCall(state, caller, call.operation));
        if (audit !== null) await this.#auditAction(caller.keyId, call.operation, { input, output: done, rule: audit });
        return done;
      } catch (error) {
        // Reads, invocations and operations open to any key are not audited.
        if (!unaudited.includes(permission))
          await this.#auditRejection(caller.keyId, rejectedCallOf(name, call.operation, call.document, error));
        throw error;
      }
    });
    if (response.destroyed) return;
    const { xmlNamespace } = service.shapes;
    const reply = encodeDocumentReply(call, output, route.form, { xmlNamespace, requestId });
    respond(request, response, 200, ['content-type', reply.contentType, 'x-amzn-requestid', requestId], reply.body);
  }

  async #auditAction(who: string, operation: string, { input, output, rule }: Change): Promise<void> {
    if (!isAuditAction(operation) || isRecorded()) return;
    const target = auditTargetOf(input, rule.target);
    await this.#options.onDone?.({ who, action: operation, target, ...auditOutcome(input, output, rule) });
  }

  async #readDocument(request: IncomingMessage, response: ServerResponse, { promises }: Admission): Promise<Buffer> {
    const body = await readEntireBody(request, response, { limitBytes: this.#limits.documentBytesMax, budget: this.#options.budget });
    if (isHash(promises.payload) && sha256Hex(body) !== promises.payload) throw payloadMismatch();
    return body;
  }

  #awsCall({ request, response, requestId }: RequestState, caller: Caller, operation: string): AwsCall {
    return {
      ...this.#options.awsLocation,
      operation,
      caller,
      requestId,
      remoteAddress: request.socket.remoteAddress,
      userAgent: request.headers['user-agent'],
      signal: this.#signalOf(response),
    };
  }

  #signalOf(response: ServerResponse): AbortSignal {
    const controller = new AbortController();
    const disconnected = signalOf(response);
    if (this.#isDraining || disconnected.aborted) controller.abort();
    else {
      this.#controllers.add(controller);
      disconnected.addEventListener('abort', () => controller.abort(), { once: true });
      response.once('close', () => this.#controllers.delete(controller));
    }
    return controller.signal;
  }

  #originOf({ request, requestId, operationName, parameters }: RequestState): Origin {
    const { socket, headers } = request;
    const from = { remoteAddress: socket.remoteAddress ?? '', userAgent: headers['user-agent'] ?? '' };
    const called = operationName === undefined ? {} : { operation: operationName };
    return { protocol: 'aws', ...from, requestId, ...called, ...(parameters === undefined ? {} : { parameters: parameters }) };
  }

  /** Throws `forbidden` with AWS's text, followed by the platform's own in parentheses. */
  #require(caller: Caller, permission: Permission, service: AwsServiceName, operation: string): void {
    try {
      this.#options.access.require(caller, permission);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      const user = callerArn(caller, this.#options.awsLocation);
      const action = `${actionPrefixes[service]}:${operation}`;
      throw new PlatformError('forbidden', `User: ${user} is not authorized to perform: ${action} (${error.message})`, { cause: error });
    }
  }

  /** The code of a training job reports metrics, and calls no other documents. Throws `forbidden`. */
  #requireOfJob(caller: Caller, service: AwsServiceName, operation: string): void {
    if (jobOperations[service]?.includes(operation) === true) return;
    const action = `${actionPrefixes[service]}:${operation}`;
    const why = 'the code of a training job may use buckets, put metrics and invoke endpoints';
    throw new PlatformError(
      'forbidden',
      `User: ${callerArn(caller, this.#options.awsLocation)} is not authorized to perform: ${action} (${why})`,
    );
  }

  #unknownService({ scope }: AwsRoute): PlatformError {
    const names = [...this.#documents.keys(), ...this.#streams.keys()].sort().join(', ');
    return new PlatformError('unsupported', `unknown service '${scope ?? ''}': expected one of ${names}`);
  }

  #log({ requestId, path }: RequestState, thrown: unknown, what: string): void {
    const stack = thrown instanceof Error ? thrown.stack : String(thrown);
    this.#options.log.error({ requestId, path, stack }, what);
  }

  /** Replaces the error if its remote address has sent too many invalid keys. */
  #rateLimited({ request }: RequestState, thrown: unknown): unknown {
    if (!(thrown instanceof SignatureError) || !wrongKey.includes(thrown.reason)) return thrown;
    return this.#options.access.failedFrom(request.socket.remoteAddress) ?? thrown;
  }

  async #reject(state: RequestState, thrown: unknown): Promise<void> {
    const { request, response, requestId, route, path, operation } = state;
    const service = route.service ?? (route.form === 'query' ? 'sts' : 'sagemaker');
    const error = wireErrorOf(thrown, service, route.form, requestId);
    if (thrown instanceof SignatureError) {
      await withOrigin(this.#originOf(state), () => this.#auditRejection(unknownCaller, unsignedCallOf(route, state.signed, path, thrown)));
    }
    if (error.isOurs) this.#log(state, thrown, 'an AWS request failed');
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const shapes = this.#documents.get(service)?.shapes ?? null;
    const reply = errorReply(error, route.form, { requestId, resource: path, shapes, operation });
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    // A client that was never asked to continue may send either its body or its next request, which cannot be told apart: close the
    // connection.
    if (awaitsContinue(request, response)) {
      response.shouldKeepAlive = false;
      response.writeHead(reply.status, [...reply.headers, 'content-length', String(Buffer.byteLength(reply.body))]).end(reply.body);
      return;
    }
    if (!(thrown instanceof SignatureError)) await discardRest(request, this.#limits.droppedBytesMax);
    respond(request, response, reply.status, reply.headers, reply.body);
  }
}

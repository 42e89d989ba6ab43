/**
 * The door of AWS's services. One listener serves them all, at `/` and below `/aws`:
 *
 * 1. `isAwsRequest` (wire/route.ts) tells whether a request is one of AWS's, whatever its path.
 * 2. `routeOf` reads from the signature's scope which service it is for, and so in which form to refuse it.
 * 3. `Admissions` (wire/admission.ts) verifies the signature: Signature Version 4 in a header or a query, Version 2 in a
 *    query of S3. The key decides the role; no request comes in without one, not even on loopback.
 * 4. The runtime and S3 read their bodies by themselves (`AwsStreamService`), verified while they come (wire/verified.ts).
 *    The calls of all others are documents (`AwsService`): decoded from JSON or a form, checked against AWS's own shapes
 *    (shapes/), run, encoded (wire/document-call.ts).
 * 5. What is thrown is told in the caller's protocol (wire/error-replies.ts, wire/error-codes.ts).
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access, Caller, Permission } from '../access/index.ts';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { accessFields, answer, type BodyBudget, type Listener, type WriteAccess } from '../http/index.ts';
import { type DeedEntry, isDeed, isRecorded, type Log, type Origin, unknownCaller, withOrigin } from '../monitoring/index.ts';
import { askedOf } from './asked.ts';
import { withoutSecrets } from './recorded.ts';
import { EndpointNotFound } from './runtime/endpoint-not-found.ts';
import type { AwsCall, AwsInput, AwsPlace, AwsService, AwsServiceName, AwsStreamService } from './service.ts';
import type { OperationShapes } from './shapes/shapes.ts';
import { type Admission, Admissions } from './wire/admission.ts';
import { isHash, payloadMismatch } from './wire/body-check.ts';
import { checkedInput, type DocumentService, decodeCall, documentService, encodeAnswer, unpacked } from './wire/document-call.ts';
import { errorReply, wireErrorOf } from './wire/error-replies.ts';
import { actionPrefixes, isChange, permissionOf } from './wire/permissions.ts';
import { bucketOperation, type RefusedCall, refusedCall, targetOf, unsignedCall } from './wire/refused-call.ts';
import { dropRest, isWaiting, readWhole } from './wire/request-body.ts';
import { hostBucketOf, isAwsRequest, type Route, routeOf, withoutMount } from './wire/route.ts';
import type { SignedRequest } from './wire/signature.ts';
import { SignatureRefusal } from './wire/signature-refusal.ts';
import { sha256Hex } from './wire/signature-v4.ts';
import { signalOf, Verified } from './wire/verified.ts';

export interface AwsDoorLimits {
  /** Of the body of a call that is a document. */
  readonly documentBytesMax: number;
  /** Of one that came packed, once it is unpacked. */
  readonly unpackedBytesMax: number;
  /** Of an inference request that must be read whole before its caller is known. */
  readonly invocationBytesMax: number;
  /** How much of a refused inference request is read, so that its connection lives on. */
  readonly droppedBytesMax: number;
}

const defaultLimits: AwsDoorLimits = {
  documentBytesMax: 4 * 2 ** 20,
  unpackedBytesMax: 2 ** 20,
  invocationBytesMax: 6_291_456,
  droppedBytesMax: 64 * 2 ** 20,
};

export interface AwsDoorOptions {
  readonly services: readonly AwsService[];
  readonly streams: readonly AwsStreamService[];
  readonly access: Pick<Access, 'secretFor' | 'callerFor' | 'require'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly log: Log;
  readonly place: AwsPlace;
  /** What bodies may take together that are read whole; S3's objects are not. */
  readonly budget: BodyBudget;
  /** Names this server goes by, besides `localhost`: what stands before one in `Host` is a bucket. */
  readonly hostNames?: readonly string[];
  readonly limits?: Partial<AwsDoorLimits>;
  /** Told of each control call at its end, and of each invocation that got no further than the door. */
  readonly writeAccess?: WriteAccess;
  /** Told of each call that changed something, or found it so, where what it reached has recorded nothing. */
  readonly onDone?: (done: DeedEntry) => Promise<void>;
  /** Told of each call that was to change something and was refused, and of each whose signature is missing or wrong. */
  readonly onRefused?: (who: string, refused: RefusedCall) => Promise<void>;
}

/** No line of the log of requests tells of it. */
function isAtTheDoor(error: unknown): boolean {
  if (error instanceof SignatureRefusal || error instanceof EndpointNotFound) return true;
  return error instanceof PlatformError && error.code === 'forbidden';
}

const unaudited: readonly Permission[] = ['read', 'invoke'];

/** What is known of a request while it is served. */
interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly signed: SignedRequest;
  /** Without the mount prefix. */
  readonly path: string;
  readonly route: Route;
  /** Once it is known. */
  operation: OperationShapes | null;
  /** `CreateEndpoint`; of what is no document its path tells. */
  operationName: string | undefined;
  /** For the audit, of what may have a record there. */
  asked: Readonly<Record<string, unknown>> | undefined;
  /** Its key's id, once its signature is verified. */
  who: string | null;
  /** Epoch milliseconds; 0 of an invocation, which has a log of its own. */
  readonly cameAtMs: number;
}

export class AwsDoor {
  readonly #options: AwsDoorOptions;
  readonly #limits: AwsDoorLimits;
  readonly #documents: ReadonlyMap<AwsServiceName, DocumentService>;
  readonly #streams: ReadonlyMap<AwsServiceName, AwsStreamService>;
  readonly #admissions: Admissions;
  #giveTime: (request: IncomingMessage) => void = () => {};

  constructor(options: AwsDoorOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const names = [...options.services, ...options.streams].map(({ name }) => name);
    assert(new Set(names).size === names.length, `a service stands twice among ${names.join(', ')}`);
    this.#documents = new Map(options.services.map((service) => [service.name, documentService(service)]));
    this.#streams = new Map(options.streams.map((service) => [service.name, service]));
    this.#admissions = new Admissions(options);
  }

  /** To be called before the listener listens. */
  mount(listener: Pick<Listener, 'claim' | 'giveTime'>): void {
    this.#giveTime = (request) => listener.giveTime(request);
    listener.claim(isAwsRequest, (request, response, path, query) => void this.handle(request, response, path, query));
  }

  /** Answers the request; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse, path: string, query: string): Promise<void> {
    const signed: SignedRequest = { method: request.method ?? '', path, query, headers: request.headers };
    const inner = withoutMount(path);
    const route = routeOf(signed, inner);
    const cameAtMs = route.service === 'sagemaker-runtime' ? 0 : this.#options.clock.wallMs();
    const visit: Visit = {
      request,
      response,
      requestId: randomUUID(),
      signed,
      path: inner,
      route,
      operation: null,
      operationName: undefined,
      asked: undefined,
      who: null,
      cameAtMs,
    };
    try {
      await this.#serve(visit);
      if (cameAtMs > 0) this.#tellAccess(visit);
    } catch (error) {
      await this.#refuse(visit, error).catch((failure: unknown) => {
        this.#log(visit, failure, 'a refusal could not be told');
        response.destroy();
      });
      if (cameAtMs > 0 || isAtTheDoor(error)) this.#tellAccess(visit);
    }
  }

  #tellAccess({ request, response, requestId, operationName: operation, who, cameAtMs }: Visit): void {
    const atMs = this.#options.clock.wallMs();
    const [status, ms] = [response.statusCode, cameAtMs === 0 ? 0 : atMs - cameAtMs];
    this.#options.writeAccess?.({ ...accessFields(request), atMs, requestId, door: 'aws', operation, status, ms, who });
  }

  async #serve(visit: Visit): Promise<void> {
    const { request, response, signed, route, path } = visit;
    const hostBucket = route.service === 's3' ? hostBucketOf(signed.headers.host, this.#options.hostNames ?? []) : null;
    const bytesMax = route.service === 'sagemaker-runtime' ? this.#limits.invocationBytesMax : this.#limits.documentBytesMax;
    const context = { path, hostBucket, isS3: route.service === 's3', bytesMax };
    const admission = await this.#admissions.admit(request, response, signed, context);
    visit.who = admission.caller.keyId;
    const stream = route.service === null ? undefined : this.#streams.get(route.service);
    if (stream !== undefined) return this.#stream(stream, visit, admission, hostBucket);
    const service = route.service === null ? undefined : this.#documents.get(route.service);
    if (service === undefined) throw this.#unknownService(route);
    await this.#call(service, visit, admission);
  }

  async #stream(service: AwsStreamService, visit: Visit, admission: Admission, hostBucket: string | null): Promise<void> {
    const { request, response, requestId, path } = visit;
    // S3 knows by itself which operation takes which right.
    if (service.name === 'sagemaker-runtime') this.#require(admission.caller, 'invoke', service.name, 'InvokeEndpoint');
    if (service.name === 's3') this.#giveTime(request);
    response.setHeader(service.name === 's3' ? 'x-amz-request-id' : 'x-amzn-requestid', requestId);
    const { budget, place } = this.#options;
    const verified = new Verified(request, response, { ...admission, ...place, budget, requestId, path, hostBucket });
    // An invocation is no control call, and there are many.
    if (service.name === 'sagemaker-runtime') return service.handle(verified, response);
    // Of S3 the audit has the buckets.
    visit.asked = { bucketName: (hostBucket ?? path.split('/')[1] ?? '').slice(0, 255) };
    await withOrigin(this.#originOf(visit), async () => {
      try {
        await service.handle(verified, response);
      } catch (error) {
        const action = bucketOperation(verified.method, path);
        if (action !== null && hostBucket === null)
          await this.#tellRefused(verified.caller.keyId, refusedCall('s3', action, { Name: path.slice(1) }, error));
        throw error;
      }
    });
  }

  async #tellRefused(who: string, refused: RefusedCall): Promise<void> {
    await this.#options.onRefused?.(who, refused);
  }

  async #call(service: DocumentService, visit: Visit, admission: Admission): Promise<void> {
    const { request, response, requestId, signed, route } = visit;
    const body = admission.wholeBody ?? (await this.#readDocument(request, response, admission));
    const plain = await unpacked(body, signed.headers, this.#limits.unpackedBytesMax);
    const isInQuery = route.form === 'query' && signed.method === 'GET';
    const call = decodeCall(service, route.form, signed.headers, isInQuery ? Buffer.from(signed.query, 'latin1') : plain);
    visit.operation = call.shapes;
    visit.operationName = call.operation;
    const { name } = service.service;
    const permission = name === 'sts' ? 'read' : permissionOf(name, call.operation, call.document);
    const { caller } = admission;
    if (isChange(call.operation) || !unaudited.includes(permission)) visit.asked = askedOf(call.document, call.shapes.input);
    const output = await withOrigin(this.#originOf(visit), async () => {
      try {
        if (name !== 'sts') this.#require(caller, permission, name, call.operation);
        const input = checkedInput(call);
        const done = await call.run(input, this.#awsCall(visit, caller, call.operation));
        await this.#tellDone(caller.keyId, call.operation, input);
        return done;
      } catch (error) {
        // What looks, and what tells of its own use, is no deed.
        if (!unaudited.includes(permission)) await this.#tellRefused(caller.keyId, refusedCall(name, call.operation, call.document, error));
        throw error;
      }
    });
    if (response.destroyed) return;
    const { xmlNamespace } = service.shapes;
    const reply = encodeAnswer(call, output, route.form, { xmlNamespace, requestId });
    answer(request, response, 200, ['content-type', reply.contentType, 'x-amzn-requestid', requestId], reply.body);
  }

  async #tellDone(who: string, operation: string, input: AwsInput): Promise<void> {
    if (!isChange(operation) || !isDeed(operation) || isRecorded()) return;
    await this.#options.onDone?.({ who, action: operation, target: targetOf(input), outcome: 'ok', detail: withoutSecrets(input) });
  }

  async #readDocument(request: IncomingMessage, response: ServerResponse, { promises }: Admission): Promise<Buffer> {
    const body = await readWhole(request, response, { limitBytes: this.#limits.documentBytesMax, budget: this.#options.budget });
    if (isHash(promises.payload) && sha256Hex(body) !== promises.payload) throw payloadMismatch();
    return body;
  }

  #awsCall({ request, response, requestId }: Visit, caller: Caller, operation: string): AwsCall {
    return {
      ...this.#options.place,
      operation,
      caller,
      requestId,
      remoteAddress: request.socket.remoteAddress,
      userAgent: request.headers['user-agent'],
      signal: signalOf(response),
    };
  }

  #originOf({ request, requestId, operationName, asked }: Visit): Origin {
    const { socket, headers } = request;
    const from = { remoteAddress: socket.remoteAddress ?? '', userAgent: headers['user-agent'] ?? '' };
    const called = operationName === undefined ? {} : { operation: operationName };
    return { door: 'aws', ...from, requestId, ...called, ...(asked === undefined ? {} : { parameters: asked }) };
  }

  /** Throws `forbidden`, in the words of AWS's policies and our own. */
  #require(caller: Caller, permission: Permission, service: AwsServiceName, operation: string): void {
    try {
      this.#options.access.require(caller, permission);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      const user = `arn:aws:iam::${this.#options.place.account}:user/${caller.keyId}`;
      const action = `${actionPrefixes[service]}:${operation}`;
      throw new PlatformError('forbidden', `User: ${user} is not authorized to perform: ${action} (${error.message})`, { cause: error });
    }
  }

  #unknownService({ scope }: Route): PlatformError {
    const names = [...this.#documents.keys(), ...this.#streams.keys()].sort().join(', ');
    return new PlatformError('unsupported', `the service '${scope ?? ''}' is not served here: supported are ${names}`);
  }

  #log({ requestId, path }: Visit, thrown: unknown, what: string): void {
    const stack = thrown instanceof Error ? thrown.stack : String(thrown);
    this.#options.log.error({ requestId, path, stack }, what);
  }

  async #refuse(visit: Visit, thrown: unknown): Promise<void> {
    const { request, response, requestId, route, path, operation } = visit;
    const service = route.service ?? (route.form === 'query' ? 'sts' : 'sagemaker');
    const error = wireErrorOf(thrown, service, route.form, requestId);
    if (thrown instanceof SignatureRefusal) {
      await withOrigin(this.#originOf(visit), () => this.#tellRefused(unknownCaller, unsignedCall(route, visit.signed, path, thrown)));
    }
    if (error.isOurs) this.#log(visit, thrown, 'a request failed');
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const shapes = this.#documents.get(service)?.shapes ?? null;
    const reply = errorReply(error, route.form, { requestId, resource: path, shapes, operation });
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    // A client that was never told to send its body might send it or its next request: nobody can tell which comes.
    if (isWaiting(request, response)) {
      response.shouldKeepAlive = false;
      response.writeHead(reply.status, [...reply.headers, 'content-length', String(Buffer.byteLength(reply.body))]).end(reply.body);
      return;
    }
    if (!(thrown instanceof SignatureRefusal)) await dropRest(request, this.#limits.droppedBytesMax);
    answer(request, response, reply.status, reply.headers, reply.body);
  }
}

/**
 * The runtime: InvokeEndpoint and its relatives. The door has verified the signature and that the caller may invoke.
 * `model-invocation.ts` serves models that the built-in worker runs, `process-invocation.ts` those that are a process.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../clock.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import type { CallWatch, Log, RequestTraces, TraceContext } from '../../monitoring/index.ts';
import type { Route, Serving } from '../../serving/index.ts';
import { AwsError, type AwsPlace, type AwsStreamService, type VerifiedRequest } from '../service.ts';
import { type AsyncDoor, asyncBodyBytesMax, asyncHeaders, asyncMembersOf, asyncOrder } from './async-invocation.ts';
import { EndpointNotFound } from './endpoint-not-found.ts';
import type { Exchange } from './exchange.ts';
import { ModelInvocations } from './model-invocation.ts';
import { placeOf } from './place.ts';
import { invokeProcess } from './process-invocation.ts';
import { type InvocationMembers, membersOf } from './request-members.ts';

type Traces = Pick<RequestTraces, 'begin' | 'refuse'>;

export interface RuntimeOptions {
  readonly serving: Pick<Serving, 'route' | 'routeToVariant' | 'invoke' | 'reject' | 'endpoint'>;
  /** Is told of calls whose route is watched. */
  readonly calls: Pick<CallWatch, 'begin'>;
  /** Is told of each invocation; null where nothing is traced. */
  readonly traces?: Traces | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly bodyBytesMax: number;
  /** The longest an invocation may take; an endpoint's own timeout may be shorter. */
  readonly timeoutMs: number;
  readonly async: AsyncDoor;
  /** Resolves once an endpoint is served that is being made or brought back; rejects where there is none, it failed or took too long. */
  readonly untilServed: (endpoint: string, timeoutMs: number) => Promise<unknown>;
}

/** Only an asynchronous endpoint is let have so much time; others may have it by another door. */
const asyncTimeoutMs = 3_600_000;

export class Runtime implements AwsStreamService {
  readonly name = 'sagemaker-runtime';
  readonly #options: RuntimeOptions;
  readonly #models: ModelInvocations;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#models = new ModelInvocations(options.log);
  }

  handle(request: VerifiedRequest, response: ServerResponse): Promise<void> {
    const { traces = null } = this.#options;
    return traces === null ? this.#handle(request, response, null) : this.#traced(traces, request, response);
  }

  async #traced(traces: Traces, request: VerifiedRequest, response: ServerResponse): Promise<void> {
    const trace = traces.begin(request.requestId, request.headers);
    try {
      await this.#handle(request, response, trace);
    } catch (error) {
      traces.refuse(request.requestId, asPlatformError(error));
      throw error;
    }
  }

  async #handle(request: VerifiedRequest, response: ServerResponse, trace: TraceContext | null): Promise<void> {
    const { serving, calls, clock, timeoutMs } = this.#options;
    const place = placeOf(request.method, request.path);
    if (place.operation === 'InvokeEndpointAsync') return this.#invokeAsync(request, response, place.endpoint);
    const members = membersOf(request.headers, place);
    const cameAtMs = clock.nowMs();
    const route = await this.#heldRoute(request, members);
    const heldMs = clock.nowMs() - cameAtMs;
    checkTargets(route, members);
    if (route.timeoutMs >= asyncTimeoutMs) await this.#checkRealTime(route);
    const exchange: Exchange = { request, response, place, members, route, trace };
    const body = await this.#readBody(exchange, cameAtMs);
    const seen = route.isWatched ? calls.begin(route, request.requestId, members.InferenceId ?? null) : null;
    // Its client waits while it is held, and its promise and its timeout count from when it came.
    const terms = { serving, timeoutMs: Math.min(timeoutMs, route.timeoutMs), arrivedAtMs: clock.nowMs() - heldMs, cameAtMs, seen };
    await (route.runtime === 'process' ? invokeProcess(exchange, body, terms) : this.#models.invoke(exchange, body, terms));
  }

  /** Who asks while the endpoint is being made is held until it serves: at AWS it would not be found. */
  async #heldRoute(request: VerifiedRequest, members: InvocationMembers): Promise<Route> {
    const { serving, untilServed, timeoutMs } = this.#options;
    const { EndpointName: endpoint } = members;
    try {
      return this.#route(request, members);
    } catch (error) {
      if (serving.endpoint(endpoint) !== undefined) throw error;
      await untilServed(endpoint, timeoutMs).catch(() => undefined);
      return this.#route(request, members);
    }
  }

  #route(place: AwsPlace, { EndpointName: endpoint, TargetVariant: variant }: InvocationMembers): Route {
    const { serving } = this.#options;
    try {
      return variant === undefined ? serving.route(endpoint) : serving.routeToVariant(endpoint, variant);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'not_found') throw error;
      const served = serving.endpoint(endpoint);
      if (served === undefined) throw endpointNotFound(place, endpoint);
      const known = served.variants.map(({ name }) => name).join(', ');
      throw validationError(`Variant ${variant} not found for endpoint ${served.name}: its variants are ${known}.`);
    }
  }

  async #invokeAsync(request: VerifiedRequest, response: ServerResponse, name: string): Promise<void> {
    const { async, serving } = this.#options;
    const members = asyncMembersOf(request.headers, name);
    const config = await async.configOf(name);
    if (config === null) throw this.#notAsynchronous(request, name);
    const body = await this.#readAsyncBody(request);
    const given = { endpoint: serving.endpoint(name)?.name ?? name, hasBody: body.length > 0, ownBucket: async.ownBucket };
    const accepted = await async.submit(await asyncOrder(members, config, given), body.length > 0 ? body : null);
    const answer = Buffer.from(JSON.stringify({ InferenceId: accepted.inferenceId }));
    const headers = [...asyncHeaders(accepted), 'Content-Type', 'application/json', 'Content-Length', String(answer.length)];
    response.writeHead(202, headers).end(answer);
  }

  async #readAsyncBody(request: VerifiedRequest): Promise<Buffer> {
    try {
      return await request.readBody(asyncBodyBytesMax);
    } catch (thrown) {
      if (asPlatformError(thrown).code !== 'too_large') throw thrown;
      const text = `Body must be at most ${asyncBodyBytesMax} bytes: put a larger one into a bucket, and give its InputLocation.`;
      throw validationError(text);
    }
  }

  async #checkRealTime({ endpoint }: Route): Promise<void> {
    if ((await this.#options.async.configOf(endpoint)) === null) return;
    throw validationError(`Endpoint ${endpoint} is an asynchronous endpoint: call InvokeEndpointAsync.`);
  }

  #notAsynchronous(place: AwsPlace, endpoint: string): AwsError {
    const served = this.#options.serving.endpoint(endpoint);
    if (served === undefined) return endpointNotFound(place, endpoint);
    return validationError(`Endpoint ${served.name} is not an asynchronous endpoint: call InvokeEndpoint.`);
  }

  async #readBody({ request, route }: Exchange, cameAtMs: number): Promise<Buffer> {
    const { bodyBytesMax, clock, serving } = this.#options;
    try {
      return await request.readBody(bodyBytesMax);
    } catch (thrown) {
      const error = asPlatformError(thrown);
      serving.reject(route, { requestId: request.requestId, rows: 0, arrivedAtMs: clock.nowMs(), cameAtMs }, error);
      if (error.code !== 'too_large') throw thrown;
      throw new AwsError('RequestEntityTooLargeException', `HTTP content length exceeded ${bodyBytesMax} bytes.`, { httpStatus: 413 });
    }
  }
}

/** What only endpoints of other kinds can be asked. A session and explanations are left to the model. */
function checkTargets({ endpoint }: Route, members: InvocationMembers): void {
  const { TargetModel: model, TargetContainerHostname: container, InferenceComponentName: component } = members;
  if (model !== undefined) throw validationError(`Endpoint ${endpoint} serves one model: TargetModel is for multi-model endpoints.`);
  if (container !== undefined) {
    const text = `Endpoint ${endpoint} has one container: TargetContainerHostname is for endpoints with several that are invoked directly.`;
    throw validationError(text);
  }
  if (component !== undefined) throw validationError(`Inference component ${component} not found: endpoint ${endpoint} has none.`);
}

function endpointNotFound({ account }: AwsPlace, endpoint: string): AwsError {
  return new EndpointNotFound(account, endpoint);
}

function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

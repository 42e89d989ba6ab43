/**
 * The SageMaker runtime: InvokeEndpoint and its siblings. The router has verified the signature and the permission to invoke.
 * `model-invocation.ts` serves models of the built-in worker, `process-invocation.ts` those that run as a process.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../clock.ts';
import type { CallCapture } from '../../data-quality/index.ts';
import { asPlatformError, type ErrorCode, messageOf, PlatformError } from '../../errors.ts';
import type { Log, RequestTraces, TraceContext } from '../../logs/index.ts';
import { multiModelUri } from '../../registry/index.ts';
import { answeringVariants, ModelPlans, type MultiModelRoute, type ServedRoute, type Serving } from '../../serving/index.ts';
import type { Threads } from '../../threads/index.ts';
import { NoTargetModel, type TargetLease, TargetModelRejected, type TargetModels } from '../multi-model/target-models.ts';
import { AwsError, type AwsLocation, type AwsStreamService, type VerifiedRequest } from '../service.ts';
import { type AsyncHandler, asyncBodyBytesMax, asyncHeaders, asyncMembersOf, asyncSubmissionOf } from './async-invocation.ts';
import type { RuntimeCall } from './exchange.ts';
import { EndpointNotFound, modelError } from './model-error.ts';
import { ModelInvocation } from './model-invocation.ts';
import { ProcessInvocation } from './process-invocation.ts';
import { type InvocationMembers, invocationMembersOf } from './request-members.ts';
import { parseRuntimePath } from './runtime-path.ts';

type Traces = Pick<RequestTraces, 'begin' | 'refuse'>;

export interface RuntimeOptions {
  readonly serving: Pick<Serving, 'anyRoute' | 'invoke' | 'enter' | 'reject' | 'endpoint'>;
  /** The models of multi-model endpoints. */
  readonly targets: Pick<TargetModels, 'acquire'>;
  /** Captures sampled calls, for capture files, drift and labels. */
  readonly calls: Pick<CallCapture, 'begin'>;
  /** null if tracing is off. */
  readonly traces?: Traces | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly threads: Threads;
  readonly bodyBytesMax: number;
  /** Upper bound for each invocation; an endpoint's own timeout can be shorter. */
  readonly timeoutMs: number;
  readonly async: AsyncHandler;
  /** Resolves when an endpoint that is starting serves. Rejects if it does not exist, fails or exceeds the timeout. */
  readonly untilServed: (endpoint: string, timeoutMs: number) => Promise<unknown>;
}

type AnyRoute = ReturnType<Serving['anyRoute']>;

/** The timeout of asynchronous endpoints. Only a hint: other endpoints can be given the same timeout through Penstock's own API. */
const asyncTimeoutMs = 3_600_000;

/** Streams bodies both ways, so it gets the request itself. It chooses the kind of invocation by the model. */
export class Runtime implements AwsStreamService {
  readonly name = 'sagemaker-runtime';
  readonly #options: RuntimeOptions;
  readonly #plans = new ModelPlans();

  constructor(options: RuntimeOptions) {
    this.#options = options;
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
      traces.refuse(request.requestId, { code: codeOf(error), message: messageOf(error) });
      throw error;
    }
  }

  async #handle(request: VerifiedRequest, response: ServerResponse, trace: TraceContext | null): Promise<void> {
    const { clock } = this.#options;
    const runtimePath = parseRuntimePath(request.method, request.path);
    if (runtimePath.operation === 'InvokeEndpointAsync') return this.#invokeAsync(request, response, runtimePath.endpoint);
    const members = invocationMembersOf(request.headers, runtimePath);
    const receivedAtMs = clock.nowMs();
    const { route: base, multiModel } = await this.#heldRoute(request, members);
    checkTargets(base, multiModel, members);
    if (base.timeoutMs >= asyncTimeoutMs) await this.#checkRealTime(base);
    const lease = multiModel === null ? null : await this.#leaseOf(request, multiModel, String(members.TargetModel), receivedAtMs);
    try {
      const heldMs = clock.nowMs() - receivedAtMs;
      await this.#invoke({ request, response, runtimePath, members, route: lease?.route ?? base, trace }, { receivedAtMs, heldMs });
    } finally {
      lease?.release();
    }
  }

  async #invoke(call: RuntimeCall, { receivedAtMs, heldMs }: { readonly receivedAtMs: number; readonly heldMs: number }): Promise<void> {
    const { clock } = this.#options;
    const { route } = call;
    const body = await this.#readBody(call, receivedAtMs);
    const timeoutMs = Math.min(this.#options.timeoutMs, route.timeoutMs);
    const exchange =
      route.payload === 'tensors'
        ? new ModelInvocation({ ...this.#options, plans: this.#plans }, call, timeoutMs)
        : new ProcessInvocation(this.#options, call, timeoutMs);
    exchange.receivedAtMs = receivedAtMs;
    // Time spent waiting for the endpoint counts against objective and timeout.
    exchange.receive(body, clock.nowMs() - heldMs);
    await exchange.answered;
  }

  /** If the endpoint is starting, waits until it serves. AWS would answer that it does not exist. */
  async #heldRoute(request: VerifiedRequest, members: InvocationMembers): Promise<AnyRoute> {
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

  #route(awsLocation: AwsLocation, { EndpointName: endpoint, TargetVariant: variant }: InvocationMembers): AnyRoute {
    const { serving } = this.#options;
    try {
      return serving.anyRoute(endpoint, variant);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'not_found') throw error;
      const served = serving.endpoint(endpoint);
      if (served === undefined) throw endpointNotFound(awsLocation, endpoint);
      const known = answeringVariants(served)
        .map(({ name }) => name)
        .join(', ');
      throw validationError(`Variant ${variant} not found for endpoint ${served.name}: expected one of ${known}.`);
    }
  }

  /** Loads the requested model. A failure counts as a request of the variant. */
  async #leaseOf(request: VerifiedRequest, base: MultiModelRoute, name: string, receivedAtMs: number): Promise<TargetLease> {
    const { targets, serving, clock, timeoutMs } = this.#options;
    const timeout = new AbortController();
    const cancelTimeout = clock.after(Math.min(timeoutMs, base.route.timeoutMs), () => timeout.abort());
    try {
      return await targets.acquire(base, name, AbortSignal.any([request.signal, timeout.signal]));
    } catch (thrown) {
      const call = { requestId: request.requestId, rows: 0, arrivedAtMs: receivedAtMs };
      if (!request.signal.aborted) serving.reject(base.route, call, targetFailure(thrown));
      throw targetModelError(request, base.route.endpoint, thrown);
    } finally {
      cancelTimeout();
    }
  }

  async #invokeAsync(request: VerifiedRequest, response: ServerResponse, name: string): Promise<void> {
    const { async, serving } = this.#options;
    const members = asyncMembersOf(request.headers, name);
    const config = await async.configOf(name);
    if (config === null) throw this.#notAsynchronous(request, name);
    const body = await this.#readAsyncBody(request);
    const input = { endpoint: serving.endpoint(name)?.name ?? name, hasBody: body.length > 0, ownBucket: async.ownBucket };
    const accepted = await async.submit(await asyncSubmissionOf(members, config, input), body.length > 0 ? body : null);
    const answer = Buffer.from(JSON.stringify({ InferenceId: accepted.inferenceId }));
    const headers = [...asyncHeaders(accepted), 'Content-Type', 'application/json', 'Content-Length', String(answer.length)];
    response.writeHead(202, headers).end(answer);
  }

  async #readAsyncBody(request: VerifiedRequest): Promise<Buffer> {
    try {
      return await request.readBody(asyncBodyBytesMax);
    } catch (thrown) {
      if (asPlatformError(thrown).code !== 'too_large') throw thrown;
      const text = `Body is too large: expected at most ${asyncBodyBytesMax} bytes. Upload it to a bucket and set InputLocation.`;
      throw validationError(text);
    }
  }

  async #checkRealTime({ endpoint }: ServedRoute): Promise<void> {
    if ((await this.#options.async.configOf(endpoint)) === null) return;
    throw validationError(`Endpoint ${endpoint} is an asynchronous endpoint: call InvokeEndpointAsync.`);
  }

  #notAsynchronous(awsLocation: AwsLocation, endpoint: string): AwsError {
    const served = this.#options.serving.endpoint(endpoint);
    if (served === undefined) return endpointNotFound(awsLocation, endpoint);
    return validationError(`Endpoint ${served.name} is not an asynchronous endpoint: call InvokeEndpoint.`);
  }

  async #readBody({ request, route }: RuntimeCall, receivedAtMs: number): Promise<Buffer> {
    const { bodyBytesMax, clock, serving } = this.#options;
    try {
      return await request.readBody(bodyBytesMax);
    } catch (thrown) {
      const error = asPlatformError(thrown);
      // An aborted upload does not count as an error.
      if (!request.signal.aborted)
        serving.reject(route, { requestId: request.requestId, rows: 0, arrivedAtMs: clock.nowMs(), receivedAtMs }, error);
      if (error.code !== 'too_large') throw thrown;
      throw new AwsError('RequestEntityTooLargeException', `HTTP content length exceeded ${bodyBytesMax} bytes.`, { httpStatus: 413 });
    }
  }
}

/** Rejects targets that only other kinds of endpoints have. Sessions are up to the model. */
function checkTargets({ endpoint }: ServedRoute, multiModel: MultiModelRoute | null, members: InvocationMembers): void {
  const { TargetModel: model, TargetContainerHostname: container, InferenceComponentName: component } = members;
  if (members.EnableExplanations !== undefined) {
    throw validationError(`Endpoint ${endpoint} has no explainer: expected a call without EnableExplanations.`);
  }
  if (model !== undefined && multiModel === null) {
    throw validationError(`Endpoint ${endpoint} serves one model: TargetModel requires a multi-model endpoint.`);
  }
  if (model === undefined && multiModel !== null) {
    throw validationError(`Endpoint ${endpoint} serves the models at ${multiModelUri(multiModel.folder)}: TargetModel is required.`);
  }
  if (container !== undefined) {
    const text = `Endpoint ${endpoint} has one container: TargetContainerHostname requires an endpoint with several containers.`;
    throw validationError(text);
  }
  if (component !== undefined) throw validationError(`Inference component ${component} not found: endpoint ${endpoint} has none.`);
}

/** The error's code in traces. An error that only AWS has is a mistake of the caller. */
function codeOf(error: unknown): ErrorCode {
  if (error instanceof EndpointNotFound) return 'not_found';
  return error instanceof AwsError && error.httpStatus < 500 ? 'invalid_request' : asPlatformError(error).code;
}

function endpointNotFound({ account }: AwsLocation, endpoint: string): AwsError {
  return new EndpointNotFound(account, endpoint);
}

function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

/** A missing object is a `ValidationError`, an object that is not served a `ModelError`, a load that takes too long `ModelNotReadyException`. */
function targetModelError(awsLocation: AwsLocation, endpoint: string, thrown: unknown): Error {
  if (thrown instanceof NoTargetModel) return new AwsError('ValidationError', thrown.message);
  if (thrown instanceof TargetModelRejected) return modelError(awsLocation, endpoint, thrown.status, thrown.message);
  const error = asPlatformError(thrown);
  if (error.code !== 'unavailable') return error;
  return new AwsError('ModelNotReadyException', `The model is not ready: ${error.message}. Try again.`, { httpStatus: 429 });
}

/** The failure as it is counted and logged. */
function targetFailure(thrown: unknown): PlatformError {
  if (thrown instanceof NoTargetModel) return new PlatformError('not_found', thrown.message);
  if (thrown instanceof TargetModelRejected)
    return new PlatformError(thrown.status === 403 ? 'forbidden' : 'invalid_request', thrown.message);
  return asPlatformError(thrown);
}

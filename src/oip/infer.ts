/**
 * `POST /v2/models/{m}[/versions/{v}]/infer`, and `generate`: the hot path. Everything here happens once for every inference, so it is
 * written to allocate little and to wait for nothing but the body and the model.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  decodeGenerate,
  decodeRequest,
  encodeGenerate,
  encodeResponse,
  type GenerateRequest,
  type InferRequest,
  type ModelPlan,
} from '../codecs/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import { comesInPieces, readBodyInto } from '../http/index.ts';
import type { SeenCall } from '../monitoring/index.ts';
import {
  type InferenceResult,
  invokeWhole,
  ModelPlans,
  type Outcome,
  type RefusedCall,
  type Route,
  requestRowsMax,
} from '../serving/index.ts';
import { giveBackBody } from '../spent-bytes.ts';
import { notServed, takesBytes } from './models.ts';
import type { OipServices } from './neighbours.ts';
import type { Place } from './places.ts';
import { acceptedEncoding, replyHeaders, sendError, sendInference, sendText } from './replies.ts';
import { tellTensors } from './seen-calls.ts';
import { timingParameters } from './timings.ts';
import { tellAccess, tellRefused } from './told.ts';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly kind: Place['kind'];
}

/** What the model was asked. */
interface Asked {
  readonly exchange: Exchange;
  readonly plan: ModelPlan;
  readonly decoded: InferRequest;
  /** Its inputs are views of it, where they came in binary. */
  readonly body: Buffer;
  /** Null where nobody looks at the call. */
  readonly seen: SeenCall | null;
}

export class InferDoor {
  readonly #services: OipServices;
  readonly #plans = new ModelPlans();

  constructor(services: OipServices) {
    this.#services = services;
  }

  handle(request: IncomingMessage, response: ServerResponse, requestId: string, place: Place): void {
    const { listener, access, serving, clock } = this.#services;
    const exchange: Exchange = { request, response, requestId, kind: place.kind };
    let route: Route;
    try {
      access.require(listener.authenticate(request), 'invoke');
      route = serving.route(place.model, place.version);
      if (route.runtime !== 'onnx') throw takesBytes(route);
    } catch (error) {
      this.#refuseAtDoor(exchange, place, notServed(error, this.#services, place));
      return;
    }
    const cameAtMs = comesInPieces(request) ? clock.nowMs() : undefined;
    readBodyInto(request, response, listener.bodies, (error, body) => {
      if (error === null) this.#infer(exchange, route, body, cameAtMs);
      else this.#refuse(exchange, route, { arrivedAtMs: clock.nowMs(), cameAtMs }, error, true);
    });
  }

  #infer(exchange: Exchange, route: Route, body: Buffer, cameAtMs: number | undefined): void {
    const { serving, clock } = this.#services;
    const { response, requestId } = exchange;
    const arrivedAtMs = clock.nowMs();
    const plan = this.#plans.of(route);
    let decoded: InferRequest;
    try {
      decoded = decode(exchange, plan, route, body);
    } catch (error) {
      giveBackBody(body);
      this.#refuse(exchange, route, { arrivedAtMs, cameAtMs }, asPlatformError(error), false);
      return;
    }
    const { inputs, rows, parameters } = decoded;
    const asked: Asked = { exchange, plan, decoded, body, seen: route.isWatched ? this.#seen(exchange, route, decoded) : null };
    const call = { requestId, inputs, rows, timeoutMs: parameters.timeoutMs, priority: parameters.priority, arrivedAtMs };
    let cancel: () => void;
    try {
      cancel = invokeWhole(serving, route, call, (outcome) => this.#settle(asked, outcome));
    } catch (error) {
      this.#refuse(exchange, route, { arrivedAtMs, cameAtMs }, asPlatformError(error), false);
      return;
    }
    if (response.writableEnded) return;
    if (response.destroyed) cancel();
    else {
      response.on('close', () => {
        if (!response.writableEnded) cancel();
      });
    }
  }

  #settle({ exchange, plan, decoded, body, seen }: Asked, outcome: Outcome): void {
    if (!outcome.ok) {
      this.#fail(exchange, outcome.error);
      return;
    }
    const { request, response, requestId } = exchange;
    const { result } = outcome;
    const startMs = this.#services.clock.nowMs();
    try {
      if (exchange.kind !== 'infer') {
        sendGenerated(exchange, encodeGenerate(plan, decoded as GenerateRequest, result.outputs));
        if (seen !== null) tellTensors(seen, plan, decoded, result);
        return;
      }
      const parameters = decoded.parameters.timings ? JSON.stringify(timingParameters(result)) : undefined;
      const { json, binary } = encodeResponse(plan, decoded, result.outputs, parameters);
      const headers = replyHeaders(requestId, binary === null ? 'application/json' : 'application/octet-stream');
      if (request.headers['x-penstock-timings'] === 'true') addTimings(headers, result, this.#services.clock.nowMs() - startMs);
      const accepted = request.headers['accept-encoding'];
      sendInference(response, headers, json, binary, accepted === undefined ? null : acceptedEncoding(accepted));
      if (seen !== null) tell(seen, body, exchange, decoded, result, json, binary);
      // All of it has been sent, or the link would not have taken the answer, and nobody else has it.
      else giveBackBody(body);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  #seen({ request, requestId }: Exchange, route: Route, { id }: InferRequest): SeenCall | null {
    const header = request.headers['x-amzn-sagemaker-inference-id'];
    return this.#services.calls.begin(route, requestId, id ?? (typeof header === 'string' ? header : null));
  }

  /** No line of the log of requests tells of it. */
  #refuseAtDoor(exchange: Exchange, place: Place, thrown: unknown): void {
    const { request, response, requestId } = exchange;
    const error = asPlatformError(thrown);
    this.#services.traces?.refuse(requestId, error);
    if (error.code === 'unauthenticated') void tellRefused(this.#services, { request, requestId, place, caller: null }, error);
    this.#fail(exchange, thrown);
    tellAccess(this.#services, { request, response, requestId, who: null }, 0);
  }

  /** A request that got as far as a model, but not into its queue: it counts among those that failed. */
  #refuse(
    exchange: Exchange,
    route: Route,
    times: Pick<RefusedCall, 'arrivedAtMs' | 'cameAtMs'>,
    error: PlatformError,
    isBody: boolean,
  ): void {
    this.#services.serving.reject(route, { requestId: exchange.requestId, rows: 0, ...times }, error);
    if (isBody && error.code === 'unsupported') {
      const { request, response, requestId } = exchange;
      sendError(request, response, requestId, error, { status: 415, headers: { 'accept-encoding': 'gzip, deflate' } });
      return;
    }
    this.#fail(exchange, error);
  }

  #fail({ request, response, requestId }: Exchange, thrown: unknown): void {
    const error = asPlatformError(thrown);
    if (!(thrown instanceof PlatformError)) {
      const stack = thrown instanceof Error ? thrown.stack : undefined;
      this.#services.log.error({ requestId, url: request.url, stack }, `an inference failed: ${messageOf(thrown)}`);
    }
    sendError(request, response, requestId, error);
  }
}

function decode({ request, kind }: Exchange, plan: ModelPlan, { batchSizeMax }: Route, body: Buffer): InferRequest {
  const rowsMax = requestRowsMax(batchSizeMax);
  if (kind !== 'infer') return decodeGenerate(plan, rowsMax, body);
  return decodeRequest(plan, rowsMax, body, request.headers['inference-header-content-length'] as string | undefined);
}

/** A stream of one event: models here answer once. */
function sendGenerated({ request, response, requestId, kind }: Exchange, json: string): void {
  if (kind === 'generate') return sendText(request, response, requestId, 'application/json', json);
  sendText(request, response, requestId, 'text/event-stream; charset=utf-8', `data: ${json}\n\n`);
}

/**
 * Once the answer is out. Whatever type its client named, it was read as JSON; bodies with tensors after it are kept as AWS's clients
 * name them: a length of JSON, and what follows.
 */
function tell(
  call: SeenCall,
  body: Buffer,
  { request }: Exchange,
  { inputs, rows }: InferRequest,
  { outputs }: InferenceResult,
  json: string,
  binary: readonly Uint8Array[] | null,
): void {
  call.part(0, inputs, outputs, rows);
  const size = request.headers['inference-header-content-length'];
  const sized = (length: number): string => `application/octet-stream;json-header-size=${length}`;
  const output =
    binary === null
      ? { contentType: 'application/json', body: json }
      : { contentType: sized(Buffer.byteLength(json)), body: Buffer.concat([Buffer.from(json), ...binary]) };
  call.end({ contentType: typeof size === 'string' ? sized(Number(size)) : 'application/json', body }, output);
}

/** The headers with `x-penstock-timings: true`; Server-Timing counts in milliseconds. */
function addTimings(headers: string[], { timings, batchRows, closeReason, coldStart, parts }: InferenceResult, encodeMs: number): void {
  // What parts took side by side is more than has passed: by another name nobody takes it for the time of the whole.
  const of = parts === undefined ? '' : 'parts-';
  const stages: readonly (readonly [string, number])[] = [
    ['queue', timings.queueMs],
    [`${of}input`, timings.computeInMs],
    [`${of}compute`, timings.computeMs],
    [`${of}output`, timings.computeOutMs],
    ['service', timings.serviceMs],
    ['encode', encodeMs],
  ];
  headers.push('server-timing', stages.map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`).join(', '));
  headers.push('x-penstock-batch-size', String(batchRows), 'x-penstock-close-reason', closeReason);
  if (coldStart) headers.push('x-penstock-cold-start', 'true');
}

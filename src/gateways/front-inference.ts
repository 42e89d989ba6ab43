/**
 * Inferences in a gateway process: decodes a request, enters it into the home, and encodes the result. Requests that it cannot decide alone, such as
 * an invalid one or one of an unknown caller, are forwarded unchanged, so the server handles errors, audit and counts.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { decodeRequest, encodeResponse, type InferRequest, isShortRequest, ModelPlan } from '../codecs/index.ts';
import {
  acceptedEncoding,
  errorBody,
  errorHeaders,
  type FastRequest,
  type FastResponse,
  httpStatusOf,
  replyHeaders,
  requestIdOf,
  sendInference,
} from '../connections/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { pickByWeight, type Random } from '../random.ts';
import { type InferenceOutcome, releaseResult } from '../serving/index.ts';
import { AdmittedCallers, hasPlainHeaders } from './admitted-callers.ts';
import type { CatalogueEndpoint, CatalogueRoute } from './catalogue.ts';
import type { LinkedHome } from './linked-home.ts';

const inferPath = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?\/infer$/;

/** Requests without a timeout wait for a home this long: the default timeout of clients is at least as long. */
const waitMs = 60_000;

/** As accepted for every batched model: see `requestRowsMax` of serving. The server decides about more rows. */
const rowsMax = 32;

interface PlannedRoute extends CatalogueRoute {
  readonly codec: ModelPlan;
}

/** What the process has: a clock, randomness, and the link. */
export interface FrontInferenceDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Random;
  readonly home: LinkedHome;
  /** The number by which the server knows the connection of a request. */
  readonly numberOf: (request: FastRequest) => number;
}

/** Decides nothing that the server would decide differently: in doubt a request is forwarded. */
export class FrontInference {
  readonly #deps: FrontInferenceDeps;
  readonly #admitted: AdmittedCallers;
  readonly #endpoints = new Map<string, readonly PlannedRoute[]>();
  /** By path; cleared with the catalogue. */
  readonly #byPath = new Map<string, readonly PlannedRoute[]>();

  constructor(deps: FrontInferenceDeps) {
    this.#deps = deps;
    this.#admitted = new AdmittedCallers(deps.clock);
  }

  /** Another home decides again which callers it admits. */
  forgetCallers(): void {
    this.#admitted.clear();
  }

  /** Replaces all endpoints, and forgets what was resolved by path. */
  setCatalogue(endpoints: readonly CatalogueEndpoint[]): void {
    this.#endpoints.clear();
    this.#byPath.clear();
    for (const { name, routes } of endpoints) {
      this.#endpoints.set(
        name,
        routes.map((route) => ({ ...route, codec: new ModelPlan(route.endpoint, route.version, route.signature, route.batchable) })),
      );
    }
  }

  /** Decodes and answers plain requests in this process. Everything else is sent to the server unchanged. */
  serve(request: FastRequest, response: FastResponse): void {
    const arrivedAtMs = this.#deps.clock.nowMs();
    const route = hasPlainHeaders(request) && this.#admitted.has(request) ? this.#routeOf(request.url) : undefined;
    const decoded = route === undefined ? null : decode(route, request);
    if (route === undefined || decoded === null) return this.#sendWhole(request, response, arrivedAtMs);
    const requestId = requestIdOf(request);
    const { inputs, rows, parameters } = decoded;
    const { timeoutMs, priority } = parameters;
    const cancel = this.#deps.home.enter(
      route,
      { requestId, inputs, rows, timeoutMs, priority, arrivedAtMs },
      (outcome) => this.#answer(request, response, { route, decoded, requestId }, outcome),
      () => this.#sendWhole(request, response, arrivedAtMs, timeoutMs),
    );
    response.on('close', cancel);
  }

  /** The route of the request; undefined if the server must decide. */
  #routeOf(path: string): PlannedRoute | undefined {
    let routes = this.#byPath.get(path);
    if (routes === undefined) {
      const [, name = '', version] = inferPath.exec(path) ?? [];
      const all = this.#endpoints.get(name) ?? [];
      routes = version === undefined ? all : all.filter((route) => route.version === version).slice(0, 1);
      if (routes.length === 0) return undefined;
      this.#byPath.set(path, routes);
    }
    return routes.length === 1 ? routes[0] : pickByWeight(routes, this.#deps.random);
  }

  #sendWhole(request: FastRequest, response: FastResponse, arrivedAtMs: number, timeoutMs = waitMs): void {
    const { home, numberOf } = this.#deps;
    const whole = { connection: numberOf(request), bytes: request.bytes, arrivedAtMs, untilMs: arrivedAtMs + Math.min(timeoutMs, waitMs) };
    const leave = home.send(whole, {
      onResponse: ({ bytes, stays, isAdmitted }, sentAtMs) => {
        if (isAdmitted) this.#admitted.add(request, sentAtMs);
        if (bytes.length === 0) response.destroy();
        else response.endWith(bytes, stays);
      },
      onUnavailable: (error) => sendError(response, requestIdOf(request), error),
    });
    response.on('close', leave);
  }

  #answer(
    request: FastRequest,
    response: FastResponse,
    { route, decoded, requestId }: { readonly route: PlannedRoute; readonly decoded: InferRequest; readonly requestId: string },
    outcome: InferenceOutcome,
  ): void {
    if (!outcome.ok) return sendError(response, requestId, outcome.error);
    try {
      const { json, binary } = encodeResponse(route.codec, decoded, outcome.result.outputs);
      const headers = replyHeaders(requestId, binary === null ? 'application/json' : 'application/octet-stream');
      if (route.plan !== null) {
        const { name, model } = route.plan;
        headers.push('x-penstock-model', decoded.rows > 0 ? `${model}:${decoded.rows}` : '', 'x-penstock-plan', name);
      }
      const accepted = request.headers['accept-encoding'];
      sendInference(asNodeResponse(response), headers, json, binary, accepted === undefined ? null : acceptedEncoding(accepted));
      releaseResult(outcome.result, decoded.rows); // the response has copies
    } catch (error) {
      if (!(error instanceof PlatformError))
        this.#deps.home.logError({ requestId, endpoint: route.endpoint, error: messageOf(error) }, 'an inference failed');
      if (response.headersSent) response.destroy();
      else sendError(response, requestId, error instanceof PlatformError ? error : new PlatformError('internal', messageOf(error)));
    }
  }
}

/** Null if the server must decide: the request is invalid, large, or has more rows than every batch accepts. */
function decode({ codec, batchable, batchSizeMax }: PlannedRoute, request: FastRequest): InferRequest | null {
  const { body, headers } = request;
  const jsonLength = headers['inference-header-content-length'];
  if (!isShortRequest(codec, body.length, jsonLength)) return null;
  try {
    const decoded = decodeRequest(codec, batchSizeMax === 0 ? 0 : Math.max(batchSizeMax, rowsMax), body, jsonLength);
    const { timings, prefer, explain } = decoded.parameters;
    const isPlain = !timings && prefer === undefined && !explain;
    return isPlain && (!batchable || decoded.rows <= Math.max(batchSizeMax, rowsMax)) ? decoded : null;
  } catch {
    return null;
  }
}

function sendError(response: FastResponse, requestId: string, error: PlatformError): void {
  if (response.headersSent || response.destroyed) return;
  const body = errorBody(error, requestId);
  const headers = replyHeaders(requestId, 'application/json');
  for (const [name, value] of Object.entries(errorHeaders(error))) headers.push(name, value);
  headers.push('content-length', String(Buffer.byteLength(body)));
  response.writeHead(httpStatusOf(error), headers);
  response.end(body);
}

function asNodeResponse(response: FastResponse): ServerResponse {
  return response as unknown as ServerResponse;
}

/**
 * `POST /v2/models/{m}[/versions/{v}]/infer`, and `generate`: the hot path. This code runs for every inference, so it
 * allocates little and waits only for the body and the model.
 */
import { permissionFor } from '../access/index.ts';
import { releaseBodyMemory } from '../buffer-release.ts';
import {
  decodeGenerate,
  decodeGenerateTask,
  decodeInThread,
  decodeRequest,
  decodeRequestTask,
  encodeGenerate,
  encodeResponse,
  type GenerateRequest,
  type InferRequest,
  isShortRequest,
  type ModelPlan,
  planFacts,
} from '../codecs/index.ts';
import { acceptedEncoding, replyHeaders, sendInference } from '../connections/index.ts';
import type { WireBody } from '../data-quality/index.ts';
import type { PlatformError } from '../errors.ts';
import { inferenceIdOf } from '../http/index.ts';
import {
  formatRowsByModel,
  InferenceExchange,
  type InferenceResult,
  ModelPlans,
  preferenceIn,
  preferenceOf,
  type RowAnswers,
  releaseResult,
  requestRowsMax,
  type ServedRoute,
} from '../serving/index.ts';
import { capturedTensors, captureTensors } from './capture-tensors.ts';
import type { OipDeps } from './deps.ts';
import { PiecesExchange } from './generate-pieces.ts';
import { admitInference, type HttpCall, readInference, sendFailure } from './http-inference.ts';
import { restOperations } from './paths.ts';
import { sendText } from './replies.ts';
import { timingParameters } from './timings.ts';

const inferring = permissionFor(restOperations.infer.action);

/** Plans of models are made once per route, and used by every request. */
export class InferHandler {
  readonly #services: OipDeps;
  readonly #plans = new ModelPlans();

  constructor(services: OipDeps) {
    this.#services = services;
  }

  /** Admits the request before it reads the body; the kind of model decides how the body is read. */
  handle(call: HttpCall): void {
    const route = admitInference(this.#services, call, inferring);
    if (route === null) return;
    const isStreamed = route.payload === 'stream';
    const exchange = isStreamed
      ? new PiecesExchange(this.#services, call, route)
      : new InferExchange(this.#services, call, route, this.#plans.of(route));
    readInference(this.#services, call, exchange);
  }
}

class InferExchange extends InferenceExchange<InferRequest> {
  readonly #services: OipDeps;
  readonly #call: HttpCall;
  readonly #plan: ModelPlan;
  #decoded!: InferRequest;

  constructor(services: OipDeps, call: HttpCall, route: ServedRoute, plan: ModelPlan) {
    super(services, call.requestId, route, call.response);
    this.#services = services;
    this.#call = call;
    this.#plan = plan;
  }

  get #isInfer(): boolean {
    return this.#call.position.kind === 'infer';
  }

  /** The length of the JSON part; undefined if the body has no other. */
  get #jsonLength(): string | undefined {
    return this.#isInfer ? (this.#call.request.headers['inference-header-content-length'] as string | undefined) : undefined;
  }

  protected isShort(body: Buffer): boolean {
    return isShortRequest(this.#plan, body.length, this.#jsonLength);
  }

  protected decode(body: Buffer): InferRequest {
    const rowsMax = requestRowsMax(this.route.batchSizeMax);
    if (!this.#isInfer) return decodeGenerate(this.#plan, rowsMax, body);
    return decodeRequest(this.#plan, rowsMax, body, this.#jsonLength);
  }

  protected decodeLong(body: Buffer, isWanted: () => boolean): Promise<{ readonly decoded: InferRequest; readonly body: Buffer }> {
    const { threads } = this.#services;
    const input = { plan: planFacts(this.#plan), batchSizeMax: requestRowsMax(this.route.batchSizeMax), body };
    if (!this.#isInfer) return decodeInThread(threads, decodeGenerateTask, input, isWanted);
    return decodeInThread(threads, decodeRequestTask, { ...input, header: this.#jsonLength }, isWanted);
  }

  protected inferenceId({ id }: InferRequest): string | null {
    return id ?? inferenceIdOf(this.#call.request);
  }

  protected start(decoded: InferRequest): () => void {
    this.#decoded = decoded;
    const { inputs, rows, parameters } = decoded;
    const { requestId, arrivedAtMs } = this;
    const { timeoutMs, priority } = parameters;
    const prefer = preferenceOf(parameters.prefer) ?? preferenceIn(this.#call.request.headers);
    return this.invokeWhole({ requestId, inputs, rows, timeoutMs, priority, prefer, arrivedAtMs });
  }

  protected answer(result: InferenceResult): void {
    const plan = this.#plan;
    const decoded = this.#decoded;
    const { request, response } = this.#call;
    const { clock } = this.deps;
    if (!this.#isInfer) {
      sendGenerated(this.#call, encodeGenerate(plan, decoded as GenerateRequest, result.outputs));
      if (this.capture !== null) captureTensors(this.capture, plan, decoded, result);
      return;
    }
    const startMs = clock.nowMs();
    const parameters = responseParameters(decoded.parameters, result);
    const { json, binary } = encodeResponse(plan, decoded, result.outputs, parameters);
    const headers = replyHeaders(this.requestId, binary === null ? 'application/json' : 'application/octet-stream');
    if (request.headers['x-penstock-timings'] === 'true') addTimings(headers, result, clock.nowMs() - startMs);
    headers.push(...answeredHeaders(result.answered));
    const accepted = request.headers['accept-encoding'];
    sendInference(response, headers, json, binary, accepted === undefined ? null : acceptedEncoding(accepted));
    if (this.capture === null) {
      // The response has copies, so body and result are no longer referenced.
      releaseBodyMemory(this.body);
      releaseResult(result, decoded.rows);
      return;
    }
    this.capture.part(0, decoded.inputs, result.outputs, decoded.rows, result.answered?.rung.name);
    this.capture.end(this.capturedInput(), capturedOutput(json, binary));
  }

  /** The body was parsed as JSON regardless of its declared content type. */
  protected capturedInput(): WireBody {
    if (!this.#isInfer) return capturedTensors(this.#decoded.inputs, this.#decoded.id);
    const size = this.#jsonLength;
    return { contentType: size === undefined ? 'application/json' : sizedType(Number(size)), body: this.body };
  }

  protected fail(error: PlatformError): void {
    sendFailure(this.#call, error, !this.hasBody);
  }
}

/** As JSON; undefined if none was requested. */
function responseParameters({ timings, explain }: InferRequest['parameters'], result: InferenceResult): string | undefined {
  if (!timings && !explain) return undefined;
  return JSON.stringify({ ...(timings ? timingParameters(result) : {}), ...(explain ? explainParameters(result.answered) : {}) });
}

function capturedOutput(json: string, binary: readonly Uint8Array[] | null): WireBody {
  if (binary === null) return { contentType: 'application/json', body: json };
  return { contentType: sizedType(Buffer.byteLength(json)), body: Buffer.concat([Buffer.from(json), ...binary]) };
}

/** `generate_stream` sends a single event, because models respond once. */
function sendGenerated({ request, response, requestId, position }: HttpCall, json: string): void {
  if (position.kind === 'generate') return sendText(request, response, requestId, 'application/json', json);
  sendText(request, response, requestId, 'text/event-stream; charset=utf-8', `data: ${json}\n\n`);
}

/** The content type of AWS clients, which carries the length of the JSON part. */
function sizedType(jsonBytes: number): string {
  return `application/octet-stream;json-header-size=${jsonBytes}`;
}

/** The headers with `x-penstock-timings: true`; Server-Timing counts in milliseconds. */
function addTimings(headers: string[], { timings, batchRows, closeReason, coldStart, parts }: InferenceResult, encodeMs: number): void {
  // Parts run in parallel, so their sum exceeds the elapsed time: another name prevents confusion with the total.
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

/** Names and values, alternating; empty if the endpoint serves one model. */
function answeredHeaders(answered: RowAnswers | undefined): readonly string[] {
  return answered === undefined ? [] : ['x-penstock-model', formatRowsByModel(answered), 'x-penstock-plan', answered.rung.name];
}

/** By row: the model that answered, as a position in `models`, and how sure the first model was; null without scores. */
function explainParameters(answered: RowAnswers | undefined): Record<string, unknown> {
  if (answered === undefined) return {};
  const { rung, stage, confidence } = answered;
  return {
    plan: rung.name,
    models: rung.second === null ? [rung.first] : [rung.first, rung.second],
    answered_by: Array.from(stage, (each) => (each === 1 ? 1 : 0)),
    confidence: Array.from(confidence, (each) => (Number.isNaN(each) ? null : each)),
  };
}

/** The invoke route: rows in any format of `codecs/rows/decode-body.ts` in, predictions out. */

import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import {
  bodyTypes,
  decodeInThread,
  decodeRows,
  decodeRowsTask,
  isShortRows,
  predictionTexts,
  type RowInvocation,
} from '../../codecs/index.ts';
import type { WireBody } from '../../data-quality/index.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import { inferenceIdOf, markRejectedOnEntry } from '../../http/index.ts';
import { sameName } from '../../names.ts';
import {
  formatRowsByModel,
  type InferenceCall,
  type InferenceResult,
  joinedAnswers,
  PartTexts,
  preferenceIn,
  type RowAnswers,
  RowsExchange,
  realTimeRows,
  type ServedRoute as ServingRoute,
} from '../../serving/index.ts';
import { predictionsBody, type ReceiptBody } from '../bodies.ts';
import { endpointPath, switchParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { clientLeftError, type InvocationCall, readInvocation } from './invocation-body.ts';
import { invokeProcessModel } from './invoke-process.ts';

/** What these routes need of the server. */
type Services = Pick<ApiServices, 'bodies' | 'calls' | 'clock' | 'deployments' | 'log' | 'serving' | 'threads' | 'traces'>;

const query = z.strictObject({
  version: z.string().optional().describe('Model version. Default: chosen by the weights of the variants.'),
  label: z.string().optional().describe('A CSV column that is the label, not an input.'),
  timings: switchParameter.describe('Include the timings of each stage in the response.'),
});

/** The receipt of one request to serving. Its outputs are encoded as soon as they arrive. */
interface Part {
  readonly receipt: ReceiptBody;
  readonly serviceMs: number;
}

export function invokeRoutes(services: Services): ApiRoute[] {
  return [
    apiRoute('POST /endpoints/:endpoint/invoke', {
      summary: 'Invoke an endpoint',
      description:
        'JSON bodies are {"instances": [row, …]} or the bare list, with rows {"input name": value, …} for a model with several inputs, or ' +
        '{"inputs": [{"name", "shape", "datatype", "data"}, …]}. CSV has one row per line, with or without a header. In npy, the first dimension is the rows. ' +
        'A model that takes rows of JSON accepts any JSON as one row, and responds with its result alone; several rows are {"instances": [row, …]} or JSON lines. ' +
        'A process model accepts any content type, and its response is returned unchanged, status included.',
      params: endpointPath,
      query,
      raw: bodyTypes,
      answer: predictionsBody,
      streams: ['application/json', '*/*'],
      handle: async ({ params, query: requested, request, requestId, response }) => {
        const trace = services.traces?.begin(requestId, request.headers) ?? null;
        try {
          const target = targetOf(services, request, params.endpoint, requested.version);
          if (target.payload === 'tensors') return await invoke(services, target, { ...requested, request, requestId, response });
          await invokeProcessModel(services, target, { request, requestId, response, trace, timings: requested.timings });
          return undefined;
        } catch (error) {
          services.traces?.refuse(requestId, asPlatformError(error));
          throw error;
        }
      },
    }),
  ];
}

/** For an endpoint that is deployed but not served yet, such as just after a start, the error is retryable (503) instead of 404. */
function targetOf(
  { serving, deployments }: Pick<ApiServices, 'serving' | 'deployments'>,
  request: IncomingMessage,
  endpoint: string,
  version: string | undefined,
): ServingRoute {
  try {
    return serving.route(endpoint, version);
  } catch (error) {
    markRejectedOnEntry(request);
    const deployed = deployments.list().find(({ config }) => sameName(config.name, endpoint));
    if (deployed === undefined || serving.endpoint(endpoint) !== undefined) throw error;
    const why = deployed.reason ?? `it is ${deployed.status}`;
    throw new PlatformError('unavailable', `endpoint '${deployed.config.name}' is not ready: ${why}`, { retryAfterMs: 1000 });
  }
}

interface InvokeCall extends InvocationCall {
  readonly label?: string | undefined;
  readonly timings: boolean;
}

async function invoke(services: Services, target: ServingRoute, call: InvokeCall): Promise<Buffer | undefined> {
  const exchange = new InvokeExchange(services, target, call);
  await readInvocation(services, call, exchange);
  return exchange.answered;
}

class InvokeExchange extends RowsExchange {
  readonly #services: Services;
  readonly #call: InvokeCall;
  /** The predictions without brackets. */
  #texts: PartTexts | null = null;
  readonly #answers: (RowAnswers | undefined)[] = [];
  /** For the timings. Empty if they were not requested. */
  readonly #parts: Part[] = [];
  readonly #answered = Promise.withResolvers<Buffer | undefined>();
  /** For rows of JSON: the results alone are the response. */
  #reply: RowInvocation['reply'];

  constructor(services: Services, target: ServingRoute, call: InvokeCall) {
    super(services, call.requestId, target, call.response);
    this.#services = services;
    this.#call = call;
  }

  /** The response body; undefined if it was sent. Rejects with the error to send. */
  get answered(): Promise<Buffer | undefined> {
    return this.#answered.promise;
  }

  protected isShort(body: Buffer): boolean {
    return isShortRows(this.#input(body));
  }

  protected decode(body: Buffer): readonly RowInvocation[] {
    return decodeRows(this.#input(body));
  }

  protected decodeLong(body: Buffer, isWanted: () => boolean) {
    return decodeInThread(this.#services.threads, decodeRowsTask, this.#input(body), isWanted);
  }

  protected inferenceId(): string | null {
    return inferenceIdOf(this.#call.request);
  }

  protected rowsOf(decoded: readonly RowInvocation[]): readonly RowInvocation[] {
    this.#reply = decoded[0]?.reply;
    return decoded;
  }

  protected override callOf(): Pick<InferenceCall, 'prefer'> {
    return { prefer: preferenceIn(this.#call.request.headers) };
  }

  protected addPart(part: number, result: InferenceResult, rows: number): void {
    const { outputs } = this.route.signature;
    const isLines = this.#reply === 'lines';
    const text = predictionTexts(result.outputs, rows, outputs).join(isLines ? '\n' : ',');
    this.#texts ??= new PartTexts(this.parts.length);
    this.#texts.set(part, text);
    if (result.answered !== undefined) this.#answers[part] = result.answered;
    if (this.#call.timings) this.#parts[part] = { receipt: receiptOf(rows, result), serviceMs: result.timings.serviceMs };
  }

  protected answer(): void {
    const answered = joinedAnswers(this.#answers);
    if (answered !== undefined) {
      this.#call.response.setHeader('x-penstock-model', formatRowsByModel(answered));
      this.#call.response.setHeader('x-penstock-plan', answered.rung.name);
    }
    if (this.#reply !== undefined) return this.#answerAlone(this.#reply);
    const totalMs = this.deps.clock.nowMs() - this.arrivedAtMs;
    const timings = this.#call.timings ? `,"timings":${JSON.stringify(timingsOf(this.#parts, totalMs))}` : '';
    const tail = `],"model_version":${JSON.stringify(this.route.version)}${timings}}`;
    const body = this.#joined('{"predictions":[', ',', tail);
    this.#answered.resolve(body);
    this.capture?.end(this.capturedInput(), { contentType: 'application/json', body });
  }

  /** Sends the results of JSON rows, without anything around them. */
  #answerAlone(reply: 'value' | 'lines'): void {
    const { response, requestId } = this.#call;
    const isLines = reply === 'lines';
    const body = isLines ? this.#joined('', '\n', '\n') : this.#joined('', '', '');
    const contentType = isLines ? 'application/jsonlines' : 'application/json';
    response.writeHead(200, {
      'content-type': contentType,
      'content-length': body.length,
      'x-penstock-model-version': this.route.version,
      'x-content-type-options': 'nosniff',
      'x-request-id': requestId,
    });
    response.end(body);
    this.#answered.resolve(undefined);
    this.capture?.end(this.capturedInput(), { contentType, body });
  }

  #joined(head: string, separator: string, tail: string): Buffer {
    return asBytes((this.#texts ?? new PartTexts(0)).joined(head, separator, tail));
  }

  protected capturedInput(): WireBody {
    const { label, request } = this.#call;
    const type = request.headers['content-type'] ?? 'application/json';
    // Captured calls must record which column is not an input.
    return { contentType: label === undefined ? type : `text/csv; label="${encodeURIComponent(label)}"`, body: this.body };
  }

  protected fail(error: PlatformError): void {
    this.#answered.reject(error);
  }

  protected override left(): void {
    this.#answered.reject(clientLeftError());
  }

  #input(body: Buffer) {
    const { label, request } = this.#call;
    const { signature } = this.route;
    return { signature, contentType: request.headers['content-type'], body, label, limits: realTimeRows(this.route) };
  }
}

function asBytes(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text) : text;
}

function timingsOf(parts: readonly Part[], totalMs: number): z.input<typeof predictionsBody>['timings'] {
  const receipts = parts.map(({ receipt }) => receipt);
  const timeOf = ({ receipt, serviceMs }: Part): number => receipt.queue_ms + serviceMs;
  const { receipt: slowest } = parts.reduce((slower, part) => (timeOf(part) > timeOf(slower) ? part : slower));
  return {
    total_ms: totalMs,
    queue_ms: slowest.queue_ms,
    compute_ms: slowest.compute_ms,
    batch_rows: slowest.batch_rows,
    close_reason: slowest.close_reason,
    parts: parts.length,
    cost_usd: receipts.reduce((sum, { cost_usd: usd }) => sum + usd, 0),
    executors: [...new Set(receipts.map(({ executor }) => executor))],
    ...(receipts.some(({ cold_start: isCold }) => isCold) ? { cold_start: true } : {}),
    receipts,
  };
}

function receiptOf(rows: number, { timings, batchRows, closeReason, executor, coldStart, costUsd }: InferenceResult): ReceiptBody {
  return {
    rows,
    queue_ms: timings.queueMs,
    compute_ms: timings.computeMs,
    batch_rows: batchRows,
    close_reason: closeReason,
    executor,
    cold_start: coldStart === true,
    cost_usd: costUsd,
  };
}

/** Invokes a process model: passes bytes and headers through unchanged in both directions. */

import { streamForm } from '../../codecs/index.ts';
import type { WireBody } from '../../data-quality/index.ts';
import { PlatformError } from '../../errors.ts';
import { passedTrace } from '../../logs/index.ts';
import type { Payload, ReplySink } from '../../runtime/index.ts';
import { BytesExchange, type ExchangeDeps, FormattedSink, type InferenceCall, type InferenceResult } from '../../serving/index.ts';
import { payloadPart, streamException } from '../wire/event-stream.ts';
import type { RuntimeCall } from './exchange.ts';
import { awsErrorOf } from './model-error.ts';
import { eventStreamType, isStreamed, sendResponse } from './send-response.ts';

/** Forwarded to the process, as are trace headers. All others are dropped, among them the signature. */
const passedHeaders = [
  'content-type',
  'accept',
  'x-amzn-sagemaker-custom-attributes',
  'x-amzn-sagemaker-target-model',
  'x-amzn-sagemaker-target-variant',
  'x-amzn-sagemaker-target-container-hostname',
  'x-amzn-sagemaker-inference-id',
  'x-amzn-sagemaker-inference-component',
  'x-amzn-sagemaker-session-id',
];

/** Returned to the client if the process sets them. */
const returnedHeaders = [
  ['x-amzn-sagemaker-custom-attributes', 'X-Amzn-SageMaker-Custom-Attributes'],
  ['x-amzn-sagemaker-new-session-id', 'X-Amzn-SageMaker-New-Session-Id'],
  ['x-amzn-sagemaker-closed-session-id', 'X-Amzn-SageMaker-Closed-Session-Id'],
] as const;

const unnamedType = 'application/octet-stream';

export class ProcessInvocation extends BytesExchange {
  readonly #call: RuntimeCall;
  readonly #timeoutMs: number;
  readonly #answered = Promise.withResolvers<void>();
  readonly #events: EventSink | null;
  protected readonly sink: ReplySink | null;

  constructor(deps: ExchangeDeps, call: RuntimeCall, timeoutMs: number) {
    super(deps, call.request.requestId, call.route, call.response);
    this.#call = call;
    this.#timeoutMs = timeoutMs;
    this.#events = isStreamed(call) ? new EventSink(call) : null;
    const form = call.route.payload === 'stream' ? streamForm(call.members.Accept) : null;
    this.sink = this.#events === null || form === null ? this.#events : new FormattedSink(this.#events, form);
  }

  /** Resolves when the response is sent or the client has disconnected. Rejects with the error to send. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  protected override callOf(): Pick<InferenceCall, 'timeoutMs'> {
    return { timeoutMs: this.#timeoutMs };
  }

  protected payload(body: Buffer): Payload {
    return { headers: headersFor(this.#call), body };
  }

  protected inferenceId(): string | null {
    return this.#call.members.InferenceId ?? null;
  }

  protected answer(result: InferenceResult): void {
    this.#events?.close();
    finish(this.#call, result, this.#events);
    this.#answered.resolve();
    this.capture?.end(this.capturedInput(), wholeReply(result));
  }

  protected capturedInput(): WireBody {
    return { contentType: this.#call.members.ContentType ?? '', body: this.body };
  }

  protected fail(error: PlatformError): void {
    const { request, response, route } = this.#call;
    this.#events?.close();
    if (this.#events?.hasStarted !== true) return this.#answered.reject(awsErrorOf(request, route.endpoint, error));
    response.end(brokenStream(error));
    this.#answered.resolve();
  }

  protected override left(): void {
    this.#events?.close();
    this.#answered.resolve();
  }
}

function headersFor({ request: { headers }, members, trace }: RuntimeCall): Record<string, string> {
  const passed = passedTrace(headers, trace);
  for (const name of passedHeaders) {
    const value = headers[name];
    if (typeof value === 'string') passed[name] = value;
  }
  // InvokeEndpointWithResponseStream carries it in a separate header.
  if (members.Accept !== undefined) passed.accept = members.Accept;
  return passed;
}

function finish(call: RuntimeCall, { reply }: InferenceResult, stream: EventSink | null): void {
  if (reply === undefined) throw new PlatformError('internal', 'the process returned no reply');
  if (stream?.hasStarted === true) call.response.end();
  else sendResponse(call, { contentType: reply.headers['content-type'] ?? unnamedType, body: reply.body }, returned(reply.headers));
}

/** The reply for capture; null if it was streamed and never held whole. */
function wholeReply({ reply }: InferenceResult) {
  return reply === undefined || reply.isStreamed ? null : { contentType: reply.headers['content-type'] ?? unnamedType, body: reply.body };
}

function returned(headers: Readonly<Record<string, string>>): string[] {
  return returnedHeaders.flatMap(([input, name]) => (headers[input] === undefined ? [] : [name, headers[input]]));
}

/** The last event of a stream that has started: its status can no longer change. */
function brokenStream({ code, message }: PlatformError): Buffer {
  const ErrorCode = code === 'deadline_exceeded' ? 'ModelInvocationTimeExceeded' : 'StreamBroken';
  return streamException('ModelStreamError', { Message: message, ErrorCode });
}

/** Sends a reply as a stream of events while it arrives. */
class EventSink {
  readonly #call: RuntimeCall;
  #isClosed = false;
  hasStarted = false;

  constructor(call: RuntimeCall) {
    this.#call = call;
  }

  begin({ headers }: { readonly headers: Readonly<Record<string, string>> }): void {
    this.#assertOpen();
    const { response, route } = this.#call;
    this.hasStarted = true;
    response.writeHead(200, [
      'x-Amzn-Invoked-Production-Variant',
      route.variant,
      ...returned(headers),
      'Content-Type',
      eventStreamType,
      'X-Amzn-SageMaker-Content-Type',
      headers['content-type'] ?? unnamedType,
    ]);
    response.flushHeaders();
  }

  /** Resolves when the response's buffer has drained, so a slow client slows the process. */
  piece(bytes: Buffer): Promise<void> | void {
    this.#assertOpen();
    const { response } = this.#call;
    if (response.write(payloadPart(bytes))) return;
    return new Promise((resolve) => {
      const go = (): void => {
        response.off('drain', go);
        response.off('close', go);
        resolve();
      };
      response.on('drain', go);
      response.on('close', go);
    });
  }

  close(): void {
    this.#isClosed = true;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new PlatformError('invalid_request', 'the client has disconnected');
  }
}

/** An invocation of a model that is a process: bytes and headers go to it as they came, and come back as it gave them. */
import { PlatformError } from '../../errors.ts';
import { passedTrace } from '../../monitoring/index.ts';
import { type InferenceResult, type Outcome, rawCall } from '../../serving/index.ts';
import { payloadPart, streamException } from '../wire/event-stream.ts';
import type { Exchange, InvocationTerms } from './exchange.ts';
import { refusalOf } from './model-error.ts';
import { eventStreamType, isStreamed, sendAnswer } from './send.ts';

/** Handed to the process where the client sent them, as is the trace; all others are stripped. */
const passedHeaders = [
  'content-type',
  'accept',
  'x-amzn-sagemaker-custom-attributes',
  'x-amzn-sagemaker-target-model',
  'x-amzn-sagemaker-target-variant',
  'x-amzn-sagemaker-target-container-hostname',
  'x-amzn-sagemaker-inference-id',
  'x-amzn-sagemaker-enable-explanations',
  'x-amzn-sagemaker-inference-component',
  'x-amzn-sagemaker-session-id',
];

/** Handed to the client where the process gave them. */
const returnedHeaders = [
  ['x-amzn-sagemaker-custom-attributes', 'X-Amzn-SageMaker-Custom-Attributes'],
  ['x-amzn-sagemaker-new-session-id', 'X-Amzn-SageMaker-New-Session-Id'],
  ['x-amzn-sagemaker-closed-session-id', 'X-Amzn-SageMaker-Closed-Session-Id'],
] as const;

const unnamedType = 'application/octet-stream';

/** Resolves when the answer is sent, or the client has gone. Rejects where there is none. */
export function invokeProcess(exchange: Exchange, body: Buffer, { serving, timeoutMs, arrivedAtMs, seen }: InvocationTerms): Promise<void> {
  const { request, response, route } = exchange;
  const call = { requestId: request.requestId, timeoutMs, arrivedAtMs };
  return new Promise((resolve, reject) => {
    const stream = isStreamed(exchange) ? new EventSink(exchange) : null;
    let cancel = (): void => {};
    const leave = (): void => {
      stream?.close();
      cancel();
      resolve();
    };
    response.once('close', leave);
    const settle = (outcome: Outcome): void => {
      response.off('close', leave);
      stream?.close();
      if (outcome.ok) {
        finish(exchange, outcome.result, stream);
        seen?.end({ contentType: exchange.members.ContentType ?? '', body }, wholeReply(outcome.result));
      } else if (stream?.hasBegun === true) response.end(brokenStream(outcome.error));
      else return reject(refusalOf(request, route.endpoint, outcome.error));
      resolve();
    };
    cancel = serving.invoke(route, rawCall(call, { headers: headersFor(exchange), body }, stream), settle);
  });
}

function headersFor({ request: { headers }, members, trace }: Exchange): Record<string, string> {
  const passed = passedTrace(headers, trace);
  for (const name of passedHeaders) {
    const value = headers[name];
    if (typeof value === 'string') passed[name] = value;
  }
  // The stream's operation has a header of its own for it.
  if (members.Accept !== undefined) passed.accept = members.Accept;
  return passed;
}

function finish(exchange: Exchange, { reply }: InferenceResult, stream: EventSink | null): void {
  if (reply === undefined) throw new PlatformError('internal', 'a process was invoked, and nothing came back');
  if (stream?.hasBegun === true) exchange.response.end();
  else sendAnswer(exchange, { contentType: reply.headers['content-type'] ?? unnamedType, body: reply.body }, returned(reply.headers));
}

/** What is looked at of a reply: nothing where it went out in pieces. */
function wholeReply({ reply }: InferenceResult) {
  return reply === undefined || reply.isStreamed ? null : { contentType: reply.headers['content-type'] ?? unnamedType, body: reply.body };
}

function returned(headers: Readonly<Record<string, string>>): string[] {
  return returnedHeaders.flatMap(([given, name]) => (headers[given] === undefined ? [] : [name, headers[given]]));
}

function brokenStream({ code, message }: PlatformError): Buffer {
  const ErrorCode = code === 'deadline_exceeded' ? 'ModelInvocationTimeExceeded' : 'StreamBroken';
  return streamException('ModelStreamError', { Message: message, ErrorCode });
}

/** Sends the pieces of a reply as events while they come. */
class EventSink {
  readonly #exchange: Exchange;
  #isClosed = false;
  hasBegun = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  begin({ headers }: { readonly headers: Readonly<Record<string, string>> }): void {
    this.#assertOpen();
    const { response, route } = this.#exchange;
    this.hasBegun = true;
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

  /** Resolves when the client has taken what was sent before. */
  piece(bytes: Buffer): Promise<void> | void {
    this.#assertOpen();
    const { response } = this.#exchange;
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
    if (this.#isClosed) throw new PlatformError('invalid_request', 'nobody waits for this reply any more');
  }
}

/** The invoke route for models that are processes: the bytes go through as they are, and so does what is answered, a refusal too. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asPlatformError, PlatformError } from '../errors.ts';
import { passedTrace, type TraceContext } from '../monitoring/index.ts';
import type { PayloadHeaders, Reply, ReplyHead } from '../runtime/index.ts';
import { type InferenceResult, ModelError, type Outcome, rawCall, type Route as ServingRoute } from '../serving/index.ts';
import { inferenceIdOf } from './inference-id.ts';
import { readInvocation } from './invocation-body.ts';
import type { ApiServices } from './services.ts';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** Null where it is not traced. */
  readonly trace: TraceContext | null;
  readonly timings: boolean;
}

/** Writes the answer. Throws what is no answer of the process, as long as nothing of one was sent. */
export async function invokeProcess(services: ApiServices, target: ServingRoute, exchange: Exchange): Promise<void> {
  const { serving, clock } = services;
  const { request, response, requestId, trace } = exchange;
  const body = await readInvocation(services, target, exchange);
  const payload = { headers: { ...passedOn(request.headers), ...passedTrace(request.headers, trace) }, body };
  const sink = {
    begin: (head: ReplyHead) => {
      writeHead(exchange, target, head);
      response.flushHeaders();
    },
    piece: (bytes: Buffer) => write(response, bytes),
  };
  const seen = target.isWatched ? services.calls.begin(target, requestId, inferenceIdOf(request)) : null;
  const call = rawCall({ requestId, arrivedAtMs: clock.nowMs() }, payload, sink);
  await new Promise<void>((resolve, reject) => {
    const cancel = serving.invoke(target, call, (outcome) => {
      response.off('close', leave);
      try {
        if (!outcome.ok && !response.headersSent && !(outcome.error instanceof ModelError)) throw outcome.error;
        settle(exchange, target, outcome);
        if (outcome.ok) seen?.end({ contentType: request.headers['content-type'] ?? '', body }, wholeReply(outcome.result));
        resolve();
      } catch (error) {
        reject(asPlatformError(error));
      }
    });
    const leave = (): void => {
      cancel();
      reject(new PlatformError('invalid_request', 'the client went away before its answer was ready'));
    };
    response.once('close', leave);
  });
}

/** What is looked at of a reply: nothing where it went out in pieces. */
function wholeReply({ reply }: InferenceResult): { readonly contentType: string; readonly body: Uint8Array } | null {
  if (reply === undefined || reply.isStreamed) return null;
  return { contentType: reply.headers['content-type'] ?? '', body: reply.body };
}

function settle(exchange: Exchange, target: ServingRoute, outcome: Outcome): void {
  const { response, timings } = exchange;
  if (!outcome.ok) {
    if (outcome.error instanceof ModelError && !response.headersSent) send(exchange, target, outcome.error.reply, null);
    else response.destroy(); // so that nobody takes the part for the whole
    return;
  }
  const { reply } = outcome.result;
  if (reply !== undefined && !reply.isStreamed) send(exchange, target, reply, timings ? outcome.result : null);
  else response.end();
}

/** Headers of the client's that mean something to a model; who it is to us is none of its business. */
function passedOn(headers: IncomingMessage['headers']): PayloadHeaders {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const isPassed = name === 'content-type' || name === 'accept' || (name.startsWith('x-') && !name.startsWith('x-penstock-'));
      return isPassed && typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function send(exchange: Exchange, target: ServingRoute, reply: Reply, timed: InferenceResult | null): void {
  writeHead(exchange, target, reply, timed, reply.body.length);
  exchange.response.end(reply.body);
}

function writeHead(
  { response, requestId }: Exchange,
  { version }: ServingRoute,
  { status, headers }: ReplyHead,
  timed: InferenceResult | null = null,
  length: number | null = null,
): void {
  const kept = Object.entries(headers).filter(
    ([name]) => name === 'content-type' || name === 'content-encoding' || (name.startsWith('x-') && !name.startsWith('x-penstock-')),
  );
  const isError = status < 200 || status >= 300;
  response.writeHead(status, {
    ...Object.fromEntries(kept),
    ...(length === null ? {} : { 'content-length': length }),
    ...(isError ? { 'x-penstock-error': 'model_failed' } : {}),
    ...(timed === null
      ? {}
      : { 'server-timing': `queue;dur=${timed.timings.queueMs.toFixed(3)}, compute;dur=${timed.timings.computeMs.toFixed(3)}` }),
    'x-penstock-model-version': version,
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
  });
}

async function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  if (response.destroyed) throw new PlatformError('invalid_request', 'the client went away in the middle of its answer');
  if (!response.write(bytes)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
}

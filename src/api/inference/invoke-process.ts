/** The invoke route for process models: request and response pass through unchanged, error responses included. */
import type { IncomingMessage } from 'node:http';
import { streamForm } from '../../codecs/index.ts';
import type { WireBody } from '../../data-quality/index.ts';
import type { PlatformError } from '../../errors.ts';
import { inferenceIdOf, writePiece } from '../../http/index.ts';
import { passedTrace, type TraceContext } from '../../logs/index.ts';
import type { Payload, PayloadHeaders, ProcessReply, ReplyHead, ReplySink } from '../../runtime/index.ts';
import { BytesExchange, FormattedSink, type InferenceResult, ModelError, type ServedRoute as ServingRoute } from '../../serving/index.ts';
import type { ApiServices } from '../routing/services.ts';
import { clientLeftError, type InvocationCall, readInvocation } from './invocation-body.ts';

/** What these routes need of the server. */
type Services = Pick<ApiServices, 'bodies' | 'calls' | 'clock' | 'log' | 'serving'>;

interface ProcessCall extends InvocationCall {
  /** Null if the request is not traced. */
  readonly trace: TraceContext | null;
  readonly timings: boolean;
}

/** Writes the response. Throws errors that are not responses of the process, unless the response headers were already sent. */
export async function invokeProcessModel(services: Services, target: ServingRoute, call: ProcessCall): Promise<void> {
  const exchange = new ProcessExchange(services, target, call);
  await readInvocation(services, call, exchange);
  await exchange.answered;
}

class ProcessExchange extends BytesExchange {
  readonly #call: ProcessCall;
  readonly #answered = Promise.withResolvers<void>();
  /** Set if the client accepts a form of streams, and the model answers with a stream of values. */
  readonly #formatted: FormattedSink | null;
  protected readonly sink: ReplySink;

  constructor(services: Services, target: ServingRoute, call: ProcessCall) {
    super(services, call.requestId, target, call.response);
    this.#call = call;
    const form = target.payload === 'stream' ? streamForm(call.request.headers.accept) : null;
    const unchanged: ReplySink = {
      begin: (head) => {
        writeHead(call, target, head);
        call.response.flushHeaders();
      },
      piece: (bytes) => writePiece(call.response, bytes),
    };
    this.#formatted = form === null ? null : new FormattedSink(unchanged, form);
    this.sink = this.#formatted ?? unchanged;
  }

  /** Resolves once the response is written. Rejects with the error to send. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  protected payload(body: Buffer): Payload {
    const { request, trace } = this.#call;
    return { headers: { ...forwardedHeaders(request.headers), ...passedTrace(request.headers, trace) }, body };
  }

  protected inferenceId(): string | null {
    return inferenceIdOf(this.#call.request);
  }

  protected answer(result: InferenceResult): void {
    const { response, timings } = this.#call;
    const { reply } = result;
    const whole = reply === undefined || reply.isStreamed ? null : reply;
    if (whole === null) response.end();
    else send(this.#call, this.route, whole, timings ? result : null);
    this.#answered.resolve();
    const output = whole === null ? null : { contentType: whole.headers['content-type'] ?? '', body: whole.body };
    this.capture?.end(this.capturedInput(), output);
  }

  protected capturedInput(): WireBody {
    return { contentType: this.#call.request.headers['content-type'] ?? '', body: this.body };
  }

  protected fail(error: PlatformError): void {
    const { response } = this.#call;
    if (!response.headersSent && !(error instanceof ModelError)) return this.#answered.reject(error);
    const lastEvent = this.#formatted?.failure(error) ?? null;
    if (error instanceof ModelError && !response.headersSent) send(this.#call, this.route, error.reply, null);
    else if (lastEvent !== null) response.end(lastEvent);
    else response.destroy(); // so that the client does not take a partial response for a complete one
    this.#answered.resolve();
  }

  protected override left(): void {
    this.#answered.reject(clientLeftError());
  }
}

/** Client headers to forward to the model. Credentials and platform headers are withheld. */
function forwardedHeaders(headers: IncomingMessage['headers']): PayloadHeaders {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const isPassed = name === 'content-type' || name === 'accept' || (name.startsWith('x-') && !name.startsWith('x-penstock-'));
      return isPassed && typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function send(call: ProcessCall, target: ServingRoute, reply: ProcessReply, timed: InferenceResult | null): void {
  writeHead(call, target, reply, timed, reply.body.length);
  call.response.end(reply.body);
}

function writeHead(
  { response, requestId }: ProcessCall,
  { version }: ServingRoute,
  { status, headers }: ReplyHead,
  timed: InferenceResult | null = null,
  length: number | null = null,
): void {
  const retained = Object.entries(headers).filter(
    ([name]) => name === 'content-type' || name === 'content-encoding' || (name.startsWith('x-') && !name.startsWith('x-penstock-')),
  );
  const isError = status < 200 || status >= 300;
  response.writeHead(status, {
    ...Object.fromEntries(retained),
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

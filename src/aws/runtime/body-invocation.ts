/**
 * Invocations without an HTTP client, for asynchronous requests and transform jobs. Bodies and responses have the formats
 * of InvokeEndpoint.
 */

import { PassThrough } from 'node:stream';
import type { InferenceInput, InferenceOutput } from '../../async-inference/index.ts';
import type { WireBody } from '../../data-quality/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Payload, ReplySink } from '../../runtime/index.ts';
import {
  asyncRows,
  BytesExchange,
  type ExchangeDeps,
  type InferenceCall,
  type InferenceResult,
  ModelPlans,
  type ServedRoute,
  type Serving,
} from '../../serving/index.ts';
import type { Threads } from '../../threads/index.ts';
import { DecodedExchange, type DecodedExchangeDeps } from './decoded-exchange.ts';

export interface BodyInvocationsOptions extends ExchangeDeps {
  readonly serving: Pick<Serving, 'route' | 'invoke' | 'enter' | 'reject' | 'endpoint'>;
  readonly threads: Threads;
}

const unnamedType = 'application/octet-stream';

/** Serves a body as InvokeEndpoint would, and returns the response in place of sending it. */
export class BodyInvocations {
  readonly #deps: DecodedExchangeDeps & BodyInvocationsOptions;

  constructor(options: BodyInvocationsOptions) {
    this.#deps = { ...options, plans: new ModelPlans() };
  }

  /** Rejects with a `PlatformError`. A process's body may still be streaming when this resolves. */
  async run(request: InferenceInput): Promise<InferenceOutput> {
    if (request.signal.aborted) throw cancelledError();
    return this.runOn(this.#deps.serving.route(request.endpoint), request);
  }

  /** Like `run`, on a given variant. */
  async runOn(route: ServedRoute, request: InferenceInput): Promise<InferenceOutput> {
    // Files are passed by path, which only a process can read. The endpoint may have been updated to another runtime.
    if (route.payload === 'tensors' && request.files !== undefined)
      throw new PlatformError(
        'unavailable',
        'the model no longer runs as a process and cannot read files: expected a process model. Create the job again.',
      );
    const exchange = route.payload === 'tensors' ? new ModelBody(this.#deps, route, request) : new ProcessBody(this.#deps, route, request);
    const leave = (): void => exchange.leave();
    // Many requests of a job share one signal.
    request.signal.addEventListener('abort', leave, { once: true });
    void exchange.ended.then(() => request.signal.removeEventListener('abort', leave));
    exchange.receive(request.body);
    return exchange.answered;
  }
}

class ModelBody extends DecodedExchange {
  readonly #request: InferenceInput;
  readonly #answered = Promise.withResolvers<InferenceOutput>();

  constructor(deps: DecodedExchangeDeps, route: ServedRoute, request: InferenceInput) {
    const { requestId, timeoutMs, contentType, accept } = request;
    super(
      deps,
      { requestId, route, contentType: contentType ?? undefined, accept: accept ?? undefined, limits: asyncRows(route), timeoutMs },
      null,
    );
    this.#request = request;
  }

  get answered(): Promise<InferenceOutput> {
    return this.#answered.promise;
  }

  get ended(): Promise<unknown> {
    return this.#answered.promise.catch(() => undefined);
  }

  /** The caller may need it again. */
  protected override get ownsBody(): boolean {
    return false;
  }

  protected inferenceId(): string {
    return this.#request.inferenceId;
  }

  protected answer(): void {
    const { contentType, body: text } = this.encode();
    // The memory of the outputs may be reused after this callback: copy now.
    const body = Buffer.from(text as string);
    this.#answered.resolve({ contentType, body, variant: this.route.variant });
    this.capture?.end(this.capturedInput(), { contentType, body });
  }

  protected override capturedInput(): WireBody {
    return { contentType: this.#request.contentType ?? unnamedType, body: this.body };
  }

  protected fail(error: PlatformError): void {
    this.#answered.reject(error);
  }

  protected override left(): void {
    this.#answered.reject(cancelledError());
  }
}

class ProcessBody extends BytesExchange {
  readonly #request: InferenceInput;
  readonly #answered = Promise.withResolvers<InferenceOutput>();
  /** A slow consumer fills the buffer, and `piece` then pauses the process. */
  readonly #pieces = new PassThrough({ highWaterMark: 2 ** 18 });
  #hasBegun = false;
  readonly #ended = Promise.withResolvers<void>();
  protected readonly sink: ReplySink;

  constructor(deps: ExchangeDeps, route: ServedRoute, request: InferenceInput) {
    super(deps, request.requestId, route, null);
    this.#request = request;
    const pieces = this.#pieces;
    // Without a listener, an error before the consumer reads would end the server.
    pieces.on('error', () => undefined);
    this.sink = {
      begin: ({ headers }) => {
        this.#hasBegun = true;
        const contentType = headers['content-type'] ?? unnamedType;
        this.#answered.resolve({ contentType, body: pieces as AsyncIterable<Buffer>, variant: route.variant });
      },
      piece: (bytes) => {
        if (pieces.destroyed) throw cancelledError();
        if (!pieces.write(Buffer.from(bytes))) return drained(pieces);
      },
    };
  }

  /** Resolves with the whole reply, or when it begins to arrive. */
  get answered(): Promise<InferenceOutput> {
    return this.#answered.promise;
  }

  get ended(): Promise<unknown> {
    return this.#ended.promise;
  }

  protected override callOf(): Pick<InferenceCall, 'timeoutMs'> {
    return { timeoutMs: this.#request.timeoutMs };
  }

  protected payload(): Payload {
    return payloadOf(this.#request);
  }

  protected inferenceId(): string {
    return this.#request.inferenceId;
  }

  protected answer(result: InferenceResult): void {
    this.#ended.resolve();
    const whole = this.#hasBegun ? null : wholeOf(result);
    if (whole === null) this.#pieces.end();
    else this.#answered.resolve({ ...whole, variant: this.route.variant });
    this.capture?.end(this.capturedInput(), whole);
  }

  protected capturedInput(): WireBody {
    return { contentType: this.#request.contentType ?? unnamedType, body: this.body };
  }

  protected fail(error: PlatformError): void {
    this.#ended.resolve();
    if (this.#hasBegun) this.#pieces.destroy(error);
    else this.#answered.reject(error);
  }

  protected override left(): void {
    this.#ended.resolve();
    this.#pieces.destroy(cancelledError());
    this.#answered.reject(cancelledError());
  }
}

function drained(pieces: PassThrough): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      pieces.off('drain', go).off('close', go);
      resolve();
    };
    pieces.on('drain', go).on('close', go);
  });
}

function wholeOf({ reply }: InferenceResult): { readonly contentType: string; readonly body: Buffer } {
  if (reply === undefined) throw new PlatformError('internal', 'the process returned no reply');
  return { contentType: reply.headers['content-type'] ?? unnamedType, body: Buffer.from(reply.body) };
}

function payloadOf(request: InferenceInput): Payload {
  const { body, files } = request;
  return { headers: headersOf(request), body, ...(files === undefined ? {} : { files }) };
}

function headersOf({ contentType, accept, customAttributes, inferenceId }: InferenceInput): Record<string, string> {
  return {
    'content-type': contentType ?? unnamedType,
    ...(accept === null ? {} : { accept }),
    ...(customAttributes === null ? {} : { 'x-amzn-sagemaker-custom-attributes': customAttributes }),
    'x-amzn-sagemaker-inference-id': inferenceId,
  };
}

function cancelledError(): PlatformError {
  return new PlatformError('unavailable', 'the caller cancelled the request');
}

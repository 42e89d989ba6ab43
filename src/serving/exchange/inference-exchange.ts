/**
 * One inference, from its route to its response: decodes, captures, counts rejections, cancels when the client leaves, and releases the
 * body's memory. A protocol extends it with decoding and encoding. The hot path: one object per request.
 */
import { releaseBodyMemory } from '../../buffer-release.ts';
import type { Clock } from '../../clock.ts';
import type { CallCapture, CapturedExchange, WireBody } from '../../data-quality/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { InferenceCall, InferenceResult, ServedRoute } from '../request.ts';
import type { Serving } from '../serving.ts';
import type { PartInvoker } from './invoke-parts.ts';

/** Shared by all exchanges of a server. Narrow on purpose: the tests of a protocol replace few members. */
export interface ExchangeDeps {
  readonly serving: PartInvoker & Pick<Serving, 'reject' | 'enter'>;
  /** Captures sampled calls. */
  readonly calls: Pick<CallCapture, 'begin'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Pick<Log, 'error'>;
}

/** An HTTP response: it closes when it was sent, or when its client disconnects. */
export interface ClosingResponse {
  readonly destroyed: boolean;
  on(event: 'close', listener: () => void): unknown;
}

const emptyBody = Buffer.alloc(0);

/** The answer to a request is exactly one of `answer`, `fail` and `left`, called once. */
export abstract class InferenceExchange<Decoded, Result = InferenceResult> {
  readonly requestId: string;
  readonly route: ServedRoute;
  protected readonly deps: ExchangeDeps;
  /** Tensors may be views into it. */
  protected body: Buffer = emptyBody;
  /** Null if the call is not captured. */
  protected capture: CapturedExchange | null = null;
  /** `clock.nowMs()` when the body was complete. Objective and timeout count from then on. */
  protected arrivedAtMs = 0;
  /** `clock.nowMs()` when the head arrived, if the body was streamed: a rejection's duration counts from then on. */
  receivedAtMs: number | undefined;
  readonly #response: ClosingResponse | null;
  #cancel: (() => void) | null = null;
  #state: 'open' | 'settled' | 'left' = 'open';

  /** `response`: null if the adapter calls `leave` itself. */
  constructor(deps: ExchangeDeps, requestId: string, route: ServedRoute, response: ClosingResponse | null) {
    this.deps = deps;
    this.requestId = requestId;
    this.route = route;
    this.#response = response;
  }

  /** Whether the body is decoded in place, by `decode`. Otherwise `decodeLong` does it. */
  protected abstract isShort(body: Buffer): boolean;
  protected abstract decode(body: Buffer): Decoded;
  /** Decodes in a thread, unless `isWanted` returns false by then. Resolves with the body, whose memory has moved. */
  protected abstract decodeLong(body: Buffer, isWanted: () => boolean): Promise<{ readonly decoded: Decoded; readonly body: Buffer }>;
  /** The client's id of the inference; null if it sent none. */
  protected abstract inferenceId(decoded: Decoded): string | null;
  /** Submits the request, and calls `finish` once. Returns a function that cancels it. */
  protected abstract start(decoded: Decoded): () => void;
  /** Encodes and sends the response, then ends the capture. An error that it throws is passed to `fail`. */
  protected abstract answer(result: Result): void;
  /** Sends the error. */
  protected abstract fail(error: PlatformError): void;
  protected abstract capturedInput(): WireBody;
  /** The client has disconnected: there is nothing to send. */
  protected left(): void {}

  /** Takes the complete body. */
  receive(body: Buffer, arrivedAtMs: number = this.deps.clock.nowMs()): void {
    this.arrivedAtMs = arrivedAtMs;
    this.body = body;
    const response = this.#response;
    if (response !== null) {
      response.on('close', () => this.leave());
      if (response.destroyed) {
        releaseBodyMemory(body);
        return this.leave();
      }
    }
    if (!this.isShort(body)) {
      this.decodeLong(body, () => this.#state === 'open').then(
        (long) => {
          this.body = long.body;
          this.#run(long.decoded);
        },
        (error: unknown) => this.#rejectBody(error),
      );
      return;
    }
    let decoded: Decoded;
    try {
      decoded = this.decode(body);
    } catch (error) {
      this.#rejectBody(error);
      return;
    }
    this.#run(decoded);
  }

  /** The request reached a model, but not its queue: it counts as failed. */
  reject(thrown: unknown): void {
    const error = this.#toPlatformError(thrown);
    this.#count(error);
    this.#state = 'settled';
    this.fail(error);
  }

  /** The body was rejected while it arrived. */
  rejectUnread(error: PlatformError): void {
    this.arrivedAtMs = this.deps.clock.nowMs();
    this.reject(error);
  }

  /** Cancels the request: its client has disconnected. Does nothing once it is answered. */
  leave(): void {
    if (this.#state !== 'open') return;
    this.#state = 'left';
    if (this.#cancel === null) this.#count(null);
    else this.#cancel();
    this.left();
  }

  /** Runs tensors as one request, however many batches they fill. */
  protected invokeWhole(call: InferenceCall): () => void {
    return this.deps.serving.enter(this.route, call, (outcome) => {
      if (outcome.ok) this.finish(null, outcome.result as Result);
      else this.finish(outcome.error, null);
    });
  }

  /** Whether the memory of the body may be released once it is decoded. */
  protected get ownsBody(): boolean {
    return true;
  }

  /** Whether the body arrived whole. */
  protected get hasBody(): boolean {
    return this.body !== emptyBody;
  }

  /** Ends the exchange with a result or an error. */
  protected finish(error: PlatformError, result: null): void;
  protected finish(error: null, result: Result): void;
  protected finish(error: PlatformError | null, result: Result | null): void {
    if (this.#state !== 'open') return;
    this.#state = 'settled';
    if (error === null) {
      try {
        this.answer(result as Result);
        return;
      } catch (thrown) {
        this.#refuse(this.#toPlatformError(thrown));
        return;
      }
    }
    this.capture?.failed(this.capturedInput());
    this.#refuse(error);
  }

  /** A reply of a process may be impossible to send, such as HTTP status 99: its client still gets an error. */
  #refuse(error: PlatformError): void {
    try {
      this.fail(error);
    } catch (thrown) {
      this.fail(this.#toPlatformError(thrown));
    }
  }

  #run(decoded: Decoded): void {
    if (this.#state === 'left') return;
    const { route, deps } = this;
    if (route.isWatched) this.capture = deps.calls.begin(route, this.requestId, this.inferenceId(decoded));
    try {
      this.#cancel = this.start(decoded);
    } catch (error) {
      this.reject(error);
    }
  }

  #rejectBody(thrown: unknown): void {
    if (this.ownsBody) releaseBodyMemory(this.body);
    if (this.#state === 'open') this.reject(thrown);
  }

  /** `error`: null if the client disconnected. */
  #count(error: PlatformError | null): void {
    const { requestId, arrivedAtMs, receivedAtMs } = this;
    this.deps.serving.reject(this.route, { requestId, rows: 0, arrivedAtMs, receivedAtMs }, error);
  }

  #toPlatformError(thrown: unknown): PlatformError {
    if (!(thrown instanceof PlatformError)) {
      const { requestId } = this;
      const stack = thrown instanceof Error ? thrown.stack : undefined;
      this.deps.log.error({ requestId, endpoint: this.route.endpoint, stack }, `an inference failed: ${messageOf(thrown)}`);
    }
    return asPlatformError(thrown);
  }
}

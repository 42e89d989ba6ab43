/**
 * Processes one inference message, for `ModelInfer` and each message of `ModelStreamInfer`. The hot path of gRPC; the
 * counterpart of `infer.ts`.
 */
import {
  decodeInThread,
  decodeMessage,
  decodeMessageTask,
  encodeMessage,
  type InferMessage,
  isShortMessage,
  type MessageRequest,
  type ModelPlan,
  planFacts,
  type ResponseParameters,
  readInferMessage,
} from '../../codecs/index.ts';
import type { WireBody } from '../../data-quality/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import {
  InferenceExchange,
  type InferenceResult,
  ModelPlans,
  preferenceOf,
  releaseResult,
  requestRowsMax,
  type ServedRoute,
} from '../../serving/index.ts';
import { capturedTensors, captureTensors } from '../capture-tensors.ts';
import type { OipDeps } from '../deps.ts';
import { bytesOnlyError, notServed } from '../models.ts';
import { timingParameters } from '../timings.ts';
import { logGrpcAccess } from './access-log.ts';
import { type CallHead, lineOf, remainingMs } from './admission.ts';

/** `message` is null if the bytes could not be decoded. */
export type GrpcOutcome =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly error: PlatformError; readonly message: InferMessage | null };

type Settle = (answered: GrpcOutcome) => void;
const nothingToCancel = (): void => {};

/**
 * Calls `run` once the model is in service again after a change of the home, and returns what withdraws the call until then. Null, without a
 * call, if there is nothing to wait for.
 */
export type AwaitModel = (model: string, run: () => void) => (() => void) | null;

/** Used by single calls and by streams, so both behave the same. */
export class GrpcInference {
  readonly #services: OipDeps;
  readonly #awaitModel: AwaitModel;
  readonly #plans = new ModelPlans();

  constructor(services: OipDeps, awaitModel: AwaitModel) {
    this.#services = services;
    this.#awaitModel = awaitModel;
  }

  /** The caller must be authorized. Calls `settle` exactly once, possibly before returning. Returns a function that cancels the inference. */
  infer(head: CallHead, bytes: Buffer, settle: Settle): () => void {
    const { traces, listener } = this.#services;
    listener.activity.enter(lineOf(head));
    traces?.begin(head.requestId, head.headers);
    let message: InferMessage;
    try {
      message = readInferMessage(bytes);
    } catch (thrown) {
      this.#rejectOnEntry(head, null, thrown, settle);
      return nothingToCancel;
    }
    return this.#whenInService(head, { message, bytes, settle });
  }

  /** The call waits within its deadline. */
  #whenInService(head: CallHead, received: ReceivedMessage): () => void {
    const { clock } = this.#services;
    let cancel = nothingToCancel;
    let stopTimer = nothingToCancel;
    const leave = this.#awaitModel(received.message.modelName, () => {
      stopTimer();
      cancel = this.#enter(head, received);
    });
    if (leave === null) return this.#enter(head, received);
    if (head.deadlineWallMs !== Number.POSITIVE_INFINITY) {
      stopTimer = clock.after(Math.max(0, head.deadlineWallMs - clock.wallMs()), () => {
        leave();
        const { modelName } = received.message;
        const text = `the deadline of the call has passed before ${modelName} was in service again after a change of the home`;
        this.#rejectOnEntry(head, received.message, new PlatformError('deadline_exceeded', text), received.settle);
      });
    }
    return () => {
      stopTimer();
      leave();
      cancel();
    };
  }

  #enter(head: CallHead, { message, bytes, settle }: ReceivedMessage): () => void {
    let route: ServedRoute;
    try {
      route = this.#routeOf(message);
    } catch (thrown) {
      this.#rejectOnEntry(head, message, thrown, settle);
      return nothingToCancel;
    }
    const exchange = new MessageExchange(this.#services, { head, message, plan: this.#plans.of(route), settle }, route);
    exchange.receive(bytes);
    return () => exchange.leave();
  }

  /** Such a call has no line in the request log, so it is written to the access log. */
  #rejectOnEntry(head: CallHead, message: InferMessage | null, thrown: unknown, settle: Settle): void {
    const { requestId } = head;
    const { log, traces } = this.#services;
    if (!(thrown instanceof PlatformError)) log.error({ requestId }, `an inference over gRPC failed: ${messageOf(thrown)}`);
    const error = asPlatformError(thrown);
    logGrpcAccess(this.#services, { head, caller: null, error, model: message?.modelName, ms: 0 });
    traces?.refuse(requestId, error);
    settle({ ok: false, error, message });
  }

  #routeOf({ modelName: model, modelVersion }: InferMessage): ServedRoute {
    const version = modelVersion === '' ? undefined : modelVersion;
    try {
      const route = this.#services.serving.route(model, version);
      if (route.payload !== 'tensors') throw bytesOnlyError(route);
      return route;
    } catch (error) {
      throw notServed(error, this.#services, { model, version });
    }
  }
}

/** A call that was read. */
interface ReceivedMessage {
  readonly message: InferMessage;
  readonly bytes: Buffer;
  readonly settle: Settle;
}

/** A call whose model was found. */
interface MessageCall {
  readonly head: CallHead;
  readonly message: InferMessage;
  readonly plan: ModelPlan;
  readonly settle: Settle;
}

class MessageExchange extends InferenceExchange<MessageRequest> {
  readonly #services: OipDeps;
  readonly #call: MessageCall;
  #decoded!: MessageRequest;

  constructor(services: OipDeps, call: MessageCall, route: ServedRoute) {
    super(services, call.head.requestId, route, null);
    this.#services = services;
    this.#call = call;
  }

  protected isShort(bytes: Buffer): boolean {
    return isShortMessage(this.#call.plan, this.#call.message, bytes.length);
  }

  protected decode(): MessageRequest {
    return decodeMessage(this.#call.plan, requestRowsMax(this.route.batchSizeMax), this.#call.message);
  }

  protected decodeLong(body: Buffer, isWanted: () => boolean) {
    const input = { plan: planFacts(this.#call.plan), batchSizeMax: requestRowsMax(this.route.batchSizeMax), body };
    return decodeInThread(this.#services.threads, decodeMessageTask, input, isWanted);
  }

  protected inferenceId({ id }: MessageRequest): string | null {
    return id ?? null;
  }

  protected start(decoded: MessageRequest): () => void {
    this.#decoded = decoded;
    const { inputs, rows, parameters } = decoded;
    const { requestId, arrivedAtMs } = this;
    const timeoutMs = earlier(parameters.timeoutMs, remainingMs(this.#call.head, this.#services.clock.wallMs()));
    const { priority } = parameters;
    return this.invokeWhole({ requestId, inputs, rows, timeoutMs, priority, prefer: preferenceOf(parameters.prefer), arrivedAtMs });
  }

  protected answer(result: InferenceResult): void {
    const { plan, message, settle } = this.#call;
    const decoded = this.#decoded;
    const bytes = encodeMessage(plan, decoded, result.outputs, parametersOf(decoded, message, result));
    if (this.capture !== null) captureTensors(this.capture, plan, decoded, result);
    else releaseResult(result, decoded.rows); // the message has copies
    settle({ ok: true, bytes });
  }

  protected capturedInput(): WireBody {
    return capturedTensors(this.#decoded.inputs, this.#decoded.id);
  }

  protected fail(error: PlatformError): void {
    const { settle, message } = this.#call;
    settle({ ok: false, error, message });
  }
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

/** Triton clients can request a flag for the final response; here every response is final. */
function parametersOf({ parameters }: MessageRequest, message: InferMessage, result: InferenceResult): ResponseParameters | null {
  const wantsFinalFlag = message.parameters?.['triton_enable_empty_final_response'] === true;
  if (!wantsFinalFlag && !parameters.timings) return null;
  return { ...(wantsFinalFlag ? { triton_final_response: true } : {}), ...(parameters.timings ? timingParameters(result) : {}) };
}

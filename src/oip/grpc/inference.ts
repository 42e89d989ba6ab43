/**
 * An inference from one message to the other, whoever carries them: `ModelInfer` and each message of `ModelStreamInfer`.
 * The hot path of gRPC; the twin of `infer.ts`.
 */
import {
  decodeMessage,
  encodeMessage,
  type InferMessage,
  type MessageRequest,
  type ModelPlan,
  type ResponseParameters,
  readInferMessage,
} from '../../codecs/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import type { SeenCall } from '../../monitoring/index.ts';
import { type InferenceResult, invokeWhole, ModelPlans, type Outcome, type Route, requestRowsMax } from '../../serving/index.ts';
import { notServed, takesBytes } from '../models.ts';
import type { OipServices } from '../neighbours.ts';
import { tellTensors } from '../seen-calls.ts';
import { timingParameters } from '../timings.ts';
import { type CallHead, timeLeftMs } from './admission.ts';
import { tellGrpcAccess } from './told.ts';

/** `message` is null where the bytes were none. */
export type Answered =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly error: PlatformError; readonly message: InferMessage | null };

const nothingToCancel = (): void => {};

export class GrpcInference {
  readonly #services: OipServices;
  readonly #plans = new ModelPlans();

  constructor(services: OipServices) {
    this.#services = services;
  }

  /** The caller may invoke. Answers through `settle`, once, perhaps before it returns; what it returns cancels. */
  infer(head: CallHead, bytes: Buffer, settle: (answered: Answered) => void): () => void {
    const { serving, clock, traces } = this.#services;
    const { requestId } = head;
    const arrivedAtMs = clock.nowMs();
    traces?.begin(requestId, head.headers);
    let message: InferMessage | null = null;
    let route: Route | null = null;
    try {
      message = readInferMessage(bytes);
      route = this.#routeOf(message);
      const plan = this.#plans.of(route);
      const request = decodeMessage(plan, requestRowsMax(route.batchSizeMax), message);
      const { inputs, rows, parameters } = request;
      const timeoutMs = earlier(parameters.timeoutMs, timeLeftMs(head, clock.wallMs()));
      const call = { requestId, inputs, rows, timeoutMs, priority: parameters.priority, arrivedAtMs };
      const seen = route.isWatched ? this.#services.calls.begin(route, requestId, request.id ?? null) : null;
      const asked = { plan, request, message, seen };
      return invokeWhole(serving, route, call, (outcome) => settle(this.#answer(head, asked, outcome)));
    } catch (thrown) {
      const error = this.#known(head, thrown);
      // It got as far as a model, but not into its queue: it counts among those that failed.
      if (route !== null) serving.reject(route, { requestId, rows: 0, arrivedAtMs }, error);
      else tellGrpcAccess(this.#services, { head, caller: null, error, model: message?.modelName, ms: 0 });
      traces?.refuse(requestId, error);
      settle({ ok: false, error, message });
      return nothingToCancel;
    }
  }

  #routeOf({ modelName: model, modelVersion }: InferMessage): Route {
    const version = modelVersion === '' ? undefined : modelVersion;
    try {
      const route = this.#services.serving.route(model, version);
      if (route.runtime !== 'onnx') throw takesBytes(route);
      return route;
    } catch (error) {
      throw notServed(error, this.#services, { model, version });
    }
  }

  #answer(head: CallHead, { plan, request, message, seen }: Asked, outcome: Outcome): Answered {
    if (!outcome.ok) return { ok: false, error: outcome.error, message };
    try {
      const { result } = outcome;
      const bytes = encodeMessage(plan, request, result.outputs, parametersOf(request, message, result));
      if (seen !== null) tellTensors(seen, plan, request, result);
      return { ok: true, bytes };
    } catch (thrown) {
      return { ok: false, error: this.#known(head, thrown), message };
    }
  }

  #known({ requestId }: CallHead, thrown: unknown): PlatformError {
    if (!(thrown instanceof PlatformError)) {
      const stack = thrown instanceof Error ? thrown.stack : undefined;
      this.#services.log.error({ requestId, stack }, `an inference over gRPC failed: ${messageOf(thrown)}`);
    }
    return asPlatformError(thrown);
  }
}

interface Asked {
  readonly plan: ModelPlan;
  readonly request: MessageRequest;
  readonly message: InferMessage;
  readonly seen: SeenCall | null;
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

/** Triton's clients ask to be told which answer is the last; here each is. */
function parametersOf({ parameters }: MessageRequest, message: InferMessage, result: InferenceResult): ResponseParameters | null {
  const isFinalAsked = message.parameters?.['triton_enable_empty_final_response'] === true;
  if (!isFinalAsked && !parameters.timings) return null;
  return { ...(isFinalAsked ? { triton_final_response: true } : {}), ...(parameters.timings ? timingParameters(result) : {}) };
}

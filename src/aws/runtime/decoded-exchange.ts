/** An exchange with a model of the built-in worker, in the formats of InvokeEndpoint. */
import type { RowInvocation } from '../../codecs/index.ts';
import type { WireBody } from '../../data-quality/index.ts';
import {
  type ClosingResponse,
  type ExchangeDeps,
  type InferenceCall,
  type InferenceResult,
  joinedAnswers,
  type ModelPlans,
  preferenceInAttributes,
  preferenceOf,
  type RowAnswers,
  RowsExchange,
  type ServedRoute,
} from '../../serving/index.ts';
import type { Threads } from '../../threads/index.ts';
import { type DecodedBody, decodeBodySomewhere } from './decode-body.ts';
import { type EncodedBody, InvocationResponse } from './invocation-response.ts';

export interface DecodedExchangeDeps extends ExchangeDeps {
  readonly threads: Threads;
  readonly plans: ModelPlans;
}

/** The request as far as formats depend on it. */
export interface CallFormats {
  readonly requestId: string;
  readonly route: ServedRoute;
  readonly contentType: string | undefined;
  readonly accept: string | undefined;
  /** Limits of rows and requests. */
  readonly limits: Parameters<typeof decodeBodySomewhere>[1]['limits'];
  /** A request can shorten it but not extend it. */
  readonly timeoutMs: number;
  /** Attributes of the client, which may name the plans of a selection. */
  readonly attributes?: string | undefined;
}

/** The response, encoded once all parts have arrived. */
export abstract class DecodedExchange extends RowsExchange<DecodedBody> {
  readonly #deps: DecodedExchangeDeps;
  readonly #call: CallFormats;
  #response!: InvocationResponse;
  readonly #answers: (RowAnswers | undefined)[] = [];

  constructor(deps: DecodedExchangeDeps, call: CallFormats, response: ClosingResponse | null) {
    super(deps, call.requestId, call.route, response);
    this.#deps = deps;
    this.#call = call;
  }

  /** Always by `decodeLong`, which decodes short bodies in place. */
  protected isShort(): boolean {
    return false;
  }

  protected decode(): never {
    throw new Error('bodies are decoded by decodeLong');
  }

  protected decodeLong(body: Buffer, isWanted: () => boolean) {
    const { contentType, accept, limits, route } = this.#call;
    return decodeBodySomewhere(this.#deps.threads, { plan: this.#deps.plans.of(route), contentType, accept, body, limits }, isWanted);
  }

  protected rowsOf({ documents }: DecodedBody): readonly RowInvocation[] {
    return documents.flatMap(({ invocations }) => invocations);
  }

  protected override callOf({ documents }: DecodedBody): Pick<InferenceCall, 'timeoutMs' | 'priority' | 'prefer'> {
    const { timeoutMs } = this.#call;
    const { timeoutMs: requested = timeoutMs, priority } = documents[0]?.request?.parameters ?? {};
    const { prefer } = documents[0]?.request?.parameters ?? {};
    return {
      timeoutMs: Math.min(requested, timeoutMs),
      priority,
      prefer: preferenceOf(prefer) ?? preferenceInAttributes(this.#call.attributes),
    };
  }

  protected override start(decoded: DecodedBody): () => void {
    const cancel = super.start(decoded);
    // No result arrives before this returns.
    this.#response = new InvocationResponse(this.#deps.plans.of(this.route), decoded, this.parts);
    return cancel;
  }

  protected addPart(part: number, { outputs, answered }: InferenceResult, rows: number): void {
    this.#answers[part] = answered;
    this.#response.addPart(part, outputs, rows);
  }

  /** How the rows of all parts were answered by a selection. */
  protected get rowAnswers(): RowAnswers | undefined {
    return joinedAnswers(this.#answers);
  }

  protected encode(): EncodedBody {
    return this.#response.encode();
  }

  protected capturedInput(): WireBody {
    return { contentType: this.#call.contentType ?? '', body: this.body };
  }
}

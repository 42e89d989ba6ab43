/**
 * Copies requests to the shadow of their endpoint, after they were answered. A copy never delays or fails an answer: it is dropped and
 * counted if the shadow is busy or memory is short. Its own answer is compared with that of the client, and discarded; like any other, it is
 * counted under its variant, and captured if the endpoint captures calls.
 */
import type { InferenceInput, InferenceOutput } from '../../../async-inference/index.ts';
import type { CallCapture, CapturedExchange, CapturedRoute, WireBody } from '../../../data-quality/index.ts';
import type { Random } from '../../../random.ts';
import type { ServedRoute, Serving } from '../../../serving/index.ts';
import { parseMediaType } from '../media-type.ts';
import { type AwaitedCopy, ServedValues, type ShadowComparison } from './shadow-comparison.ts';

export interface ShadowCopiesDeps {
  /** Captures calls that the shadow does not concern. */
  readonly calls: Pick<CallCapture, 'begin'>;
  readonly serving: Pick<Serving, 'shadowOf' | 'copyDropped'>;
  readonly comparison: Pick<ShadowComparison, 'awaits' | 'ended'>;
  /** Serves a copy; `BodyInvocations.runOn`. */
  readonly run: (route: ServedRoute, request: InferenceInput) => Promise<InferenceOutput>;
  readonly random: Random;
  /** Whether memory for request bodies is short: then nothing is copied. */
  readonly isMemoryShort: () => boolean;
  /** Called for each dropped copy. */
  readonly onDropped: (shadow: ServedRoute) => void;
}

/** Copies that one shadow serves at a time, waiting ones included. A slower shadow than this drops the others. */
const copiesMax = 64;
/** Bodies of all copies together. */
const bytesMax = 64 * 2 ** 20;

const never = new AbortController().signal;

/** Stands where calls are captured: there the answer to a client is complete. */
export class ShadowCopies implements Pick<CallCapture, 'begin'> {
  readonly #deps: ShadowCopiesDeps;
  readonly #copies = new WeakMap<ServedRoute, number>();
  #bytes = 0;

  constructor(deps: ShadowCopiesDeps) {
    this.#deps = deps;
  }

  /** Null for a call that is neither captured nor copied. */
  begin(route: CapturedRoute, requestId: string, inferenceId: string | null): CapturedExchange | null {
    const { calls, serving, random } = this.#deps;
    const shadow = serving.shadowOf(route);
    if (shadow === null) return calls.begin(route, requestId, inferenceId);
    const captured = shadow.isObserved ? calls.begin(route, requestId, inferenceId) : null;
    if (shadow.share < 1 && random.next() >= shadow.share) return captured;
    const served = new ServedValues();
    const copy = (input: WireBody, output: WireBody | null): void => {
      const { isObserved } = shadow;
      this.#copy(shadow.route, { requestId, inferenceId }, { isObserved, values: output === null ? null : served.values }, input, output);
    };
    return {
      part(part, inputs, outputs, rows, plan) {
        captured?.part(part, inputs, outputs, rows, plan);
        served.part(part, outputs, rows);
      },
      end(input, output) {
        captured?.end(input, output);
        copy(input, output);
      },
      failed(input) {
        captured?.failed(input);
        copy(input, null);
      },
    };
  }

  #copy(route: ServedRoute, { requestId, inferenceId }: Ids, awaited: AwaitedCopy, input: WireBody, output: WireBody | null): void {
    const copies = this.#copies.get(route) ?? 0;
    const bytes = input.body.length;
    if (copies >= copiesMax || this.#bytes + bytes > bytesMax || this.#deps.isMemoryShort()) {
      this.#deps.serving.copyDropped(route);
      this.#deps.onDropped(route);
      return;
    }
    this.#copies.set(route, copies + 1);
    this.#bytes += bytes;
    // The capture may hold the original, and a large copy moves to another thread.
    const body = Buffer.from(input.body as Uint8Array);
    const request: InferenceInput = {
      endpoint: route.endpoint,
      requestId: `${requestId}-shadow`,
      inferenceId: inferenceId ?? requestId,
      contentType: input.contentType === '' ? null : input.contentType,
      // Answers in the same format can be compared.
      accept: output === null ? null : parseMediaType(output.contentType).type,
      customAttributes: null,
      body,
      timeoutMs: route.timeoutMs,
      signal: never,
    };
    // Later, so that the answer is sent before the copy is decoded.
    setImmediate(() => {
      this.#deps.comparison.awaits(request.requestId, awaited);
      void this.#run(route, request).finally(() => {
        this.#deps.comparison.ended(request.requestId);
        this.#copies.set(route, (this.#copies.get(route) ?? 1) - 1);
        this.#bytes -= bytes;
      });
    });
  }

  /** Never throws: serving has counted and logged the failure under the shadow's variant. */
  async #run(route: ServedRoute, request: InferenceInput): Promise<void> {
    try {
      const { body } = await this.#deps.run(route, request);
      if (body instanceof Uint8Array) return;
      for await (const _discarded of body);
    } catch {
      // Not an error of any caller.
    }
  }
}

interface Ids {
  readonly requestId: string;
  readonly inferenceId: string | null;
}

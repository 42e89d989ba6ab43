/** Compares the answers of a shadow with the responses to clients, row by row. Copies are matched by their request id; nothing else is retained. */
import { type CallCapture, type CapturedExchange, predictionsOf } from '../../../data-quality/index.ts';
import type { ServedRoute } from '../../../serving/index.ts';
import type { Tensor } from '../../../tensor.ts';

/** A copy whose answer is awaited. */
export interface AwaitedCopy {
  /** Whether the shadow's own call is captured. */
  readonly isObserved: boolean;
  /** The response to the client, by row; null if it is not a prediction, or if the call failed. */
  readonly values: readonly (number | string)[] | null;
}

export interface ShadowComparisonDeps {
  /** Captures calls of shadows. */
  readonly calls: Pick<CallCapture, 'begin'>;
  /** Called with the share of the rows of a copy that the shadow answers differently. */
  readonly onCompared: (shadow: Pick<ServedRoute, 'endpoint' | 'variant'>, disagreement: number) => void;
}

/** Calls with more rows are bulk calls, which are not compared. */
const rowsMax = 1000;

/** Responses to clients that can be compared; `parts` of a call may arrive in any order. */
export class ServedValues {
  readonly #parts: (readonly (number | string)[] | null)[] = [];

  part(index: number, outputs: readonly Tensor[], rows: number): void {
    this.#parts[index] = rows > rowsMax ? null : (predictionsOf(outputs, Math.max(rows, 1))?.values ?? null);
  }

  get values(): AwaitedCopy['values'] {
    const parts = Array.from(this.#parts, (part) => part ?? null);
    return parts.length === 0 || parts.includes(null) ? null : parts.flatMap((part) => part ?? []);
  }
}

/** Stands where calls are captured, so that it sees what the shadow answers. */
export class ShadowComparison implements Pick<CallCapture, 'begin'> {
  readonly #deps: ShadowComparisonDeps;
  readonly #awaited = new Map<string, AwaitedCopy>();

  constructor(deps: ShadowComparisonDeps) {
    this.#deps = deps;
  }

  /** A copy is about to run. */
  awaits(requestId: string, copy: AwaitedCopy): void {
    this.#awaited.set(requestId, copy);
  }

  /** A copy has ended. */
  ended(requestId: string): void {
    this.#awaited.delete(requestId);
  }

  begin(route: Parameters<CallCapture['begin']>[0], requestId: string, inferenceId: string | null): CapturedExchange | null {
    const { calls, onCompared } = this.#deps;
    const copy = this.#awaited.get(requestId);
    const captured = copy?.isObserved === false ? null : calls.begin(route, requestId, inferenceId);
    const served = copy?.values ?? null;
    if (served === null) return captured;
    const own = new ServedValues();
    return {
      part(part, inputs, outputs, rows, plan) {
        captured?.part(part, inputs, outputs, rows, plan);
        own.part(part, outputs, rows);
      },
      end(input, output) {
        captured?.end(input, output);
        const { values } = own;
        if (values === null || values.length !== served.length || values.length === 0) return;
        const disagreed = values.filter((value, row) => String(value) !== String(served[row])).length;
        onCompared(route, disagreed / values.length);
      },
      failed: (input) => captured?.failed(input),
    };
  }
}

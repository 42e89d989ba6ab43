/** An exchange of rows: its rows run in parts of at most one batch, and each part is encoded as soon as its result arrives. */
import { releaseBodyMemory } from '../../buffer-release.ts';
import type { RowInvocation } from '../../codecs/index.ts';
import type { PlatformError } from '../../errors.ts';
import type { InferenceCall, InferenceResult } from '../request.ts';
import { InferenceExchange } from './inference-exchange.ts';
import { type InvocationPart, invokeParts, type PartReceiver, partsOf } from './invoke-parts.ts';

/** A protocol says how a body becomes rows, and how the outputs of a part are encoded. */
export abstract class RowsExchange<Decoded = readonly RowInvocation[]> extends InferenceExchange<Decoded, null> implements PartReceiver {
  protected parts: readonly InvocationPart[] = [];

  protected abstract rowsOf(decoded: Decoded): readonly RowInvocation[];
  /** Encodes the result of a part: its tensors may be overwritten afterwards. Parts arrive in any order. */
  protected abstract addPart(part: number, result: InferenceResult, rows: number): void;

  /** Timeout, priority and preference of the client. */
  protected callOf(_decoded: Decoded): Pick<InferenceCall, 'timeoutMs' | 'priority' | 'prefer'> {
    return {};
  }

  protected start(decoded: Decoded): () => void {
    const { deps, route, requestId, arrivedAtMs } = this;
    this.parts = partsOf(route, this.rowsOf(decoded));
    // The capture still needs the body.
    if (this.capture === null && this.ownsBody) releaseBodyMemory(this.body, this.parts);
    return invokeParts(deps.serving, route, this.parts, { ...this.callOf(decoded), requestId, arrivedAtMs }, this);
  }

  onPart(part: number, result: InferenceResult, rows: number): void {
    this.addPart(part, result, rows);
    this.capture?.part(part, this.parts[part]?.inputs ?? [], result.outputs, rows, result.answered?.rung.name);
  }

  end(error: PlatformError | null): void {
    if (error === null) this.finish(null, null);
    else this.finish(error, null);
  }
}

/** An exchange with a process model: bytes pass through unchanged in both directions, whole or piece by piece. */
import type { Payload, ReplySink } from '../../runtime/index.ts';
import { type InferenceCall, rawCall } from '../request.ts';
import { InferenceExchange } from './inference-exchange.ts';

/** A protocol says how its body becomes a payload and where the reply goes. */
export abstract class BytesExchange extends InferenceExchange<Buffer> {
  protected abstract payload(body: Buffer): Payload;
  /** Receives a reply piece by piece; null: replies are read completely. */
  protected abstract readonly sink: ReplySink | null;

  protected callOf(): Pick<InferenceCall, 'timeoutMs'> {
    return {};
  }

  protected isShort(): boolean {
    return true;
  }

  protected decode(body: Buffer): Buffer {
    return body;
  }

  protected decodeLong(body: Buffer): Promise<{ readonly decoded: Buffer; readonly body: Buffer }> {
    return Promise.resolve({ decoded: body, body });
  }

  protected start(body: Buffer): () => void {
    const { deps, route, requestId, arrivedAtMs } = this;
    const call = rawCall({ ...this.callOf(), requestId, arrivedAtMs }, this.payload(body), this.sink);
    return deps.serving.invoke(route, call, (outcome) => {
      if (outcome.ok) this.finish(null, outcome.result);
      else this.finish(outcome.error, null);
    });
  }
}

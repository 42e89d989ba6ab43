/** Backpressure across the worker's socket: limits the unacknowledged bytes of a reply. */
import type { ReplyHead } from './payload.ts';

const bytesMax = 1024 * 1024;

/** One per streamed reply. A slow receiver slows the model, because `piece` waits until enough bytes were consumed. */
export class Window {
  readonly #send: (message: { head?: ReplyHead }, bytes: Buffer) => void;
  readonly #stop = new AbortController();
  #underWay = 0;
  #wake: (() => void) | null = null;

  constructor(send: (message: { head?: ReplyHead }, bytes: Buffer) => void) {
    this.#send = send;
  }

  /** Aborted when the receiver stops the reply. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  begin(head: ReplyHead): void {
    this.#send({ head }, Buffer.alloc(0));
  }

  /** Sends a piece. Resolves when the window has room for the next one, or when the signal is aborted. */
  async piece(bytes: Buffer): Promise<void> {
    this.#underWay += bytes.length;
    this.#send({}, bytes);
    while (this.#underWay > bytesMax && !this.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  consumed({ bytes = 0, stop = false }: { bytes?: number; stop?: boolean }): void {
    this.#underWay -= bytes;
    if (stop) this.#stop.abort();
    this.#wake?.();
    this.#wake = null;
  }
}

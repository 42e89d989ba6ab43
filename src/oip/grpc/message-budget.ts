/** How much memory the messages of all calls may take together: those that are worked on, and answers that clients have yet to take. */
import { PlatformError } from '../../errors.ts';

export class MessageBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** For what comes from outside. Throws `overloaded` where too much is held already. */
  admit(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      const mebibytes = Math.round(this.#bytes / 2 ** 20);
      throw new PlatformError(
        'overloaded',
        `messages of ${mebibytes} MiB wait here for models or for clients to read them: read answers, then send more`,
        {
          retryAfterMs: 1000,
        },
      );
    }
    this.#bytes += bytes;
  }

  /** For what is there already. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}

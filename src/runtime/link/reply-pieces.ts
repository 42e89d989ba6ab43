/** The pieces of a streamed reply, on their way to the client. */
import { malformedFrame } from './frames.ts';
import { type ReplyHead, type ReplySink, readReplyHead } from './payload.ts';

/** The head is only in the first piece; `bytes` is the length of the body of each piece. */
export interface PieceMessage {
  readonly head?: ReplyHead;
  readonly bytes: number;
}

/** The pieces of a reply. Each is acknowledged once the sink has accepted it; after a failure none is acknowledged. */
export class ReplyPieces {
  failure: Error | null = null;
  readonly #sink: ReplySink | null;
  readonly #answer: (message: { bytes: number } | { stop: true }) => void;
  #consumed: Promise<void> = Promise.resolve();

  constructor(sink: ReplySink | null, answer: (message: { bytes: number } | { stop: true }) => void) {
    this.#sink = sink;
    this.#answer = answer;
  }

  /**
   * Passes pieces to the sink one after the other. The answer to a piece is what lets the worker send more, so a slow client slows the
   * worker.
   */
  consume({ head }: PieceMessage, bytes: Buffer): void {
    const sink = this.#sink;
    if (sink === null) throw malformedFrame('a piece of a reply that is not streamed');
    this.#consumed = this.#consumed.then(async () => {
      if (this.failure !== null) return;
      try {
        if (head !== undefined) sink.begin(readReplyHead(head));
        if (bytes.length > 0) await sink.piece(bytes);
        this.#answer({ bytes: bytes.length });
      } catch (error) {
        this.failure = error instanceof Error ? error : new Error(String(error));
        this.#answer({ stop: true });
      }
    });
  }

  /** Resolves when everything was accepted. Rejects with the error of the sink. */
  async end(): Promise<void> {
    await this.#consumed;
    if (this.failure !== null) throw this.failure;
  }
}

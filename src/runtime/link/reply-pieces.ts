/** The pieces of a streamed reply, on their way to the client. */
import { type Frame, malformedFrame } from './frames.ts';
import { type ProcessReply, type ReplyHead, type ReplySink, readFrameBody, readReplyHead } from './payload.ts';
import { checkedTimings, type RunTimings } from './tensor-frames.ts';
import { WorkerLost } from './worker-lost.ts';

/** The head is only in the first piece; `bytes` is the length of the body of each piece. */
export interface PieceMessage {
  readonly head?: ReplyHead;
  readonly bytes: number;
}

/** The reply of a process, with its time. */
export interface InvokeResult {
  readonly reply: ProcessReply;
  readonly timings: RunTimings;
}

/** The promise of a call. */
interface Settled {
  readonly resolve: (result: InvokeResult) => void;
  readonly reject: (error: Error) => void;
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

  /** What a call does with its last frame, which must be of this kind, or with its failure. */
  settling(
    kind: number,
    { resolve, reject }: Settled,
  ): { readonly answered: (answer: Frame) => void; readonly failed: (error: Error) => void } {
    return {
      answered: (answer) => {
        if (answer.kind !== kind) throw malformedFrame('the answer to an invocation has another kind');
        const timings = checkedTimings((answer.message as { readonly timings?: unknown } | null | undefined)?.timings);
        const reply = { ...readReplyHead(answer.message), body: readFrameBody(answer) };
        void this.end().then(() => resolve({ reply, timings }), reject);
      },
      failed: (error) => {
        const fail = (): void => reject(this.failure ?? error);
        // What the model had sent before it failed still reaches the sink. A lost worker is reported at once.
        if (error instanceof WorkerLost) fail();
        else void this.end().then(fail, fail);
      },
    };
  }

  /** Resolves when everything was accepted. Rejects with the error of the sink. */
  async end(): Promise<void> {
    await this.#consumed;
    if (this.failure !== null) throw this.failure;
  }
}

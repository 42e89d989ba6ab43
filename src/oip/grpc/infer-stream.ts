/**
 * `ModelStreamInfer`: many inferences on one stream. Responses are sent in the order of their requests. A failed request
 * gets an error response and does not end the stream. If the client stops reading, its requests are not read either.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Caller } from '../../access/index.ts';
import { streamError, streamMessage } from '../../codecs/index.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import type { BodyBudget } from '../../http/index.ts';
import { type CallHead, reserveBytes } from './admission.ts';
import type { GrpcInference, GrpcOutcome } from './inference.ts';
import { detailsOf, grpcErrorOf } from './status.ts';

/** Enough for two full batches of single rows. */
const inFlightMax = 64;

interface Turn {
  /** Null until the model has responded. */
  answer: Buffer | null;
  cancel: () => void;
  bytes: number;
}

/** One per stream. Requests run at the same time; only their responses are ordered. */
export class InferStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #head: CallHead;
  readonly #caller: Caller;
  readonly #inference: GrpcInference;
  readonly #budget: BodyBudget;
  readonly #turns: Turn[] = [];
  #count = 0;
  #isFull = false;
  #hasEnded = false;
  #isFinishing = false;
  #isOver = false;

  /** The caller must be authorized. */
  constructor(
    call: ServerDuplexStream<Buffer, Buffer>,
    { head, caller }: { readonly head: CallHead; readonly caller: Caller },
    inference: GrpcInference,
    budget: BodyBudget,
  ) {
    this.#call = call;
    this.#head = head;
    this.#caller = caller;
    this.#inference = inference;
    this.#budget = budget;
    call.on('cancelled', () => this.#abandon());
    call.on('drain', () => {
      this.#isFull = false;
      this.#send();
    });
    call.on('end', () => {
      this.#hasEnded = true;
      this.#send();
    });
    call.on('data', (bytes: Buffer) => this.#receive(bytes));
  }

  /** For shutdown: answers received requests and accepts no more. */
  finish(): void {
    this.#isFinishing = true;
    this.#send();
  }

  #receive(bytes: Buffer): void {
    const turn: Turn = { answer: null, cancel: () => {}, bytes: bytes.length };
    this.#turns.push(turn);
    const head = { ...this.#head, requestId: `${this.#head.requestId}.${this.#count++}` };
    const settle = (answered: GrpcOutcome): void => this.#settle(turn, envelope(answered));
    try {
      // Each message counts as a request against the limits of the key.
      this.#caller.limiter?.takeToken();
      reserveBytes(this.#budget, turn.bytes);
    } catch (thrown) {
      turn.bytes = 0;
      settle({ ok: false, error: asPlatformError(thrown), message: null });
      return;
    }
    turn.cancel = this.#inference.infer(head, bytes, settle);
    this.#pace();
  }

  #settle(turn: Turn, answer: Buffer): void {
    if (this.#isOver) return;
    turn.answer = answer;
    this.#budget.add(answer.length - turn.bytes);
    turn.bytes = answer.length;
    this.#send();
  }

  /** Sends responses in order until the client applies backpressure. */
  #send(): void {
    while (!this.#isFull && this.#turns[0]?.answer) {
      const { answer, bytes } = this.#turns.shift() as Turn & { readonly answer: Buffer };
      this.#budget.release(bytes);
      this.#isFull = !this.#call.write(answer);
    }
    if (this.#turns.length === 0 && this.#isFinishing) {
      this.#call.emit('error', grpcErrorOf(new PlatformError('unavailable', 'the server is shutting down'), this.#head.requestId));
    } else if (this.#turns.length === 0 && this.#hasEnded) {
      this.#call.end();
    } else this.#pace();
  }

  #pace(): void {
    const isBusy = this.#isFull || this.#isFinishing || this.#turns.length >= inFlightMax;
    if (isBusy !== this.#call.isPaused()) {
      if (isBusy) this.#call.pause();
      else this.#call.resume();
    }
  }

  /** Also runs after a normal end, when no turns are left. */
  #abandon(): void {
    this.#isOver = true;
    for (const { cancel, bytes } of this.#turns.splice(0)) {
      this.#budget.release(bytes);
      cancel();
    }
  }
}

function envelope(answered: GrpcOutcome): Buffer {
  if (answered.ok) return streamMessage(answered.bytes);
  return streamError(detailsOf(answered.error), answered.message?.modelName ?? '', answered.message?.id ?? '');
}

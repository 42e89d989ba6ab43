/**
 * `ModelStreamInfer`: many inferences on one stream. Answers come in the order of their requests; a request that fails is
 * answered with the reason and ends nothing. A client that stops reading is not read from either.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { streamError, streamMessage } from '../../codecs/index.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import type { BodyBudget } from '../../http/index.ts';
import { type CallHead, makeRoom } from './admission.ts';
import type { Answered, GrpcInference } from './inference.ts';
import { detailsOf, statusOf } from './status.ts';

/** Enough for a full batch of single rows and the next. */
const underWayMax = 64;

interface Turn {
  /** Null while the model has it. */
  answer: Buffer | null;
  cancel: () => void;
  bytes: number;
}

export class InferStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #head: CallHead;
  readonly #inference: GrpcInference;
  readonly #budget: BodyBudget;
  readonly #turns: Turn[] = [];
  #count = 0;
  #isFull = false;
  #hasEnded = false;
  #isFinishing = false;
  #isOver = false;

  /** The caller may invoke. */
  constructor(call: ServerDuplexStream<Buffer, Buffer>, head: CallHead, inference: GrpcInference, budget: BodyBudget) {
    this.#call = call;
    this.#head = head;
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
    call.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  /** The server closes: what came is answered, nothing more is taken. */
  finish(): void {
    this.#isFinishing = true;
    this.#send();
  }

  #take(bytes: Buffer): void {
    const turn: Turn = { answer: null, cancel: () => {}, bytes: bytes.length };
    this.#turns.push(turn);
    const head = { ...this.#head, requestId: `${this.#head.requestId}.${this.#count++}` };
    const settle = (answered: Answered): void => this.#settle(turn, envelope(answered));
    try {
      makeRoom(this.#budget, turn.bytes);
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

  /** Everything whose turn it is, as far as the client takes it. */
  #send(): void {
    while (!this.#isFull && this.#turns[0]?.answer) {
      const { answer, bytes } = this.#turns.shift() as Turn & { readonly answer: Buffer };
      this.#budget.release(bytes);
      this.#isFull = !this.#call.write(answer);
    }
    if (this.#turns.length === 0 && this.#isFinishing) {
      this.#call.emit('error', statusOf(new PlatformError('unavailable', 'the server is closing'), this.#head.requestId));
    } else if (this.#turns.length === 0 && this.#hasEnded) {
      this.#call.end();
    } else this.#pace();
  }

  #pace(): void {
    const isBusy = this.#isFull || this.#isFinishing || this.#turns.length >= underWayMax;
    if (isBusy !== this.#call.isPaused()) {
      if (isBusy) this.#call.pause();
      else this.#call.resume();
    }
  }

  /** Also told when all is over: then there is nothing left. */
  #abandon(): void {
    this.#isOver = true;
    for (const { cancel, bytes } of this.#turns.splice(0)) {
      this.#budget.release(bytes);
      cancel();
    }
  }
}

function envelope(answered: Answered): Buffer {
  if (answered.ok) return streamMessage(answered.bytes);
  return streamError(detailsOf(answered.error), answered.message?.modelName ?? '', answered.message?.id ?? '');
}

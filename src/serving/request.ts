/** One inference request on its road through serving. */
import type { PlatformError } from '../errors.ts';
import type { CaptureConfig, RequestLine } from '../monitoring/index.ts';
import type { CloseReason } from '../queueing/index.ts';
import type { ModelRuntime } from '../registry/index.ts';
import type { Payload, Reply, ReplySink } from '../runtime/index.ts';
import type { Signature, Tensor } from '../tensor.ts';

/** What an adapter (OIP, AWS, native) hands over once it has checked and decoded a request. */
export interface InferenceCall {
  readonly requestId: string;
  /** Complete, checked against the signature, in its order. */
  readonly inputs: readonly Tensor[];
  /** The first dimension of the batched inputs; 1 where the model is not batched. */
  readonly rows: number;
  /** The client's own timeout; the endpoint's (60 s) where there is none. */
  readonly timeoutMs?: number | undefined;
  /** 0 default, 1 highest. */
  readonly priority?: number | undefined;
  /** `clock.nowMs()` when the request was fully read. */
  readonly arrivedAtMs: number;
  /** For a model that is a process (`Route.runtime`), in place of inputs; it counts as one row and runs alone. */
  readonly raw?: RawCall;
  /** It is a part of this one, which is what is counted and logged. */
  readonly whole?: WholeCall;
}

/** Bytes for a process. Build the call with `rawCall`. */
export interface RawCall {
  readonly payload: Payload;
  /**
   * Takes a reply whose length is not known when it begins, piece by piece; without a sink each reply is taken whole. It
   * may be told of pieces although the request is settled (it timed out, say); once it throws the process is told to stop.
   */
  readonly sink: ReplySink | null;
}

/** The call for a process. */
export function rawCall(
  call: Omit<InferenceCall, 'inputs' | 'rows' | 'raw'>,
  payload: Payload,
  sink: ReplySink | null = null,
): InferenceCall {
  return { ...call, inputs: [], rows: 1, raw: { payload, sink } };
}

/**
 * Why a request went to a function: no instance would have answered it in time as it came, or at the last moment at which
 * a function still could, or since instances were lost.
 */
export type OverflowReason = 'predicted' | 'rescue' | 'capacity';

/** Where a request goes: the variant that traffic chose for it. */
export interface Route {
  readonly endpoint: string;
  readonly variant: string;
  /** The model version as a decimal string. */
  readonly version: string;
  /** A process takes a `rawCall`, and its signature is empty: nobody knows what it takes. */
  readonly runtime: ModelRuntime['kind'];
  readonly signature: Signature;
  readonly batchable: boolean;
  /** The most rows of a batch: the largest b of the profile (32 while unknown); 0 where the model is not batched. */
  readonly batchSizeMax: number;
  /** How long a request may take that has no timeout of its own. */
  readonly timeoutMs: number;
  /** Somebody wants to be told of its calls; looked at for each of them, so it costs nothing to ask. */
  readonly isWatched: boolean;
  /** What of its calls is kept; null where nothing is. */
  readonly capture: CaptureConfig | null;
}

export interface Timings {
  /** Arrival to dispatch. */
  readonly queueMs: number;
  /** Assembling and copying in, inside the worker. */
  readonly computeInMs: number;
  /** The model's run. */
  readonly computeMs: number;
  /** Copying out, inside the worker. */
  readonly computeOutMs: number;
  /** Dispatch to answer: the three above and the way there and back. */
  readonly serviceMs: number;
}

export interface InferenceResult {
  /** In the signature's order. */
  readonly outputs: readonly Tensor[];
  readonly timings: Timings;
  /** Rows of the batch it rode in. */
  readonly batchRows: number;
  readonly closeReason: CloseReason;
  /** The receipt: this request's share of the executor time that served it. */
  readonly costUsd: number;
  /** Who ran it: `instance:local.1`, `function:2048`. */
  readonly executor: string;
  /** Why that was a function, where instances are there too; else null. */
  readonly overflow: OverflowReason | null;
  /** Its batch was the first of a function's environment, whose start is billed with it. */
  readonly coldStart: boolean;
  /** Where the request was cut: into how many. `serviceMs` is then the time in which at least one of them was with a worker, the others sums. */
  readonly parts?: number;
  /** What a process answered, in place of outputs. Its status is one of success; any other is a `ModelError`. */
  readonly reply?: Reply;
}

/** What is told of a request that an adapter refuses. */
export interface RefusedCall extends Pick<InferenceCall, 'requestId' | 'rows' | 'arrivedAtMs'> {
  /** `clock.nowMs()` when its head came, where its body came in pieces: it counts from then on. */
  readonly cameAtMs?: number | undefined;
}

export type Outcome = { readonly ok: true; readonly result: InferenceResult } | { readonly ok: false; readonly error: PlatformError };

/** Where a request belongs among those that wait; see `PendingRequest`. */
export interface Place {
  readonly deadlineMs: number;
  readonly promisedAtMs: number;
  readonly timeoutAtMs: number;
  readonly bucket: string;
}

/** A batch under way. */
export interface Ride {
  readonly leftAtMs: number;
  readonly rows: number;
  readonly requests: number;
  readonly reason: CloseReason;
  /** Who runs it: `instance:local.1`, `function:2048`. */
  readonly executor: string;
}

/** A request while it waits and runs. */
export class PendingRequest {
  readonly call: InferenceCall;
  /** What it takes of a batch: its rows; a request of no rows takes the place of one. */
  readonly rows: number;
  bucket: string;
  /** Its place in the buffer: the objective's deadline, shifted by priority. */
  readonly deadlineMs: number;
  /** When it is to be answered: by its objective, less the margin of whom it waits for, or by its client's timeout where that is earlier. */
  promisedAtMs: number;
  /** From here on it is never run, and answered with 504. */
  readonly timeoutAtMs: number;
  /** Where it still waits then, it is asked whether it is given up: its timeout, or something earlier. */
  limitAtMs: number;
  /** Why it was to leave, where nobody was free to take it when it was; null before. */
  dueReason: CloseReason | null = null;
  /** When that was; NaN before. */
  dueAtMs: number = Number.NaN;
  /** Why a function is to run it, though instances are there for that; null where an instance is. */
  overflow: OverflowReason | null = null;
  /** It waits for an instance, and whether one still makes it is looked at again then. */
  rescueAtMs: number = Number.POSITIVE_INFINITY;
  /** When an instance was to answer it, as it was predicted when it was let wait; NaN where it was not predicted. */
  predictedAtMs = Number.NaN;
  /** Nobody could have answered it in time when it came to where it waits. */
  isHopeless = false;
  /** Waiting in the buffer, riding in a batch, or answered (or abandoned): nothing more may happen to it. */
  state: 'waiting' | 'running' | 'settled' = 'waiting';
  /** The batch it rides in, or rode in last; null before. */
  ride: Ride | null = null;
  /** How many workers died under it. From the first on it rides alone, so that it takes nobody along if it is the cause. */
  losses = 0;
  /** When the last of them died. */
  lostAtMs = 0;
  /** It was answered with 504 while its run went on. */
  isOverdue = false;
  /** Its client has the beginning of a reply: nobody else can give it the rest. */
  hasReplyBegun = false;
  /** Told once nothing more may happen to it: by whoever hands it a reply piece by piece. */
  onSettled: (() => void) | null = null;
  readonly #settle: (outcome: Outcome) => void;

  constructor(call: InferenceCall, place: Place, settle: (outcome: Outcome) => void) {
    this.call = call;
    this.rows = Math.max(call.rows, 1);
    this.bucket = place.bucket;
    this.deadlineMs = place.deadlineMs;
    this.promisedAtMs = place.promisedAtMs;
    this.timeoutAtMs = place.timeoutAtMs;
    this.limitAtMs = place.timeoutAtMs;
    this.#settle = settle;
  }

  /** Answers; the first answer counts, a later one (a result after the timeout, say) is dropped. */
  settle(outcome: Outcome): void {
    if (this.state === 'settled') return;
    this.state = 'settled';
    this.#settle(outcome);
    this.onSettled?.();
  }

  fail(error: PlatformError): void {
    this.settle({ ok: false, error });
  }
}

export type Road = Pick<RequestLine, 'rowsAhead' | 'batchRequests' | 'batchWaitMs'>;

/** What is told of a part, without its tensors: they are overwritten. */
type Told = Omit<InferenceResult, 'outputs' | 'reply'>;

/**
 * A call of more rows than a batch holds. Its parts wait and ride on their own, but who sent it made one call: so it is answered, counted, priced
 * and logged once.
 */
export class WholeCall {
  readonly rows: number;
  readonly parts: number;
  /** How it ended, as whoever cut it says; null before. */
  end: 'ok' | 'cancelled' | PlatformError | null = null;
  isRecorded = false;
  #first: { readonly told: Told; readonly road: Road } | null = null;
  #overflow: InferenceResult['overflow'] = null;
  #coldStart = false;
  #costUsd = 0;
  #encodeMs = 0;
  #inMs = 0;
  #runMs = 0;
  #outMs = 0;
  /** While at least one part was with a worker. */
  #servedMs = 0;
  #servedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(rows: number, parts: number) {
    this.rows = rows;
    this.parts = parts;
  }

  /** A part was answered; they come in the order in which their runs ended. */
  take(told: Told, arrivedAtMs: number, encodeMs: number, road: Road): void {
    const { timings, overflow, coldStart, costUsd } = told;
    this.#first ??= { told, road };
    this.#overflow ??= overflow;
    this.#coldStart ||= coldStart;
    this.#costUsd += costUsd;
    this.#encodeMs += encodeMs;
    this.#inMs += timings.computeInMs;
    this.#runMs += timings.computeMs;
    this.#outMs += timings.computeOutMs;
    const fromMs = arrivedAtMs + timings.queueMs;
    const untilMs = fromMs + timings.serviceMs;
    this.#servedMs += Math.max(untilMs - Math.max(fromMs, this.#servedUntilMs), 0);
    this.#servedUntilMs = Math.max(untilMs, this.#servedUntilMs);
  }

  /** As one request: its batch is the first of its batches, and it waited while nothing of it ran. */
  answered(totalMs: number): { readonly result: Told; readonly encodeMs: number; readonly road: Road } {
    if (this.#first === null) throw new Error('a call was answered of which no part was');
    const { told, road } = this.#first;
    const timings: Timings = {
      queueMs: Math.max(totalMs - this.#servedMs - this.#encodeMs, 0),
      computeInMs: this.#inMs,
      computeMs: this.#runMs,
      computeOutMs: this.#outMs,
      serviceMs: this.#servedMs,
    };
    const result = { ...told, timings, overflow: this.#overflow, coldStart: this.#coldStart, costUsd: this.#costUsd };
    return { result, encodeMs: this.#encodeMs, road };
  }
}

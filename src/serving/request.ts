/** An inference request: the call, its state in the queue, and its result. */

import type { CaptureConfig } from '../data-quality/index.ts';
import type { PlatformError } from '../errors.ts';
import type { RequestLine } from '../logs/index.ts';
import type { CloseReason } from '../queueing/index.ts';
import type { ModelVersion, MultiModel, PayloadKind } from '../registry/index.ts';
import type { Payload, ProcessReply, ReplySink } from '../runtime/index.ts';
import type { Signature, Tensor } from '../tensor.ts';
import type { PlanBounds } from './plans/batch-plan.ts';
import type { PlanPreference } from './plans/plan-preference.ts';
import type { RowAnswers } from './row-answers.ts';

/** A validated and decoded request from a protocol adapter (OIP, AWS, native). */
export interface InferenceCall {
  readonly requestId: string;
  /** All inputs of the signature, in its order and already checked against it. */
  readonly inputs: readonly Tensor[];
  /** The first dimension of the batched inputs; 1 if the model is not batched. */
  readonly rows: number;
  /** The client's timeout. Default: the endpoint's timeout (60 s unless configured). */
  readonly timeoutMs?: number | undefined;
  /** 0: default; 1: highest; larger values are less urgent. */
  readonly priority?: number | undefined;
  /** Which plans of a selection it accepts. */
  readonly prefer?: PlanPreference | undefined;
  /** `clock.nowMs()` when the request was fully read. */
  readonly arrivedAtMs: number;
  /** Payload of a model that takes bytes (`ServedRoute.payload`), in place of inputs. The call counts as one row and runs alone. */
  readonly raw?: RawCall;
  /** Set if this call is a part of a split call. The split call is counted and logged instead. */
  readonly whole?: SplitCall;
}

/** The payload of a call to a process model. Create the call with `rawCall`. */
export interface RawCall {
  readonly payload: Payload;
  /**
   * Receives a streamed reply piece by piece; without a sink, replies are read completely. It may be called after the request was
   * settled (by its timeout, for example). If it throws, the process is stopped.
   */
  readonly sink: ReplySink | null;
}

/** Creates a call to a process model. */
export function rawCall(
  call: Omit<InferenceCall, 'inputs' | 'rows' | 'raw'>,
  payload: Payload,
  sink: ReplySink | null = null,
): InferenceCall {
  return { ...call, inputs: [], rows: 1, raw: { payload, sink } };
}

/**
 * Why a request went to a function: it would have been late on instances. `predicted`: on arrival. `rescue`: at the last moment at
 * which a function could still be in time. `capacity`: after instances were lost.
 */
export type OverflowReason = 'predicted' | 'rescue' | 'capacity';

/** The destination of a request: the variant selected by routing. */
export interface ServedRoute {
  readonly endpoint: string;
  readonly variant: string;
  /** The model version as a decimal string. */
  readonly version: string;
  /** `bytes`, `stream`: the model takes a `rawCall`; its signature is empty, because its inputs are unknown. */
  readonly payload: PayloadKind;
  readonly signature: Signature;
  readonly batchable: boolean;
  /** Maximum rows per batch: the largest batch size in the profile (32 while unknown); 0 if the model is not batched. */
  readonly batchSizeMax: number;
  /** Default timeout of requests. */
  readonly timeoutMs: number;
  /** Whether calls are captured, copied to a shadow, or a live view of them is open. Read for each call, so it must be cheap. */
  readonly isWatched: boolean;
  /** Which calls to capture; null: none. */
  readonly capture: CaptureConfig | null;
}

/** A variant that receives copies of requests. */
export interface Shadow {
  readonly route: ServedRoute;
  /** The share of requests to copy, above 0 and at most 1. */
  readonly share: number;
  /** Whether the requests themselves are captured or a live view of them is open. */
  readonly isObserved: boolean;
}

/** A variant that serves the objects of a folder, each on request. Its route accepts no requests itself. */
export interface MultiModelRoute {
  readonly route: ServedRoute;
  readonly version: ModelVersion;
  readonly folder: MultiModel;
}

/** Durations of a request's stages, milliseconds. */
export interface Timings {
  /** From arrival to dispatch. */
  readonly queueMs: number;
  /** Assembling and copying inputs, inside the worker. */
  readonly computeInMs: number;
  /** Running the model. */
  readonly computeMs: number;
  /** Copying outputs, inside the worker. */
  readonly computeOutMs: number;
  /** From dispatch to result: the three times above, and the transfer both ways. */
  readonly serviceMs: number;
}

/** A successful result, with what it cost and where its time went. */
export interface InferenceResult {
  /** In the signature's order. */
  readonly outputs: readonly Tensor[];
  readonly timings: Timings;
  /** Number of rows in its batch. */
  readonly batchRows: number;
  readonly closeReason: CloseReason;
  /** The receipt in US dollars: this request's share of the cost of the run. */
  readonly costUsd: number;
  /** The executor: `instance:local.1`, `function:2048`. */
  readonly executor: string;
  /** Why it ran on a function although there are instances; null otherwise. */
  readonly overflow: OverflowReason | null;
  /** True if its batch was the first in its environment, and is billed with the start. */
  readonly coldStart: boolean;
  /** Number of parts of a split request. `serviceMs` is then the time with at least one part at a worker; compute times are sums. */
  readonly parts?: number;
  /** How its rows were answered; absent if the worker has one model. */
  readonly answered?: RowAnswers | undefined;
  /** The reply of a process model, in place of outputs. Its status is a success; other replies are a `ModelError`. */
  readonly reply?: ProcessReply;
}

/** The fields that are recorded for a request rejected by a protocol adapter. */
export interface RejectedCall extends Pick<InferenceCall, 'requestId' | 'rows' | 'arrivedAtMs'> {
  /** `clock.nowMs()` when its head arrived, if its body was streamed: its duration counts from then on. */
  readonly receivedAtMs?: number | undefined;
}

/** Every request ends with exactly one. */
export type InferenceOutcome =
  | { readonly ok: true; readonly result: InferenceResult }
  | { readonly ok: false; readonly error: PlatformError };

/** Fields that decide the position of a request in the queue; see `PendingRequest`. */
export interface QueuePosition {
  readonly deadlineMs: number;
  readonly promisedAtMs: number;
  readonly timeoutAtMs: number;
  readonly bucket: string;
}

/** The batch that a request runs in. */
export interface BatchEntry {
  readonly dispatchedAtMs: number;
  readonly rows: number;
  readonly requests: number;
  readonly reason: CloseReason;
  /** The executor: `instance:local.1`, `function:2048`. */
  readonly executor: string;
}

/** A request while it waits and runs. */
export class PendingRequest {
  readonly call: InferenceCall;
  /** Rows that it occupies in a batch: at least 1, even for a request without rows. */
  readonly rows: number;
  bucket: string;
  /** Decides its position in the queue: the deadline by its objective, shifted by its priority. */
  readonly deadlineMs: number;
  /** Its position in the queue: its deadline, or for a late one its arrival. */
  orderMs: number;
  /** True if it waits behind all requests that can still be in time, because it can no longer be. */
  isLate = false;
  /**
   * When it must be answered: by its objective minus the margin of the pool in which it waits, or by its client's timeout if that
   * is earlier.
   */
  promisedAtMs: number;
  /** From then on it is not started, and is answered with 504. */
  readonly timeoutAtMs: number;
  /** If it still waits at this time, the pool decides whether to fail it. Its timeout, or an earlier time. */
  limitAtMs: number;
  /** Why its batch was closed, if no executor was free then; null otherwise. */
  dueReason: CloseReason | null = null;
  /** When its batch was due, if no executor was free then; NaN otherwise. */
  dueAtMs: number = Number.NaN;
  /** Why a function runs it although there are instances; null if an instance runs it. */
  overflow: OverflowReason | null = null;
  /** While it waits for an instance: when to check again whether one can still be in time. */
  rescueAtMs: number = Number.POSITIVE_INFINITY;
  /** Predicted time of the response by instances, as first predicted when it was queued; NaN without a prediction. */
  predictedAtMs = Number.NaN;
  /** True if no executor could answer it in time when its pool was chosen. */
  cannotMeetDeadline = false;
  /** Waiting in a queue, running in a batch, or settled: answered or cancelled. A settled request must no longer change. */
  state: 'waiting' | 'running' | 'settled' = 'waiting';
  /** The plans that it accepts; null for all. Requests of a batch accept the same. */
  bounds: PlanBounds | null = null;
  /** Its current or last batch; null until it is dispatched. */
  batchEntry: BatchEntry | null = null;
  /**
   * Number of workers that crashed while running it. After the first crash it runs alone: if it is the cause, no other request is
   * affected.
   */
  losses = 0;
  /** True if it was queued again, after a crash or from another pool. */
  isResubmitted = false;
  /** When the last of these workers crashed, `clock.nowMs()`. */
  workerLostAtMs = 0;
  /** True if it was answered with 504 while its run continued. */
  isOverdue = false;
  /** True if its client has received the beginning of a reply, so it cannot be rerun on another worker. */
  hasReplyStarted = false;
  /** Called when it is settled; used by the sink of a streamed reply. */
  onSettled: (() => void) | null = null;
  readonly #settle: (outcome: InferenceOutcome) => void;

  constructor(call: InferenceCall, position: QueuePosition, settle: (outcome: InferenceOutcome) => void) {
    this.call = call;
    this.rows = Math.max(call.rows, 1);
    this.bucket = position.bucket;
    this.deadlineMs = position.deadlineMs;
    this.orderMs = position.deadlineMs;
    this.promisedAtMs = position.promisedAtMs;
    this.timeoutAtMs = position.timeoutAtMs;
    this.limitAtMs = position.timeoutAtMs;
    this.#settle = settle;
  }

  /** Answers the request. Only the first outcome counts; later ones, for example a result after the timeout, are dropped. */
  settle(outcome: InferenceOutcome): void {
    if (this.state === 'settled') return;
    this.state = 'settled';
    this.#settle(outcome);
    this.onSettled?.();
  }

  fail(error: PlatformError): void {
    this.settle({ ok: false, error });
  }
}

/** What a request waited for, as written to the request log. */
export type RequestPath = Pick<RequestLine, 'rowsAhead' | 'batchRequests' | 'batchWaitMs'>;

/** The result of a part without its tensors, which are overwritten after the callback. */
type PartResult = Omit<InferenceResult, 'outputs' | 'reply'>;

/** A call with more rows than a batch. Its parts wait and run separately. The call is answered, counted, priced and logged once. */
export class SplitCall {
  readonly rows: number;
  readonly parts: number;
  /** How the call ended; null until then. */
  end: 'ok' | 'cancelled' | PlatformError | null = null;
  isRecorded = false;
  #first: { readonly result: PartResult; readonly path: RequestPath } | null = null;
  #overflow: InferenceResult['overflow'] = null;
  #coldStart = false;
  #costUsd = 0;
  #encodeMs = 0;
  #inMs = 0;
  #runMs = 0;
  #outMs = 0;
  /** Time with at least one part at a worker. */
  #servedMs = 0;
  #servedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(rows: number, parts: number) {
    this.rows = rows;
    this.parts = parts;
  }

  /** Adds the result of a part. Call in the order in which the runs of the parts ended. */
  addPart(result: PartResult, arrivedAtMs: number, encodeMs: number, path: RequestPath): void {
    const { timings, overflow, coldStart, costUsd } = result;
    this.#first ??= { result, path };
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

  /** The result as one request. It reports the batch of its first part. Time during which no part ran counts as queue time. */
  answered(totalMs: number): { readonly result: PartResult; readonly encodeMs: number; readonly path: RequestPath } {
    if (this.#first === null) throw new Error('a call was answered before any of its parts');
    const { result: first, path } = this.#first;
    const timings: Timings = {
      queueMs: Math.max(totalMs - this.#servedMs - this.#encodeMs, 0),
      computeInMs: this.#inMs,
      computeMs: this.#runMs,
      computeOutMs: this.#outMs,
      serviceMs: this.#servedMs,
    };
    const result = { ...first, timings, overflow: this.#overflow, coldStart: this.#coldStart, costUsd: this.#costUsd };
    return { result, encodeMs: this.#encodeMs, path };
  }
}

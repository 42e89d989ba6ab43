/**
 * A call of more rows than a batch holds. Its parts wait and ride on their own, but who sent it made one call: so it is answered, counted, priced
 * and logged once.
 */
import type { PlatformError } from '../errors.ts';
import type { RequestLine } from '../monitoring/index.ts';
import type { InferenceResult, Timings } from './request.ts';

export type Road = Pick<RequestLine, 'rowsAhead' | 'batchRequests' | 'batchWaitMs'>;

/** What is told of a part, without its tensors: they are overwritten. */
type Told = Omit<InferenceResult, 'outputs' | 'reply'>;

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

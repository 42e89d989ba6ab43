/** A batch held open for more requests. It keeps the hold rule with which it was opened; a new rule applies to later batches. */
import type { Clock } from '../../clock.ts';
import { type HoldPolicy, leavesAtMs, type OpenBatch } from '../../queueing/index.ts';
import type { PendingRequest } from '../request.ts';
import type { FunctionRule } from './function-rule.ts';
import type { Period } from './period.ts';

/** Timers tend to fire late, so they are set this much early; the remaining time is then waited with a second timer. */
const earlyMs = 1;

/** Times that differ by less than this are equal. */
const roundingMs = 1e-9;

/** Due by its rule, but in time for the earliest timeout of a client in it. Its timer checks again when it fires. */
export class HeldBatch implements OpenBatch {
  readonly bucket: string;
  readonly policy: HoldPolicy;
  readonly openedMs: number;
  /** The measurement period in which it is counted. */
  readonly period: Period;
  readonly requests: PendingRequest[] = [];
  rows = 0;
  /** D_min: the earliest deadline in it. */
  deadlineMs = Number.POSITIVE_INFINITY;
  /** The earliest client timeout in it. */
  timeoutAtMs = Number.POSITIVE_INFINITY;
  readonly #rule: FunctionRule;
  readonly #clock: Clock;
  readonly #onDue: (batch: HeldBatch) => void;
  #dueMs = Number.POSITIVE_INFINITY;
  #firesAtMs = Number.POSITIVE_INFINITY;
  #cancel: () => void = () => {};

  constructor(bucket: string, rule: FunctionRule, clock: Clock, onDue: (batch: HeldBatch) => void) {
    this.bucket = bucket;
    this.policy = rule.policy;
    this.period = rule.period;
    this.openedMs = clock.nowMs();
    this.#rule = rule;
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Adds the request. If no slack remains, the batch still stays open for requests that arrive at the same instant. */
  add(request: PendingRequest): void {
    this.requests.push(request);
    this.rows += request.rows;
    this.deadlineMs = Math.min(this.deadlineMs, request.promisedAtMs);
    this.timeoutAtMs = Math.min(this.timeoutAtMs, request.timeoutAtMs);
    const nowMs = this.#clock.nowMs();
    this.#dueMs = this.#leavesAtMs(nowMs);
    if (this.#firesAtMs > Math.max(this.#dueMs - earlyMs, nowMs)) this.#wake(nowMs);
  }

  /** Removes a request that was settled or moved to an instance. Returns false if it is not in this batch. */
  remove(request: PendingRequest): boolean {
    const place = this.requests.indexOf(request);
    if (place < 0) return false;
    this.requests.splice(place, 1);
    this.rows -= request.rows;
    this.deadlineMs = Math.min(...this.requests.map(({ promisedAtMs }) => promisedAtMs));
    this.timeoutAtMs = Math.min(...this.requests.map(({ timeoutAtMs }) => timeoutAtMs));
    // The batch can only be due later than before: when its timer fires, it checks again.
    if (this.rows > 0) this.#dueMs = this.#leavesAtMs(this.#clock.nowMs());
    return true;
  }

  /** Cancels the timer, after the batch was dispatched or became empty. */
  close(): void {
    this.#cancel();
  }

  /** When the batch must be dispatched: by its rule, but in time for the earliest client timeout. */
  #leavesAtMs(nowMs: number): number {
    const dueMs = leavesAtMs(this.policy, this, nowMs);
    const lastMs = this.#rule.doneByMs(this.timeoutAtMs, this.rows) - this.#rule.serviceMs(this.rows);
    return Math.max(nowMs, Math.min(dueMs, lastMs));
  }

  #wake(nowMs: number): void {
    this.#cancel();
    const leftMs = this.#dueMs - nowMs;
    const delayMs = leftMs > earlyMs + roundingMs ? leftMs - earlyMs : leftMs;
    this.#firesAtMs = nowMs + delayMs;
    this.#cancel = this.#clock.after(delayMs, () => {
      const thenMs = this.#clock.nowMs();
      this.#firesAtMs = Number.POSITIVE_INFINITY;
      if (thenMs >= this.#dueMs - roundingMs) this.#onDue(this);
      else this.#wake(thenMs);
    });
  }
}

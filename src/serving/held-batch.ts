/** A batch that is held for company. It keeps to the rule under which it was opened: a new one counts from the next batch on. */
import type { Clock } from '../clock.ts';
import { type HoldPolicy, leavesAtMs, type OpenBatch } from '../queueing/index.ts';
import type { FunctionRule } from './function-rule.ts';
import type { Period } from './period.ts';
import type { PendingRequest } from './request.ts';

/** Timers come late rather than early, so they are set for this long before, and look again. */
const earlyMs = 1;

/** Times closer than this are the same. */
const roundingMs = 1e-9;

export class HeldBatch implements OpenBatch {
  readonly bucket: string;
  readonly policy: HoldPolicy;
  readonly openedMs: number;
  /** Where it is counted. */
  readonly period: Period;
  readonly requests: PendingRequest[] = [];
  rows = 0;
  /** D_min: the earliest deadline in it. */
  deadlineMs = Number.POSITIVE_INFINITY;
  /** When the first of its clients gives up. */
  timeoutAtMs = Number.POSITIVE_INFINITY;
  readonly #rule: FunctionRule;
  readonly #clock: Clock;
  readonly #onDue: (batch: HeldBatch) => void;
  #dueMs = Number.POSITIVE_INFINITY;
  #wakesAtMs = Number.POSITIVE_INFINITY;
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

  /** Takes the request in. Where that leaves no time, others who come at the very same time may still join. */
  add(request: PendingRequest): void {
    this.requests.push(request);
    this.rows += request.rows;
    this.deadlineMs = Math.min(this.deadlineMs, request.promisedAtMs);
    this.timeoutAtMs = Math.min(this.timeoutAtMs, request.timeoutAtMs);
    const nowMs = this.#clock.nowMs();
    this.#dueMs = this.#leavesAtMs(nowMs);
    if (this.#wakesAtMs > Math.max(this.#dueMs - earlyMs, nowMs)) this.#wake(nowMs);
  }

  /** The request is settled, or goes elsewhere. False where it was not in here. */
  remove(request: PendingRequest): boolean {
    const place = this.requests.indexOf(request);
    if (place < 0) return false;
    this.requests.splice(place, 1);
    this.rows -= request.rows;
    this.deadlineMs = Math.min(...this.requests.map(({ promisedAtMs }) => promisedAtMs));
    this.timeoutAtMs = Math.min(...this.requests.map(({ timeoutAtMs }) => timeoutAtMs));
    // It is due later now, if at all: its timer looks again when it fires.
    if (this.rows > 0) this.#dueMs = this.#leavesAtMs(this.#clock.nowMs());
    return true;
  }

  /** It has left, or is empty. */
  close(): void {
    this.#cancel();
  }

  /** By its rule, and in any case in time for whoever would give up first. */
  #leavesAtMs(nowMs: number): number {
    const dueMs = leavesAtMs(this.policy, this, nowMs);
    const lastMs = this.#rule.doneByMs(this.timeoutAtMs, this.rows) - this.#rule.serviceMs(this.rows);
    return Math.max(nowMs, Math.min(dueMs, lastMs));
  }

  #wake(nowMs: number): void {
    this.#cancel();
    const leftMs = this.#dueMs - nowMs;
    const delayMs = leftMs > earlyMs + roundingMs ? leftMs - earlyMs : leftMs;
    this.#wakesAtMs = nowMs + delayMs;
    this.#cancel = this.#clock.after(delayMs, () => {
      const thenMs = this.#clock.nowMs();
      this.#wakesAtMs = Number.POSITIVE_INFINITY;
      if (thenMs >= this.#dueMs - roundingMs) this.#onDue(this);
      else this.#wake(thenMs);
    });
  }
}

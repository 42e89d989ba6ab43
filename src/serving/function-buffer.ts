/**
 * Where the requests of a function wait: in batches held for company, one for each bucket, and, once they were to leave
 * and found nobody free, in the overdue queue. It says who leaves and why; who runs them is for its owner to say.
 */
import type { Clock } from '../clock.ts';
import { type CloseReason, whenArrives } from '../queueing/index.ts';
import type { FunctionRule } from './function-rule.ts';
import { HeldBatch } from './held-batch.ts';
import { OverdueQueue } from './overdue-queue.ts';
import type { Period } from './period.ts';
import type { PendingRequest } from './request.ts';

/** Requests that are to leave now. */
export interface Leaving {
  readonly requests: readonly PendingRequest[];
  readonly reason: CloseReason;
  /** Where they are counted. */
  readonly period: Period;
  /** They were to leave earlier and found nobody free. */
  readonly isLate: boolean;
}

export interface FunctionBufferNeeds {
  readonly clock: Clock;
  readonly rule: FunctionRule;
  /** Sends them off; false where nobody is free. */
  readonly send: (leaving: Leaving) => boolean;
  /** This one waits for somebody to be free from now on. */
  readonly onOverdue: (request: PendingRequest) => void;
  /** More environments than there are ready may be had. */
  readonly mayGrow: () => boolean;
  /** A batch left by its timer. */
  readonly onTimer: () => void;
}

/** So many of the overdue are offered to others at least, where some are too large. */
const companyMin = 16;

export class FunctionBuffer {
  readonly #needs: FunctionBufferNeeds;
  /** By bucket. */
  readonly #held = new Map<string, HeldBatch>();
  readonly #overdue = new OverdueQueue();
  #heldRows = 0;

  constructor(needs: FunctionBufferNeeds) {
    this.#needs = needs;
  }

  get rows(): number {
    return this.#heldRows + this.#overdue.rows;
  }

  /** Those of them that could leave, were anybody free. */
  get overdueRows(): number {
    return this.#overdue.rows;
  }

  /** For how many batches somebody is needed, now or soon. */
  get batches(): number {
    return this.#held.size + this.#overdue.batches(this.#overdueBatchSize());
  }

  *[Symbol.iterator](): Generator<PendingRequest> {
    for (const { requests } of this.#held.values()) yield* requests;
    yield* this.#overdue;
  }

  get overdue(): Iterable<PendingRequest> {
    return this.#overdue;
  }

  overdueRowsUntil(deadlineMs: number): number {
    return this.#overdue.rowsUntil(deadlineMs);
  }

  /** Whether it is held for company, rather than overdue. */
  holds(request: PendingRequest): boolean {
    return this.#held.get(request.bucket)?.requests.includes(request) === true;
  }

  /** Takes the request in, and sends off whoever leaves by that. Behind others who are overdue nobody is held for company. */
  place(request: PendingRequest): void {
    if (!this.#overdue.isEmpty) this.#makeOverdue(request, null);
    else if (request.losses > 0) this.#leave([request], 'idle', this.#needs.rule.period);
    else this.#join(request);
  }

  forget(request: PendingRequest): void {
    const batch = this.#held.get(request.bucket);
    if (batch?.remove(request) !== true) return this.#overdue.forget(request);
    this.#heldRows -= request.rows;
    if (batch.rows === 0) this.#close(batch);
  }

  /** Whether a batch of this bucket is open. */
  isOpen(bucket: string): boolean {
    return this.#held.has(bucket);
  }

  /** Who might be run elsewhere, most urgent first: all that are held, and of the overdue so many as may make a batch of these rows. */
  company(rowsMax: number): PendingRequest[] {
    const company = [...this.#held.values()].flatMap(({ requests }) => requests);
    const most = company.length + Math.max(rowsMax, companyMin);
    for (const request of this.#overdue) {
      if (company.length >= most) break;
      company.push(request);
    }
    return company.sort((one, other) => one.deadlineMs - other.deadlineMs);
  }

  /** These go elsewhere to wait. */
  extract(requests: readonly PendingRequest[]): void {
    for (const request of requests) {
      const batch = this.#held.get(request.bucket);
      if (batch?.remove(request) !== true) {
        this.#overdue.extract(request);
        continue;
      }
      this.#heldRows -= request.rows;
      if (batch.rows === 0) this.#close(batch);
    }
  }

  /** Lets go of everybody. */
  surrender(): PendingRequest[] {
    const overdue = [...this.#overdue];
    const waiting = [...this];
    for (const batch of this.#held.values()) this.#close(batch);
    for (const request of waiting) request.state = 'running'; // on its way elsewhere
    for (const request of overdue) this.#overdue.forget(request);
    return waiting;
  }

  /** Somebody may be free: he takes of the overdue what one batch holds, and so on. */
  pump(): void {
    const { rule, send } = this.#needs;
    while (!this.#overdue.isEmpty) {
      const requests = this.#overdue.peek(this.#overdueBatchSize());
      const reason = requests.find(({ dueReason }) => dueReason !== null)?.dueReason ?? 'idle';
      if (!send({ requests, reason, period: rule.period, isLate: true })) return;
    }
  }

  /**
   * B; but where there are as many environments as may be, and still the first of those who wait is late whatever is
   * done, the size of best throughput: smaller batches make everybody later.
   */
  #overdueBatchSize(): number {
    const { clock, rule, mayGrow } = this.#needs;
    const [head] = this.#overdue;
    if (head === undefined || mayGrow()) return rule.batchSizeMax;
    const nowMs = clock.nowMs();
    const isLate = nowMs + rule.serviceMs(1) > head.promisedAtMs;
    return isLate && nowMs + rule.serviceMs(rule.batchSizeLate) < head.timeoutAtMs ? rule.batchSizeLate : rule.batchSizeMax;
  }

  /** They leave the overdue queue, marked as running. */
  remove(requests: readonly PendingRequest[]): void {
    this.#overdue.remove(requests);
  }

  /** Nobody comes to keep them company any more. */
  flush(): void {
    for (const batch of this.#held.values()) this.#send(batch, 'flush');
  }

  close(): void {
    for (const batch of this.#held.values()) batch.close();
  }

  /** Into the open batch of its bucket, or into a new one. */
  #join(request: PendingRequest): void {
    const { clock, rule } = this.#needs;
    const nowMs = clock.nowMs();
    let batch = this.#held.get(request.bucket) ?? null;
    const timeoutAtMs = Math.min(batch?.timeoutAtMs ?? Number.POSITIVE_INFINITY, request.timeoutAtMs);
    const doneByMs = Math.min(request.promisedAtMs, rule.doneByMs(timeoutAtMs, (batch?.rows ?? 0) + request.rows));
    let effect = whenArrives(batch?.policy ?? rule.policy, batch, nowMs, doneByMs, request.rows);
    if (batch !== null && effect !== 'join' && effect !== 'join-and-full') {
      this.#send(batch, effect);
      if (!this.#overdue.isEmpty) return this.#makeOverdue(request, null);
      batch = null;
      effect = whenArrives(rule.policy, null, nowMs, request.promisedAtMs, request.rows);
    }
    if (batch === null && effect === 'join-and-full') {
      return this.#leave([request], rule.policy.kind === 'none' ? 'idle' : 'full', rule.period);
    }
    batch ??= this.#open(request.bucket);
    batch.add(request);
    this.#heldRows += request.rows;
    if (effect === 'join-and-full') this.#send(batch, 'full');
  }

  #open(bucket: string): HeldBatch {
    const { clock, rule, onTimer } = this.#needs;
    const batch = new HeldBatch(bucket, rule, clock, (due) => {
      this.#send(due, due.policy.kind === 'timeout' ? 'timeout' : 'slack');
      onTimer();
    });
    this.#held.set(bucket, batch);
    return batch;
  }

  #send(batch: HeldBatch, reason: CloseReason): void {
    this.#close(batch);
    this.#leave(batch.requests, reason, batch.period);
  }

  #close(batch: HeldBatch): void {
    batch.close();
    this.#held.delete(batch.bucket);
    this.#heldRows -= batch.rows;
  }

  #leave(requests: readonly PendingRequest[], reason: CloseReason, period: Period): void {
    if (this.#needs.send({ requests, reason, period, isLate: false })) return;
    for (const request of requests) this.#makeOverdue(request, reason);
  }

  #makeOverdue(request: PendingRequest, reason: CloseReason | null): void {
    request.dueReason = reason;
    request.dueAtMs = this.#needs.clock.nowMs();
    this.#overdue.insert(request);
    this.#needs.onOverdue(request);
  }
}

/**
 * The requests that wait for functions. Each bucket has at most one batch, held open for more requests. A batch that is due while
 * no function is free moves to the overdue queue. The buffer decides when requests are dispatched; `FunctionPool` chooses the
 * environment.
 */
import type { Clock } from '../../clock.ts';
import { type CloseReason, onArrival } from '../../queueing/index.ts';
import type { PendingRequest } from '../request.ts';
import type { FunctionRule } from './function-rule.ts';
import { HeldBatch } from './held-batch.ts';
import { OverdueQueue } from './overdue-queue.ts';
import type { Period } from './period.ts';

/** Requests to dispatch now. */
export interface ClosedBatch {
  readonly requests: readonly PendingRequest[];
  readonly reason: CloseReason;
  /** The measurement period in which the requests are counted. */
  readonly period: Period;
  /** True if the requests were due earlier but no function was free. */
  readonly isLate: boolean;
}

/** How the buffer reaches its pool. */
export interface FunctionBufferDeps {
  readonly clock: Clock;
  readonly rule: FunctionRule;
  /** Dispatches the batch; returns false if no function is free. */
  readonly send: (closedBatch: ClosedBatch) => boolean;
  /** Called when a request is due but no function is free. */
  readonly onOverdue: (request: PendingRequest) => void;
  /** Whether more environments may become ready: the limit is not reached, or some are starting. */
  readonly mayGrow: () => boolean;
  /** Called after a batch was closed by its timer. */
  readonly onTimer: () => void;
}

/** Minimum number of overdue requests offered to an idle instance, in case some do not fit. */
const offeredMin = 16;

/** A request is either in an open batch or overdue. While any is overdue, no batch is held open. */
export class FunctionBuffer {
  readonly #deps: FunctionBufferDeps;
  /** By bucket. */
  readonly #held = new Map<string, HeldBatch>();
  readonly #overdue = new OverdueQueue();
  #heldRows = 0;

  constructor(deps: FunctionBufferDeps) {
    this.#deps = deps;
  }

  get rows(): number {
    return this.#heldRows + this.#overdue.rows;
  }

  /** Rows that are due and wait only for a free function. */
  get overdueRows(): number {
    return this.#overdue.rows;
  }

  /** Number of batches that need an environment, now or soon. */
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

  /** Whether the request is in an open batch, that is, not overdue. */
  holds(request: PendingRequest): boolean {
    return this.#held.get(request.bucket)?.requests.includes(request) === true;
  }

  /** Adds the request, and dispatches every batch that is due as a result. While requests are overdue, no batch is held open. */
  enqueue(request: PendingRequest): void {
    if (!this.#overdue.isEmpty) this.#makeOverdue(request, null);
    else if (request.losses > 0) this.#leave([request], 'idle', this.#deps.rule.period);
    else this.#join(request);
  }

  discard(request: PendingRequest): void {
    const batch = this.#held.get(request.bucket);
    if (batch?.remove(request) !== true) return this.#overdue.discard(request);
    this.#heldRows -= request.rows;
    if (batch.rows === 0) this.#close(batch);
  }

  /** Whether a batch of this bucket is open. */
  isOpen(bucket: string): boolean {
    return this.#held.has(bucket);
  }

  /** Candidates for an idle instance: all requests in open batches, then enough overdue ones for a batch of `rowsMax`. */
  batchmates(rowsMax: number): PendingRequest[] {
    const batch = [...this.#held.values()].flatMap(({ requests }) => requests);
    const most = batch.length + Math.max(rowsMax, offeredMin);
    for (const request of this.#overdue) {
      if (batch.length >= most) break;
      batch.push(request);
    }
    return batch.sort((one, other) => one.deadlineMs - other.deadlineMs);
  }

  /** Removes requests that will wait for an instance. */
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

  /** Removes and returns all requests. */
  removeAllWaiting(): PendingRequest[] {
    const overdue = [...this.#overdue];
    const waiting = [...this];
    for (const batch of this.#held.values()) this.#close(batch);
    for (const request of waiting) request.state = 'running'; // taken out of the queue by the caller
    for (const request of overdue) this.#overdue.discard(request);
    return waiting;
  }

  /** Call when a function may be free: dispatches overdue requests in batches until none is left or no function is free. */
  pump(): void {
    const { rule, send } = this.#deps;
    while (!this.#overdue.isEmpty) {
      const requests = this.#overdue.peek(this.#overdueBatchSize());
      const reason = requests.find(({ dueReason }) => dueReason !== null)?.dueReason ?? 'idle';
      if (!send({ requests, reason, period: rule.period, isLate: true })) return;
    }
  }

  /**
   * Normally B. If no more environments may be started and the first overdue request will be late anyway: the batch size with the
   * best throughput, because smaller batches would delay all requests.
   */
  #overdueBatchSize(): number {
    const { clock, rule, mayGrow } = this.#deps;
    const [head] = this.#overdue;
    if (head === undefined || mayGrow()) return rule.batchSizeMax;
    const nowMs = clock.nowMs();
    const isLate = nowMs + rule.serviceMs(1) > head.promisedAtMs;
    return isLate && nowMs + rule.serviceMs(rule.batchSizeLate) < head.timeoutAtMs ? rule.batchSizeLate : rule.batchSizeMax;
  }

  /** Removes the requests from the overdue queue and marks them as running. */
  remove(requests: readonly PendingRequest[]): void {
    this.#overdue.remove(requests);
  }

  /** Dispatches all open batches at once, because no more requests will arrive. */
  flush(): void {
    for (const batch of this.#held.values()) this.#send(batch, 'flush');
  }

  close(): void {
    for (const batch of this.#held.values()) batch.close();
  }

  /** Adds the request to the open batch of its bucket, or opens one. If it does not fit, closes the open batch first. */
  #join(request: PendingRequest): void {
    const { clock, rule } = this.#deps;
    const nowMs = clock.nowMs();
    let batch = this.#held.get(request.bucket) ?? null;
    const timeoutAtMs = Math.min(batch?.timeoutAtMs ?? Number.POSITIVE_INFINITY, request.timeoutAtMs);
    const doneByMs = Math.min(request.promisedAtMs, rule.doneByMs(timeoutAtMs, (batch?.rows ?? 0) + request.rows));
    let effect = onArrival(batch?.policy ?? rule.policy, batch, nowMs, doneByMs, request.rows);
    if (batch !== null && effect !== 'join' && effect !== 'join-and-full') {
      this.#send(batch, effect);
      if (!this.#overdue.isEmpty) return this.#makeOverdue(request, null);
      batch = null;
      effect = onArrival(rule.policy, null, nowMs, request.promisedAtMs, request.rows);
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
    const { clock, rule, onTimer } = this.#deps;
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
    if (this.#deps.send({ requests, reason, period, isLate: false })) return;
    for (const request of requests) this.#makeOverdue(request, reason);
  }

  #makeOverdue(request: PendingRequest, reason: CloseReason | null): void {
    request.dueReason = reason;
    request.dueAtMs = this.#deps.clock.nowMs();
    this.#overdue.insert(request);
    this.#deps.onOverdue(request);
  }
}

/** Always-on instances and their queue. An idle instance waits for more requests only if they cost nothing. */

import { PlatformError } from '../../errors.ts';
import { platformOverheadMs, type ServiceTable } from '../../profiling/index.ts';
import { type CloseReason, type Company, companyWaitMs } from '../../queueing/index.ts';
import { Executor } from '../executor.ts';
import type { ExecutorPool, PoolContext, PoolWorker } from '../executor-pool.ts';
import { deadlinePassedError, queueFullError } from '../rejections.ts';
import type { PendingRequest } from '../request.ts';
import { ServiceDrift } from '../service-drift.ts';
import { minimumMarginMs } from './admission-margin.ts';
import { AheadTimer } from './ahead-timer.ts';
import { AnswerPrediction } from './answer-prediction.ts';
import { BatchPlans } from './batch-plans.ts';
import { HeldForCompany } from './held-for-company.ts';
import { InTimeBatches } from './in-time-batches.ts';
import { aheadInMs, batchRows, bestIdle, mayGoAhead, nextToFallIdle } from './instance-choice.ts';
import { InstanceQueue } from './instance-queue.ts';

/** How the pool reads profiles and restarts workers. The last members are for studies by simulation. */
export interface InstancePoolDeps {
  /** Returns the known service times of an executor by name, for example `instance:local.1`; `rung`: by which plan, with a ladder. */
  readonly serviceTable: (executor: string, rung?: number) => ServiceTable;
  /** Restarts a worker whose run exceeded the timeout. */
  readonly restart: (workerId: string, reason: string) => void;
  /** Time for transfer to the worker and back, and for encoding. Default: 0.5 ms. */
  readonly overheadMs?: number;
  /** When an idle instance waits for more requests. Default: the product's rule; others are for studies. */
  readonly companyWaitMs?: (company: Company) => number;
}

/** Minimum interval between checks for stale service times while requests are rejected. */
const forgetEveryMs = 1000;

/** The instances of one variant. It starts and ends none: deployments do. */
export class InstancePool implements ExecutorPool {
  readonly #context: PoolContext;
  readonly #deps: InstancePoolDeps;
  readonly #queue = new InstanceQueue();
  readonly #batches: InTimeBatches;
  /** When instances will answer. */
  readonly prediction: AnswerPrediction;
  readonly #plans: BatchPlans;
  readonly #executors = new Map<string, Executor>();
  /** Executors that accept new requests: all but the draining ones. */
  #active: readonly Executor[] = [];
  readonly #overheadMs: number;
  readonly #drained = new Map<string, () => void>();
  readonly #held: HeldForCompany;
  readonly #ahead: AheadTimer;
  #forgotAtMs = Number.NEGATIVE_INFINITY;

  constructor(context: PoolContext, deps: InstancePoolDeps) {
    this.#context = context;
    this.#deps = deps;
    this.#overheadMs = deps.overheadMs ?? platformOverheadMs;
    this.prediction = new AnswerPrediction({
      executors: (servesOut) => (servesOut && this.#isLastResort ? this.executors : this.#active),
      overheadMs: this.#overheadMs,
    });
    this.#batches = new InTimeBatches({
      context,
      queue: this.#queue,
      overheadMs: this.#overheadMs,
      rowsPerMs: () => this.#rowsPerMs(),
      drainMs: () => this.drainMs(),
      onLate: (nowMs) => this.#forgetStale(nowMs),
    });
    this.#plans = new BatchPlans({
      context,
      queue: this.#queue,
      overheadMs: this.#overheadMs,
      executors: () => (this.#isLastResort ? this.executors : this.#active),
      extraMs: (nowMs) => this.prediction.extraMs(nowMs),
    });
    this.#held = new HeldForCompany(context.clock, deps.companyWaitMs ?? companyWaitMs, () => this.#pump());
    this.#ahead = new AheadTimer(context.clock, () => this.#pump());
    this.prediction.useObjective(this.#context.settings.objective?.latencyMs ?? null);
  }

  get batchSizeMax(): number {
    let known = 0;
    for (const { table } of this.#executors.values()) if (table.isKnown && table.batchMax > 1) known = Math.max(known, table.batchMax);
    return known;
  }

  get rowsWaiting(): number {
    return this.#queue.rows;
  }

  get executors(): readonly Executor[] {
    return [...this.#executors.values()];
  }

  get hasNoCapacity(): boolean {
    return this.#executors.size === 0;
  }

  promisedAtMs(arrivedAtMs: number, timeoutAtMs: number): number {
    const { objective } = this.#context.settings;
    return objective === null
      ? timeoutAtMs
      : Math.min(arrivedAtMs + objective.latencyMs - minimumMarginMs(objective.latencyMs), timeoutAtMs);
  }

  waiting(): Iterable<PendingRequest> {
    return this.#queue;
  }

  get isInLimitOrder(): boolean {
    return this.#queue.isInLimitOrder;
  }

  removeAllWaiting(): PendingRequest[] {
    const waiting = [...this.#queue];
    this.#queue.remove(waiting);
    this.#release();
    return waiting;
  }

  submit(request: PendingRequest): PlatformError | null {
    const rejection = this.#rejectionFor(request);
    if (rejection === null) this.enqueue(request);
    return rejection;
  }

  /** Whether the queue has room for that many rows beside `rowsWaiting`, if need be by giving up late requests. */
  makeRoom(rows: number, rowsWaiting: number): boolean {
    return this.#batches.makeRoom(rows, rowsWaiting);
  }

  #rejectionFor(request: PendingRequest): PlatformError | null {
    const { endpoint, settings, clock } = this.#context;
    const { objective, late } = settings;
    this.#rebase(this.#executors.values());
    if (!this.makeRoom(request.rows, this.#queue.rows)) return queueFullError(this.#context, this.#queue.rows, this.drainMs());
    if (objective === null || late === 'serve') return null;
    // Service times are learned only from runs: if an idle instance rejected requests, its recovery would never be noticed.
    if (this.idle !== undefined) return null;
    const nowMs = clock.nowMs();
    const rowsAhead = this.#queue.rowsUntil(request.deadlineMs);
    const answeredAtMs = this.prediction.predictAtMs(request, rowsAhead, nowMs);
    if (answeredAtMs <= request.promisedAtMs || this.prediction.isOnTimeTypically(request, rowsAhead, nowMs)) return null;
    this.#forgetStale(nowMs);
    const text = `endpoint ${endpoint} is overloaded: ${deadlinePassedError(this.#context, request, answeredAtMs - nowMs)}. Retry later or add instances`;
    return new PlatformError('overloaded', text, { retryAfterMs: this.drainMs() });
  }

  /**
   * While requests are rejected, only small batches run, so measurements of larger batches are not refreshed. If those were slowed
   * by load that has ended, they would cause rejections forever. So stale ones are dropped.
   */
  #forgetStale(nowMs: number): void {
    if (nowMs - this.#forgotAtMs < forgetEveryMs) return;
    this.#forgotAtMs = nowMs;
    let hasForgotten = false;
    for (const { table } of this.#active) hasForgotten = table.forgetStale() || hasForgotten;
    if (hasForgotten) this.#planAll();
  }

  enqueue(request: PendingRequest): void {
    this.#arrived(request);
    this.#queue.insert(request);
    this.#pump();
  }

  /** Queues requests that arrive together, to dispatch them in one batch if possible. */
  enqueueAll(requests: readonly PendingRequest[]): void {
    for (const request of requests) {
      this.#arrived(request);
      this.#queue.insert(request);
    }
    this.#pump();
  }

  #arrived({ rows }: PendingRequest): void {
    this.#held.arrived(rows);
    this.#batches.arrived(rows, this.#context.clock.nowMs());
  }

  /** Removes requests that will wait for functions. */
  extract(requests: readonly PendingRequest[]): void {
    for (const request of requests) this.#queue.extract(request);
    this.#release();
  }

  has(workerId: string): boolean {
    return this.#executors.has(workerId);
  }

  /** Whether an instance is ready and not draining. */
  get isActive(): boolean {
    return this.#active.length > 0;
  }

  /** An instance that would run a new request at once; undefined if none is idle or requests wait. */
  get idle(): Executor | undefined {
    return this.#queue.isEmpty ? bestIdle(this.#active) : undefined;
  }

  /** Number of waiting rows with an earlier or equal deadline. */
  rowsUntil(deadlineMs: number): number {
    return this.#queue.rowsUntil(deadlineMs);
  }

  discard(request: PendingRequest): void {
    this.#queue.discard(request);
    this.#release();
  }

  onLimit(request: PendingRequest, nowMs: number): PlatformError {
    return this.#context.timedOut(request, nowMs);
  }

  executorFreed(): void {
    this.#pump();
  }

  workerLost(executor: Executor): void {
    if (this.#executors.get(executor.worker.id) === executor) this.#executors.delete(executor.worker.id);
    this.#changed();
  }

  executorHung(executor: Executor, reason: string): void {
    this.#deps.restart(executor.worker.id, reason);
  }

  configure(): void {
    this.prediction.useObjective(this.#context.settings.objective?.latencyMs ?? null);
    if (!this.#postpones) this.#queue.restore();
    for (const executor of this.#executors.values()) executor.pace ??= this.#newPace();
    this.#planAll();
  }

  replan(): void {
    for (const executor of this.#executors.values()) executor.useTables(this.#tablesOf(executor.worker));
    this.#planAll();
  }

  /** Called when a worker is ready, or has reconnected. */
  attach(worker: PoolWorker): void {
    this.#executors.delete(worker.id);
    const tables = this.#tablesOf(worker);
    const executor = new Executor(worker, tables[0] as ServiceTable, this.#context.clock.nowMs(), this.#overheadMs);
    executor.useTables(tables);
    this.#rebase([executor]);
    executor.pace = this.#newPace();
    executor.plan(this.#context.settings.objective, this.#context.clock.nowMs());
    this.#executors.set(worker.id, executor);
    this.#changed();
    this.#pump();
  }

  /** Removes a worker. Its running batch ends through the failure of its link. */
  detach(workerId: string): void {
    this.#executors.delete(workerId);
    this.#changed();
    this.#release();
  }

  workerFailed(workerId: string): void {
    this.detach(workerId);
  }

  /** Resolves once the worker is idle. The last worker serves the queue first. */
  drain(workerId: string): Promise<void> {
    const executor = this.#executors.get(workerId);
    if (executor === undefined) return Promise.resolve();
    executor.isDraining = true;
    this.#changed();
    return new Promise((resolve) => {
      this.#drained.set(workerId, resolve);
      this.#pump();
    });
  }

  /** Does nothing: workers of instances are drained one by one by the deployment. */
  retire(): void {}

  async finish(): Promise<void> {
    await Promise.all([...this.#executors.keys()].map((id) => this.drain(id)));
  }

  close(): void {
    this.#ahead.cancel();
    this.#held.end();
  }

  /** By plan, from the cheapest on. */
  #tablesOf({ instanceType }: { readonly instanceType: string }): readonly ServiceTable[] {
    const executor = `instance:${instanceType}`;
    const { ladder } = this.#context;
    if (ladder === null) return [this.#deps.serviceTable(executor)];
    return ladder.config.rungs.map((_, rung) => this.#deps.serviceTable(executor, rung));
  }

  /** Judges executors by the cheapest plan that a batch may have now; without an objective, by the most accurate one. */
  #rebase(executors: Iterable<Executor>): void {
    const { ladder, settings } = this.#context;
    if (ladder === null || ladder.isAlone) return;
    for (const executor of executors)
      executor.base = settings.objective === null ? ladder.runnable(executor, ladder.top) : ladder.baseFor(executor);
  }

  #newPace(): ServiceDrift | null {
    return this.#context.settings.objective === null ? null : new ServiceDrift();
  }

  #planAll(): void {
    for (const executor of this.#executors.values()) executor.plan(this.#context.settings.objective, this.#context.clock.nowMs(), true);
  }

  #changed(): void {
    this.#active = this.executors.filter(({ isDraining }) => !isDraining);
    for (const request of this.#queue) request.predictedAtMs = Number.NaN; // the old predictions assumed other instances
  }

  /** Time until the waiting rows are served, for Retry-After. */
  drainMs(): number {
    const rowsPerMs = this.#rowsPerMs();
    return rowsPerMs === 0 ? 1000 : this.#queue.rows / rowsPerMs;
  }

  #rowsPerMs(): number {
    let rowsPerMs = 0;
    for (const executor of this.#executors.values()) rowsPerMs += executor.rowsPerMs();
    return rowsPerMs;
  }

  /**
   * Dispatches batches while an executor is idle and requests wait. Without an idle executor, a batch is sent ahead to the one that
   * finishes first. Only a batch that is full or would gain little from more rows is sent ahead.
   */
  #pump(): void {
    const { settings, clock, ladder } = this.#context;
    while (!this.#queue.isEmpty) {
      this.#rebase(this.#executors.values());
      const nowMs = clock.nowMs();
      const idle = this.#idle();
      const executor = idle ?? nextToFallIdle(this.#executors.values(), nowMs);
      const waitMs = idle === undefined ? this.#aheadInMs(executor, nowMs) : 0;
      if (executor === undefined || waitMs > 0) {
        this.#ahead.wakeIn(waitMs);
        break;
      }
      executor.plan(settings.objective, nowMs);
      if (idle === undefined && this.#waitsForRows(executor, nowMs)) break;
      let batch = this.#postpones ? this.#batches.take(executor, nowMs) : this.#takeAny(executor);
      if (batch.length === 0) break;
      if (ladder !== null && !ladder.isAlone && this.#plans.givesWay(batch, executor, nowMs)) {
        this.#batches.putBack(batch, nowMs);
        continue;
      }
      const plan = ladder === null ? null : this.#plans.planOf(batch, executor, ladder, nowMs);
      const rung = plan?.rung ?? executor.base;
      if (rung !== executor.base && batch[0]?.isLate === false) batch = this.#queue.takeAny(executor.rungs()[rung]?.batchSizeMax ?? 1);
      if (idle === undefined && !mayGoAhead(batch, executor, nowMs, rung)) break;
      if (idle !== undefined && this.#isHeld(idle, batch, nowMs)) break;
      batch.push(...this.#batches.fill(batch, executor, nowMs, rung));
      this.#batches.dispatched(batch, executor, nowMs, rung);
      ladder?.dispatched(rung, batchRows(batch));
      const reason = reasonOf(batch, executor, { isIdle: idle !== undefined, wasHeld: this.#held.end() });
      this.#context.run({ executor, requests: batch, reason, isColdStart: false, plan, onAnswered: this.prediction.observe });
    }
    if (this.#queue.isEmpty) this.#held.end(); // what it held was cancelled
    this.#release();
  }

  /** Time until a batch may be sent behind a running one. `next`: the executor that finishes first, if any accepts one now. */
  #aheadInMs(next: Executor | undefined, nowMs: number): number {
    return next === undefined ? aheadInMs(this.#executors.values(), nowMs) : this.#batches.overloadWaitMs(next, nowMs);
  }

  /**
   * Whether no batch goes ahead, whatever it is made of: all rows together are too few, and none would be late. Most arrivals under load find
   * this, so it must not cost a batch.
   */
  #waitsForRows(executor: Executor, nowMs: number): boolean {
    const { ladder } = this.#context;
    const { rows, lateRows, earliestPromiseMs } = this.#queue;
    if (lateRows > 0 || (ladder !== null && !ladder.isAlone) || !executor.benefitsFromBatching(rows)) return false;
    // Twice: a batch of fewer rows may be measured as slower.
    const doneAtMs = nowMs + executor.typicalResidualMs(nowMs) + this.#overheadMs + 2 * executor.typicalMs(rows);
    return !this.#postpones || doneAtMs < earliestPromiseMs;
  }

  /** Whether the batch waits for more requests, which would cost nothing. While requests are late, none does. */
  #isHeld(idle: Executor, batch: readonly PendingRequest[], nowMs: number): boolean {
    if (this.#context.settings.objective === null || idle.isDraining || !idle.table.isKnown || this.#queue.lateRows > 0) return false;
    let promisedAtMs = Number.POSITIVE_INFINITY;
    for (const request of batch) promisedAtMs = Math.min(promisedAtMs, request.promisedAtMs);
    const leftMs = promisedAtMs - nowMs - this.#overheadMs - this.prediction.extraMs(nowMs);
    return this.#held.holds(idle, { rows: batchRows(batch), waiting: this.#queue.rows, leftMs }, this.#executors.values());
  }

  /** With `late: shed`, requests were rejected on arrival instead. */
  get #postpones(): boolean {
    const { objective, late } = this.#context.settings;
    return objective !== null && late === 'serve';
  }

  #takeAny(executor: Executor): PendingRequest[] {
    return this.#queue.takeAny(executor.batchSizeAt(this.#queue.rows / this.#executors.size));
  }

  #idle(): Executor | undefined {
    return bestIdle(this.#isLastResort ? this.#executors.values() : this.#active);
  }

  /** True if all executors are draining: then they serve the queue. */
  get #isLastResort(): boolean {
    return this.#active.length === 0;
  }

  /** Resolves `drain` for each worker that has become idle. */
  #release(): void {
    for (const [id, resolve] of this.#drained) {
      const executor = this.#executors.get(id);
      const serves = executor !== undefined && (executor.isBusy || (this.#isLastResort && !this.#queue.isEmpty));
      if (serves) continue;
      this.#drained.delete(id);
      resolve();
    }
  }
}

interface Readiness {
  readonly isIdle: boolean;
  /** Whether the batch waited for company. */
  readonly wasHeld: boolean;
}

function reasonOf(batch: readonly PendingRequest[], executor: Executor, { isIdle, wasHeld }: Readiness): CloseReason {
  if (executor.isDraining) return 'flush';
  if (batch[0]?.isLate === true) return 'late';
  if (isIdle) return wasHeld ? 'company' : 'idle';
  return batchRows(batch) >= executor.batchSize ? 'full' : 'ahead';
}

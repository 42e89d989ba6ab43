/**
 * Always-on instances, plus functions for requests that instances cannot finish in time. An idle instance takes a request at once:
 * its time is already paid for. If all instances are busy, the completion time is predicted. A request that would miss its deadline
 * goes to a function, where its batch is held open. If a request still waits for an instance at the last moment, its completion
 * time is predicted again, and it moves to a function if no instance can meet its deadline.
 */
import type { PlatformError } from '../../errors.ts';
import { platformOverheadMs } from '../../profiling/index.ts';
import { takeBatch } from '../../queueing/index.ts';
import { type Executor, isFunctionType } from '../executor.ts';
import type { ExecutorPool, PoolContext, PoolWorker } from '../executor-pool.ts';
import { FunctionPool } from '../functions/function-pool.ts';
import type { FunctionPoolDeps } from '../functions/function-pool-deps.ts';
import type { InstancePool } from '../instances/instance-pool.ts';
import { queueFullError, unavailableError } from '../rejections.ts';
import type { OverflowReason, PendingRequest } from '../request.ts';
import { OverflowGate, type SharedBudget } from './overflow-gate.ts';

/** Set only to reproduce published results. */
export interface HybridPoolOptions {
  /** Maximum rows of a function's batch; default: that of the chosen setting. */
  readonly overflowBatch?: number;
  /** Whether requests still waiting at the last moment move to functions. */
  readonly rescue?: boolean;
}

/** Functions for the overflow, and the callback for their state. */
export interface HybridPoolDeps {
  readonly functions: FunctionPoolDeps;
  readonly options?: HybridPoolOptions | undefined;
  /** Called with the reason when functions stop accepting requests, and with null when they resume. */
  readonly onShut: (reason: string | null) => void;
}

/** The autoscaler's plan for the functions, until the next one. */
export interface OverflowPlan {
  /** Number of environments to keep warm, including provisioned ones. */
  readonly warmFunctions: number;
  /** null: only the limits of the functions themselves apply. */
  readonly sharedBudget: SharedBudget | null;
}

/** How often a move to functions is reconsidered while there are no instances. */
const noInstancePollMs = 1000;

/** Times that differ by less are considered equal. */
const roundingMs = 1e-6;

/** A function that starts must not take cores of an instance: it would delay requests accepted for that instance. */
export class HybridPool implements ExecutorPool {
  readonly functions: FunctionPool;
  readonly #context: PoolContext;
  readonly #instances: InstancePool;
  readonly #gate: OverflowGate;
  readonly #rescues: boolean;
  #isClaiming = false;
  #rescueAtMs = Number.POSITIVE_INFINITY;
  #cancelRescue: () => void = () => {};

  constructor(context: PoolContext, instances: InstancePool, { functions, options = {}, onShut }: HybridPoolDeps) {
    this.#context = context;
    this.#instances = instances;
    this.#gate = new OverflowGate(context, onShut);
    this.#rescues = options.rescue ?? true;
    const { remainingCores } = functions;
    this.functions = new FunctionPool(context, {
      ...functions,
      // A function that starts on an instance's cores would delay requests accepted for that instance.
      remainingCores:
        remainingCores === undefined ? undefined : () => remainingCores(instances.executors.map(({ worker }) => worker.instanceType)),
      ...(options.overflowBatch === undefined ? {} : { batchSizeMax: options.overflowBatch }),
      onInvoked: (invocation) => {
        this.#gate.isBudgetSpent(invocation.usd);
        functions.onInvoked(invocation);
      },
      onCall: (isOk) => this.#gate.called(isOk),
      onSettle: () => this.#claimFromFunctions(),
      onStranded: (requests) => this.#enqueueOnInstances(requests),
    });
  }

  follow({ warmFunctions, sharedBudget }: OverflowPlan): void {
    this.#gate.allow(sharedBudget);
    this.functions.retainWarm(warmFunctions);
  }

  /** Why functions currently accept no requests; null if they do. */
  get shutReason(): string | null {
    return this.#gate.reason;
  }

  get batchSizeMax(): number {
    return this.#instances.batchSizeMax === 0 ? this.functions.batchSizeMax : this.#instances.batchSizeMax;
  }

  get rowsWaiting(): number {
    return this.#instances.rowsWaiting + this.functions.rowsWaiting;
  }

  get executors(): readonly Executor[] {
    return [...this.#instances.executors, ...this.functions.executors];
  }

  get hasNoCapacity(): boolean {
    return this.#instances.hasNoCapacity && this.functions.hasNoCapacity;
  }

  promisedAtMs(arrivedAtMs: number, timeoutAtMs: number): number {
    return this.#instances.promisedAtMs(arrivedAtMs, timeoutAtMs);
  }

  *waiting(): Generator<PendingRequest> {
    yield* this.#instances.waiting();
    yield* this.functions.waiting();
  }

  get isInLimitOrder(): boolean {
    return this.functions.rowsWaiting === 0 && this.#instances.isInLimitOrder;
  }

  removeAllWaiting(): PendingRequest[] {
    return [...this.#instances.removeAllWaiting(), ...this.functions.removeAllWaiting()];
  }

  /** Places a request on instances or functions, or returns the error with which it is rejected. */
  submit(request: PendingRequest): PlatformError | null {
    const { settings } = this.#context;
    if (!this.#instances.makeRoom(request.rows, this.rowsWaiting)) {
      return queueFullError(this.#context, this.rowsWaiting, this.#instances.drainMs());
    }
    this.#decide(request);
    if (settings.late === 'shed' && settings.objective !== null && request.cannotMeetDeadline) {
      return unavailableError(this.#context, request, this.#instances.drainMs(), this.#gate.reason);
    }
    this.#place(request);
    return null;
  }

  enqueue(request: PendingRequest): void {
    this.#decide(request);
    this.#place(request);
  }

  /** Queues the request in the pool that `#decide` chose. */
  #place(request: PendingRequest): void {
    if (request.overflow !== null) return this.functions.takeOver(request);
    this.#instances.enqueue(request);
    if (request.state === 'waiting') this.#watch(request);
  }

  discard(request: PendingRequest): void {
    this.#poolOf(request).discard(request);
  }

  onLimit(request: PendingRequest, nowMs: number): PlatformError | null {
    return this.#poolOf(request).onLimit(request, nowMs);
  }

  executorFreed(executor: Executor): void {
    if (executor.isFunction) return this.functions.executorFreed(executor);
    this.#instances.executorFreed();
    this.#claimFromFunctions();
  }

  workerLost(executor: Executor): void {
    if (executor.isFunction) return this.functions.workerLost(executor);
    this.#instances.workerLost(executor);
    this.#moveLate('capacity');
  }

  executorHung(executor: Executor, reason: string): void {
    if (!executor.isFunction) return this.#instances.executorHung(executor, reason);
    this.functions.executorHung(executor, reason);
  }

  configure(): void {
    this.#instances.configure();
    if (this.#context.settings.isHybrid === true) this.functions.configure();
    else this.functions.retire();
  }

  replan(): void {
    this.#instances.replan();
    this.functions.replan();
  }

  attach(worker: PoolWorker): void {
    if (isFunctionType(worker.instanceType)) return this.functions.attach(worker);
    this.#instances.attach(worker);
    this.#claimFromFunctions();
  }

  detach(workerId: string): void {
    if (!this.#instances.has(workerId)) return this.functions.detach(workerId);
    this.#instances.detach(workerId);
    this.#moveLate('capacity');
  }

  workerFailed(workerId: string, reason: string): void {
    if (!this.#instances.has(workerId)) return this.functions.workerFailed(workerId, reason);
    this.#instances.workerFailed(workerId);
    this.#moveLate('capacity');
  }

  drain(workerId: string): Promise<void> {
    if (!this.#instances.has(workerId)) return this.functions.drain(workerId);
    const drained = this.#instances.drain(workerId);
    this.#moveLate('capacity');
    return drained;
  }

  retire(): void {
    this.#instances.retire();
    this.functions.retire();
  }

  async finish(): Promise<void> {
    await Promise.all([this.functions.finish(), this.#instances.finish()]);
  }

  close(): void {
    this.#cancelRescue();
    this.functions.close();
    this.#instances.close();
  }

  #poolOf({ overflow }: PendingRequest): ExecutorPool {
    return overflow === null ? this.#instances : this.functions;
  }

  /** Chooses the pool. Sets `overflow` to the reason for using a function, or to null for an instance. */
  #decide(request: PendingRequest): void {
    request.overflow = null;
    request.cannotMeetDeadline = false;
    const { arrivedAtMs } = request.call;
    request.promisedAtMs = this.#instances.promisedAtMs(arrivedAtMs, request.timeoutAtMs);
    request.limitAtMs = request.timeoutAtMs;
    if (this.#instances.idle !== undefined) return;
    const nowMs = this.#context.clock.nowMs();
    const ahead = this.#instances.rowsUntil(request.deadlineMs);
    if (this.#instances.prediction.predictAtMs(request, ahead, nowMs) <= request.promisedAtMs) return;
    request.overflow = this.#overflowReason(request, nowMs, 'predicted');
  }

  /** For a request that no instance can finish in time: `reason` if functions accept it, even if they would be late too; else null. */
  #overflowReason(request: PendingRequest, nowMs: number, reason: OverflowReason): OverflowReason | null {
    const answeredAtMs = this.#functionAnswersAtMs(request, nowMs);
    const promisedAtMs = this.functions.promisedAtMs(request.call.arrivedAtMs, request.timeoutAtMs);
    request.cannotMeetDeadline = answeredAtMs === null || answeredAtMs > promisedAtMs;
    return answeredAtMs === null ? null : reason;
  }

  /** null if functions do not accept the request. */
  #functionAnswersAtMs(request: PendingRequest, nowMs: number): number | null {
    if (this.#context.settings.isHybrid !== true || this.#gate.isShut(nowMs)) return null;
    return this.functions.answeredAtMs(request, nowMs);
  }

  /** Moves requests that wait for a function to an instance that is idle and has no queue: its time is already paid for. */
  #claimFromFunctions(): void {
    if (this.#isClaiming) return;
    this.#isClaiming = true;
    while (this.functions.rowsWaiting > 0) {
      const { idle } = this.#instances;
      if (idle === undefined) break;
      const batch = this.#batchmatesFor(idle);
      if (batch.length === 0) break;
      this.functions.extract(batch);
      this.#enqueueOnInstances(batch);
    }
    this.#isClaiming = false;
  }

  /** Leaves out requests whose deadline only a function can meet. */
  #batchmatesFor(idle: Executor): PendingRequest[] {
    const nowMs = this.#context.clock.nowMs();
    const mayMove = (request: PendingRequest, rows: number): boolean => {
      const doneAtMs = this.#instances.prediction.doneAtMs(idle, rows, nowMs);
      const isInTime = doneAtMs <= this.#instances.promisedAtMs(request.call.arrivedAtMs, request.timeoutAtMs);
      return isInTime || this.functions.lastMoments(request).warmMs < nowMs - roundingMs;
    };
    const movable = this.functions.batchmates(idle.batchSize).filter((request) => mayMove(request, request.rows));
    const batch = takeBatch(movable, idle.batchSize);
    const rows = batch.reduce((sum, request) => sum + request.rows, 0);
    const together = batch.filter((request) => mayMove(request, rows));
    return together.length > 0 ? together : batch.slice(0, 1);
  }

  #enqueueOnInstances(requests: readonly PendingRequest[]): void {
    for (const request of requests) {
      request.overflow = null;
      request.predictedAtMs = Number.NaN;
      request.state = 'waiting';
      request.promisedAtMs = this.#instances.promisedAtMs(request.call.arrivedAtMs, request.timeoutAtMs);
      request.limitAtMs = request.timeoutAtMs;
    }
    this.#instances.enqueueAll(requests);
    for (const request of requests) if (request.state === 'waiting') this.#watch(request);
  }

  /** Schedules the next check of a request that waits for an instance, while a function could still meet its deadline. */
  #watch(request: PendingRequest): void {
    request.rescueAtMs = this.#nextCheckMs(request, this.#context.clock.nowMs());
    this.#scheduleRescue(request.rescueAtMs);
  }

  /** The last moment to start a function; after it, the last moment for a warm function or an instance, whichever is earlier. */
  #nextCheckMs(request: PendingRequest, afterMs: number): number {
    if (!this.#instances.isActive) return afterMs + noInstancePollMs;
    if (!this.#rescues || request.cannotMeetDeadline) return Number.POSITIVE_INFINITY;
    const { coldMs, warmMs } = this.functions.lastMoments(request);
    const lastMs = Math.min(warmMs - platformOverheadMs, this.#instances.prediction.lastMomentMs(request));
    const startMs = coldMs - platformOverheadMs;
    if (startMs > afterMs + roundingMs && startMs < lastMs) return startMs;
    return lastMs > afterMs + roundingMs ? lastMs : Number.POSITIVE_INFINITY;
  }

  #scheduleRescue(atMs: number): void {
    if (atMs >= this.#rescueAtMs) return;
    this.#cancelRescue();
    this.#rescueAtMs = atMs;
    this.#cancelRescue = this.#context.clock.after(atMs - this.#context.clock.nowMs(), () => {
      this.#rescueAtMs = Number.POSITIVE_INFINITY;
      this.#moveLate('rescue');
    });
  }

  /**
   * Predicts completion again for requests that wait for an instance, from the head of the queue: at their last moment (`rescue`),
   * or for all of them after an instance was lost (`capacity`). Requests that would be late move to functions.
   */
  #moveLate(reason: 'rescue' | 'capacity'): void {
    if (this.#instances.rowsWaiting === 0 || this.#context.settings.isHybrid !== true) return;
    const nowMs = this.#context.clock.nowMs();
    const moving: PendingRequest[] = [];
    let ahead = 0;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const request of this.#instances.waiting()) {
      const isDue = reason === 'capacity' || request.rescueAtMs <= nowMs + roundingMs;
      if (isDue && this.#overflows(request, ahead, nowMs, reason)) {
        moving.push(request);
        continue;
      }
      if (isDue) request.rescueAtMs = this.#nextCheckMs(request, nowMs);
      if (!request.isLate) ahead += request.rows;
      nextMs = Math.min(nextMs, request.rescueAtMs);
    }
    this.#instances.extract(moving);
    if (nextMs < Number.POSITIVE_INFINITY) this.#scheduleRescue(nextMs);
    for (const request of moving) this.functions.takeOver(request);
  }

  #overflows(request: PendingRequest, ahead: number, nowMs: number, reason: 'rescue' | 'capacity'): boolean {
    // At the last moment no prediction is needed: only an instance that is idle now could still be in time, and none is.
    const isLast = reason === 'rescue' && this.#instances.prediction.lastMomentMs(request) <= nowMs + roundingMs;
    if (!isLast && this.#instances.prediction.predictAtMs(request, ahead, nowMs, true) <= request.promisedAtMs) return false;
    const overflow = this.#overflowReason(request, nowMs, reason);
    // If a function would be late too, moving gains nothing: the request stays in the queue of the instances.
    const isPointless =
      request.cannotMeetDeadline && (reason === 'rescue' || this.#context.settings.late === 'shed') && !this.#instances.hasNoCapacity;
    request.overflow = isPointless ? null : overflow;
    return request.overflow !== null;
  }
}

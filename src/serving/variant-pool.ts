/**
 * The entry point of a variant, independent of its kind of executors. It sets deadlines, ends runs that take too long, reruns
 * requests after a worker crash, and answers each request once. Its executor pool decides the order and time of dispatch. An event
 * (an arrival, an idle executor, a timer) takes effect synchronously, so the simulator can run this code on a virtual clock.
 */

import type { Clock } from '../clock.ts';
import type { CaptureConfig } from '../data-quality/index.ts';
import { asPlatformError, PlatformError } from '../errors.ts';
import { formatMs } from '../objective.ts';
import { platformOverheadMs } from '../profiling/index.ts';
import { priorityShiftMs } from '../queueing/index.ts';
import { type ModelVersion, type MultiModel, multiModelOf, payloadKind } from '../registry/index.ts';
import type { Signature } from '../tensor.ts';
import type { Executor } from './executor.ts';
import type { Dispatch, ExecutorPool, PoolContext, PoolSettings, PoolWorker } from './executor-pool.ts';
import { FunctionPool } from './functions/function-pool.ts';
import type { FunctionPoolDeps } from './functions/function-pool-deps.ts';
import { minimumMarginMs } from './instances/admission-margin.ts';
import { InstancePool } from './instances/instance-pool.ts';
import { Ladder, unloadedIn } from './ladder.ts';
import { HybridPool } from './overflow/hybrid-pool.ts';
import type { BatchRung } from './plans/batch-plan.ts';
import { type InferenceCall, type InferenceOutcome, PendingRequest, type ServedRoute, type Shadow } from './request.ts';
import { shapeBucketOf } from './runners/batch-tensors.ts';
import { type BatchEnd, runBatch } from './runners/run-batch.ts';
import { IdlePool, type SharedWorker } from './shadows/idle-pool.ts';
import { IdleShadows } from './shadows/idle-shadows.ts';
import { IdleTime } from './shadows/idle-time.ts';
import { VariantStatistics } from './traffic/statistics.ts';
import type { VariantPoolDeps } from './variant-pool-deps.ts';

/** Batch size limit until the profile is measured, for request checks and configuration. */
const batchSizeMaxUnknown = 32;

/** A request fails after this many workers crashed while running it, whatever the cause. */
const lossesMax = 3;

/** Grace period of a process model after its client's timeout. Then the process is stopped, even if the client still reads the reply. */
const stopMs = 2000;

/** Without an objective, a priority shifts a request's deadline by up to a second. */
const priorityHorizonMs = 1000;

/** One per variant and model version. */
export class VariantPool implements ServedRoute, PoolContext {
  readonly endpoint: string;
  readonly variant: string;
  readonly version: string;
  readonly model: ModelVersion;
  readonly payload: ServedRoute['payload'];
  readonly signature: Signature;
  readonly batchable: boolean;
  readonly clock: Clock;
  readonly statistics: VariantStatistics;
  isWatched = false;
  shadow: Shadow | null = null;
  /** The folder whose objects are served; null for a variant with a model. */
  readonly folder: MultiModel | null;
  readonly ladder: Ladder | null;
  readonly #deps: VariantPoolDeps;
  readonly #shadows: IdleShadows | null;
  /** Null if nothing is run in idle time. */
  #idle: IdleTime | null = null;
  #pool: ExecutorPool;
  readonly #bucketOf: ReturnType<typeof shapeBucketOf>;
  readonly #onDispatch: VariantPoolDeps['onDispatch'];
  /** Few: one or two for each executor. Not a `Set`: V8 would keep finished batches alive through its old tables (runtime/link/call-table.ts). */
  readonly #running: (readonly PendingRequest[])[] = [];
  #settings: PoolSettings;
  #isRetired = false;
  #sweepAtMs = Number.POSITIVE_INFINITY;
  #cancelSweep: () => void = () => {};
  #alone = 0;

  /** `statistics` are those of the variant, for one of its many models. */
  constructor(
    names: { endpoint: string; variant: string; model: ModelVersion; statistics?: VariantStatistics | undefined },
    settings: PoolSettings,
    deps: VariantPoolDeps,
  ) {
    this.endpoint = names.endpoint;
    this.variant = names.variant;
    this.model = names.model;
    this.version = String(names.model.version);
    this.folder = multiModelOf(names.model);
    this.payload = payloadKind(names.model.runtime);
    this.signature = names.model.signature;
    this.batchable = names.model.batchable;
    this.clock = deps.clock;
    this.statistics = names.statistics ?? new VariantStatistics(this.clock.wallMs());
    this.#bucketOf = shapeBucketOf(this.signature);
    this.#settings = settings;
    this.ladder = settings.ladder === undefined ? null : new Ladder(settings.ladder);
    this.#onDispatch = deps.onDispatch;
    this.#deps = deps;
    this.#shadows = this.#openShadows();
    const isServerless = settings.functions !== null && settings.isHybrid !== true;
    this.#pool =
      settings.sharesWorkers === true
        ? new IdlePool(this, deps)
        : isServerless
          ? new FunctionPool(this, this.#functionPoolDeps())
          : this.#mayOverflow(new InstancePool(this, deps));
  }

  /** Functions that run the variant, or that take requests its instances cannot finish in time. null: no functions. */
  get functions(): FunctionPool | null {
    if (this.#settings.functions === null) return null;
    return this.#pool instanceof HybridPool ? this.#pool.functions : this.#pool instanceof FunctionPool ? this.#pool : null;
  }

  /** The pool of functions alongside instances; null if the variant has only one kind of executor. */
  get overflow(): HybridPool | null {
    return this.#settings.isHybrid === true && this.#pool instanceof HybridPool ? this.#pool : null;
  }

  get settings(): PoolSettings {
    return this.#settings;
  }

  get timeoutMs(): number {
    return this.#settings.timeoutMs;
  }

  get capture(): CaptureConfig | null {
    return this.#settings.capture ?? null;
  }

  get batchSizeMax(): number {
    if (!this.batchable) return 0;
    return this.#pool.batchSizeMax === 0 ? batchSizeMaxUnknown : this.#pool.batchSizeMax;
  }

  /** The objective's latency; null without an objective. */
  get objectiveMs(): number | null {
    return this.#settings.objective?.latencyMs ?? null;
  }

  get rowsWaiting(): number {
    return this.#pool.rowsWaiting;
  }

  get executors(): readonly Executor[] {
    return this.#pool.executors;
  }

  /** True if no executor is ready or starting. */
  get hasNoCapacity(): boolean {
    return this.#pool.hasNoCapacity;
  }

  get isEmpty(): boolean {
    return this.#pool.rowsWaiting === 0 && this.#running.length === 0;
  }

  /** True if traffic no longer arrives here; the queue is still served. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** Applies new settings, also to a retired pool, which receives traffic again. */
  configure(settings: PoolSettings): void {
    this.#settings = settings;
    this.#isRetired = false;
    if (settings.ladder !== undefined) this.ladder?.configure(settings.ladder);
    if (this.#pool instanceof InstancePool) this.#pool = this.#mayOverflow(this.#pool);
    this.#pool.configure();
  }

  /** Called when service times were measured: executors use them from now on. */
  profileMeasured(): void {
    this.#pool.replan();
  }

  /**
   * Accepts or rejects a request. `settle` is called once: before this returns if the request is rejected, otherwise when its batch
   * is done or its timeout has passed.
   */
  submit(call: InferenceCall, settle: (outcome: InferenceOutcome) => void): PendingRequest {
    const { objective, timeoutMs } = this.#settings;
    const timeoutAtMs = call.arrivedAtMs + (call.timeoutMs ?? timeoutMs);
    const promisedAtMs = this.#pool.promisedAtMs(call.arrivedAtMs, timeoutAtMs);
    const shiftMs = priorityShiftMs(call.priority ?? 0, objective?.latencyMs ?? priorityHorizonMs);
    this.#idle?.arrived();
    const bucket = this.#bucketOf === null ? '' : this.#bucketOf(call.inputs);
    const request = new PendingRequest(call, { deadlineMs: promisedAtMs + shiftMs, promisedAtMs, timeoutAtMs, bucket }, settle);
    const rejection = this.#bind(request) ?? this.#pool.submit(request);
    if (rejection === null) this.sweepBy(timeoutAtMs);
    else request.fail(rejection);
    return request;
  }

  /** Restricts a request to the plans that it accepts. Returns why it is rejected if there are none. */
  #bind(request: PendingRequest): PlatformError | null {
    const { prefer } = request.call;
    if (prefer === undefined || this.ladder === null) return null;
    try {
      request.bounds = this.ladder.boundsFor(prefer, this.endpoint);
    } catch (error) {
      return asPlatformError(error);
    }
    const { from, to } = request.bounds;
    const canRun = (executor: Executor): boolean =>
      this.ladder?.config.rungs.some((_, rung) => rung >= from && rung <= to && this.ladder?.canRun(executor, rung) === true) === true;
    const { executors } = this;
    if (typeof prefer !== 'string' && executors.length > 0 && !executors.some(canRun)) {
      const missing = unloadedIn(executors).map(({ model }) => model);
      const text = `no worker of ${this.endpoint} has loaded a plan of accuracy ${prefer.accuracyMin}: ${missing.join(', ')} failed to load`;
      return new PlatformError('unavailable', text);
    }
    request.bucket += ` plans ${request.bounds.from} ${request.bounds.to}`;
    return null;
  }

  /** Queues a request that waited in another pool, at the position of its deadline. */
  resubmit(request: PendingRequest): void {
    request.state = 'waiting';
    request.isResubmitted = true;
    this.sweepBy(request.timeoutAtMs);
    this.#pool.enqueue(request);
  }

  /** Cancels a request whose client disconnected: it is not run, or its result is dropped. Returns false if it was already answered. */
  cancel(request: PendingRequest): boolean {
    if (request.state === 'settled') return false;
    const waited = request.state === 'waiting';
    request.state = 'settled';
    request.onSettled?.();
    if (waited) this.#pool.discard(request);
    return true;
  }

  attach(worker: PoolWorker): void {
    this.#pool.attach(worker);
    this.#idle?.changed();
  }

  /** Attaches a worker of another variant, in whose idle time this one runs. */
  attachShared(worker: SharedWorker): void {
    if (this.#pool instanceof IdlePool) this.#pool.attachShared(worker);
  }

  detach(workerId: string): void {
    this.#pool.detach(workerId);
  }

  failed(workerId: string, reason: string): void {
    this.#pool.workerFailed(workerId, reason);
  }

  drain(workerId: string): Promise<void> {
    return this.#pool.drain(workerId);
  }

  retire(): void {
    this.#isRetired = true;
    this.#pool.retire();
  }

  /** Rejects new requests; resolves when all accepted requests were answered. */
  finish(): Promise<void> {
    return this.#pool.finish();
  }

  /** Clears all timers, so that they do not keep the process alive. For pools that are empty and receive no more traffic. */
  close(): void {
    this.#cancelSweep();
    this.#shadows?.close();
    this.#pool.close();
  }

  /** Removes and returns all waiting requests, to be served or rejected by the caller. */
  removeAllWaiting(): PendingRequest[] {
    return this.#pool.removeAllWaiting();
  }

  /** Runs a batch that the pool has chosen. Requests whose timeout passed while they waited are answered with an error and not sent. */
  run(dispatch: Dispatch): void {
    const nowMs = this.clock.nowMs();
    const { executor, reason, isColdStart, onAnswered, onEnd } = dispatch;
    const choice = dispatch.plan ?? this.#floorChoice;
    const requests = dispatch.requests.filter((request) => request.timeoutAtMs > nowMs || this.#expire(request, nowMs));
    if (requests.length === 0) return this.#pool.executorFreed(executor);
    let rows = 0;
    for (const request of requests) rows += request.rows;
    const entry = { dispatchedAtMs: nowMs, rows, requests: requests.length, reason, executor: executor.name };
    for (const request of requests) {
      request.state = 'running';
      request.batchEntry = entry;
    }
    executor.begin(rows, nowMs, executor.isFunction ? 0 : choice?.rung);
    this.#running.push(requests);
    this.sweepBy(nowMs + this.#settings.timeoutMs);
    this.#onDispatch(reason, rows);
    const { clock, statistics, ladder } = this;
    const plan = choice === null || ladder === null ? null : { ladder, choice };
    runBatch({ clock, executor, statistics, reason, isColdStart, plan, onRunFailed: this.runFailed }, requests, (end) => {
      this.#running.splice(this.#running.indexOf(requests), 1);
      executor.end(clock.nowMs());
      if (end.lost.length > 0) this.#reclaim(executor, end);
      else executor.aliveAtMs = executor.sinceMs;
      onEnd?.(end.lost.length === 0 && end.answers.some(({ outcome }) => outcome.ok));
      // Dispatch the next batch before encoding the responses of this one, so the executor does not idle.
      this.#pool.executorFreed(executor);
      this.#answer(end, onAnswered);
      this.#idle?.changed();
    });
  }

  #openShadows(): IdleShadows | null {
    const { clock, ladder } = this;
    const { random, onShadowAnswered: onAnswered = null } = this.#deps;
    if (ladder === null || (ladder.isAlone && ladder.config.challenger === undefined) || random === undefined) return null;
    return new IdleShadows({ clock, random, ladder, idle: this.idleTime, onAnswered });
  }

  /** The time in which its instances may run what no client waits for. */
  get idleTime(): IdleTime {
    const { overheadMs = platformOverheadMs } = this.#deps;
    this.#idle ??= new IdleTime({
      clock: this.clock,
      instances: () => this.executors,
      rowsWaiting: () => this.rowsWaiting,
      limitMs: () => (this.objectiveMs === null ? null : this.objectiveMs - minimumMarginMs(this.objectiveMs) - overheadMs),
      onBegin: () => this.sweepBy(this.clock.nowMs() + this.#settings.timeoutMs),
      onFreed: (executor) => this.#pool.executorFreed(executor),
      onLost: (executor) => this.#pool.workerLost(executor),
    });
    return this.#idle;
  }

  /** The plan of a batch on a function. */
  get #floorChoice(): BatchRung | null {
    return this.ladder === null ? null : { rung: this.ladder.config.floorRung, heldBack: null, rowsWaiting: 0 };
  }

  readonly runFailed = (usd: number): void => this.#deps.onRunFailed?.(usd);

  /** A single timer serves all limits. It is set for the earliest limit, and checks all requests when it fires. */
  sweepBy(atMs: number): void {
    if (atMs >= this.#sweepAtMs) return;
    this.#cancelSweep();
    this.#sweepAtMs = atMs;
    this.#cancelSweep = this.clock.after(atMs - this.clock.nowMs(), () => this.#sweep());
  }

  timedOut({ call, timeoutAtMs }: PendingRequest, nowMs: number): PlatformError {
    const waitedMs = Math.round(nowMs - call.arrivedAtMs);
    const limitMs = Math.round(timeoutAtMs - call.arrivedAtMs);
    const text = `no response from endpoint ${this.endpoint} within the timeout of ${formatMs(limitMs)} (waited ${waitedMs} ms)`;
    return new PlatformError('deadline_exceeded', text);
  }

  /**
   * Wraps the instances in a hybrid pool if functions are configured alongside them. The hybrid pool remains if the functions are
   * removed, to serve their queue.
   */
  #mayOverflow(instances: InstancePool): ExecutorPool {
    if (this.#settings.isHybrid !== true) return instances;
    const { overflow: options, onShut = () => {} } = this.#deps;
    return new HybridPool(this, instances, { functions: this.#functionPoolDeps(), options, onShut });
  }

  #functionPoolDeps(): FunctionPoolDeps {
    const { functions, serviceTable } = this.#deps;
    if (functions === undefined) throw new PlatformError('internal', 'a serverless variant needs a source of functions');
    return { ...functions, serviceTable };
  }

  #answer({ answers }: BatchEnd, onAnswered: Dispatch['onAnswered']): void {
    for (const { request, outcome } of answers) {
      const isWaitedFor = request.state !== 'settled';
      const sampled = outcome.ok && isWaitedFor ? (this.#shadows?.sample(request.call) ?? null) : null;
      request.settle(outcome);
      if (sampled !== null && outcome.ok) this.#shadows?.add(sampled, outcome.result);
      if (onAnswered !== null && outcome.ok && isWaitedFor)
        onAnswered(request, outcome.result, this.clock.nowMs() - request.call.arrivedAtMs);
    }
    this.#deps.onBatchAnswered?.();
  }

  /**
   * Handles requests whose worker crashed. Each is rerun once, alone, to isolate the cause. It is rerun again if the second worker
   * was not seen alive since the first crash, because both may have been killed together from outside. If a worker had exited
   * before the run began, the crash does not count.
   */
  #reclaim(executor: Executor, { lost, lossReason: why, neverStarted }: BatchEnd): void {
    this.#pool.workerLost(executor);
    let [runAgain, failed] = [0, 0];
    for (const request of lost) {
      if (request.isOverdue) failed++; // a hung run is ended after its timeout, so these were answered with 504
      if (request.state === 'settled') continue;
      const failure = neverStarted ? null : this.#failureAfterLoss(request, executor, why);
      if (failure !== null) {
        failed++;
        request.fail(failure);
        continue;
      }
      if (!neverStarted) request.bucket = `alone ${this.#alone++}`;
      runAgain++;
      this.resubmit(request);
    }
    if (runAgain + failed > 0) this.#deps.onWorkerLost?.(executor.worker.id, { runAgain, failed });
  }

  /** The error for a request whose worker crashed; null if it is rerun. */
  #failureAfterLoss(request: PendingRequest, executor: Executor, why: string): PlatformError | null {
    request.losses++;
    if (request.hasReplyStarted)
      return new PlatformError('model_failed', `the worker of ${this.model.name} crashed in the middle of its reply: ${why}`);
    if (request.losses === lossesMax || (request.losses > 1 && executor.aliveAtMs >= request.workerLostAtMs)) {
      const text = `the worker of ${this.model.name} crashed ${request.losses} times while running this request: ${why}`;
      return new PlatformError('model_failed', text);
    }
    request.workerLostAtMs = this.clock.nowMs();
    return null;
  }

  #expire(request: PendingRequest, nowMs: number): false {
    request.fail(this.timedOut(request, nowMs));
    return false;
  }

  #sweep(): void {
    this.#sweepAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    const over: PendingRequest[] = [];
    const { isInLimitOrder } = this.#pool;
    for (const request of this.#pool.waiting()) {
      if (request.limitAtMs <= nowMs) over.push(request);
      else if (request.limitAtMs < nextMs) nextMs = request.limitAtMs;
      // With thousands of waiting requests, checking all of them at every limit would take too long.
      if (isInLimitOrder && request.limitAtMs > nowMs) break;
    }
    for (const request of over) {
      if (request.state !== 'waiting') continue;
      const refusal = this.#pool.onLimit(request, nowMs);
      if (refusal === null) {
        nextMs = Math.min(nextMs, request.limitAtMs);
        continue;
      }
      request.fail(refusal);
      this.#pool.discard(request);
    }
    for (const request of this.#running.flat()) {
      if (request.state === 'settled') continue;
      if (request.timeoutAtMs <= nowMs) {
        request.isOverdue = true;
        this.#expire(request, nowMs);
      } else nextMs = Math.min(nextMs, request.timeoutAtMs);
    }
    const { timeoutMs } = this.#settings;
    for (const executor of this.#pool.executors) {
      if (!executor.isBusy) continue;
      const endsByMs = executor.sinceMs + timeoutMs + (this.model.runtime.kind === 'process' ? stopMs : 0);
      if (endsByMs <= nowMs) this.#pool.executorHung(executor, `a run did not end within the endpoint's timeout of ${formatMs(timeoutMs)}`);
      else nextMs = Math.min(nextMs, endsByMs);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.sweepBy(nextMs);
  }
}

/** Runs a variant on demand: a buffer in which requests wait, and function environments that serve it. Scales to zero without traffic. */
import assert from 'node:assert/strict';
import { type FunctionsConfig, objectiveWithin } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Objective } from '../../objective.ts';
import { platformOverheadMs, type ServiceTable } from '../../profiling/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { Executor } from '../executor.ts';
import type { ExecutorPool, PoolContext, PoolWorker } from '../executor-pool.ts';
import type { PendingRequest } from '../request.ts';
import { ArrivalWindow } from '../traffic/arrival-window.ts';
import { ColdStarts } from './cold-starts.ts';
import type { Environment } from './environment.ts';
import { type EnvironmentLimits, Environments } from './environments.ts';
import { FunctionAdmission } from './function-admission.ts';
import { type ClosedBatch, FunctionBuffer } from './function-buffer.ts';
import { runCharge, startCharge } from './function-charges.ts';
import type { FunctionPoolDeps } from './function-pool-deps.ts';
import { FunctionRule, timeoutReserveMs } from './function-rule.ts';
import {
  type FunctionSetting,
  type FunctionSettingQuery,
  requiresNewSetting,
  safeSetting,
  settingUntilDecided,
} from './function-setting.ts';
import type { FunctionsView, FunctionVariant } from './function-variant.ts';
import type { PeriodMeasure } from './period.ts';

/** A request waits in the buffer until its batch is due; then the batch needs an idle environment, or a start. */
export class FunctionPool implements ExecutorPool, FunctionVariant {
  readonly #context: PoolContext;
  readonly #deps: FunctionPoolDeps;
  readonly #rule: FunctionRule;
  readonly #buffer: FunctionBuffer;
  readonly #environments: Environments;
  readonly #admission: FunctionAdmission;
  #arrivals = new ArrivalWindow();
  readonly #coldStarts: ColdStarts;
  /** The last configuration: functions removed from the endpoint still serve their queue with it. */
  #config: FunctionsConfig;
  /** The configuration that the current setting was chosen for. */
  #settingQuery: FunctionSettingQuery;
  /** Whether the last plan included environments of an outgoing memory size. */
  #isRenewing = false;
  #isRetired = false;
  /** Number of warm environments required by the current plan, including provisioned ones. */
  #warm = 0;
  /** Callbacks of `finish`, called when all requests were answered; null while requests are accepted. */
  #finished: (() => void)[] | null = null;

  constructor(context: PoolContext, deps: FunctionPoolDeps) {
    const { clock } = context;
    this.#context = context;
    this.#deps = deps;
    this.#config = configOf(context);
    this.#coldStarts = new ColdStarts(() => deps.coldStartMs ?? this.#tableOf(this.setting.memoryMiB).coldMs);
    this.#settingQuery = { functions: this.config, objective: this.objective };
    const setting = safeSetting(this.config, deps.memoryMiBSafe());
    const tableOf = (memoryMiB: number): ServiceTable => this.#tableOf(memoryMiB);
    this.#rule = new FunctionRule(setting, this.objective, {
      tableOf,
      marginMsFixed: deps.marginMsFixed ?? null,
      rowsMax: deps.batchSizeMax ?? Number.POSITIVE_INFINITY,
      nowMs: clock.nowMs(),
    });
    this.#buffer = new FunctionBuffer({
      clock,
      rule: this.#rule,
      send: (closedBatch) => this.#send(closedBatch),
      onOverdue: (request) => this.#limit(request),
      mayGrow: () => this.#environments.freeSlots > 0 || this.#environments.starting > 0,
      onTimer: () => this.#settle(),
    });
    const { start, stop, remainingCores, onRetained, onNoCapacity } = deps;
    const startsMax = remainingCores === undefined ? undefined : () => Math.max(1, remainingCores([]));
    const startHangsMs = (): number => this.#coldStarts.hangsMs;
    this.#environments = new Environments(this.#limits(), { clock, start, stop, startsMax, startHangsMs, onRetained, onNoCapacity });
    this.#admission = new FunctionAdmission(context, this.#environments, this.#buffer);
    this.replan();
  }

  // Used by the batch controller.

  get endpoint(): string {
    return this.#context.endpoint;
  }

  get variant(): string {
    return this.#context.variant;
  }

  get model(): ModelVersion {
    return this.#context.model;
  }

  get objective(): Objective | null {
    const { objective, timeoutMs } = this.#context.settings;
    return objectiveWithin(objective, timeoutMs);
  }

  get config(): FunctionsConfig {
    return this.#config;
  }

  get setting(): FunctionSetting {
    return this.#rule.setting;
  }

  get marginMs(): number {
    return this.#rule.marginMs;
  }

  /** Ignored after `retire` or `finish`. */
  apply(setting: FunctionSetting): void {
    if (this.#isRetired || this.#finished !== null) return;
    this.#rule.apply(setting, this.objective, this.#context.clock.nowMs());
    this.#environments.configure(this.#limits());
    this.replan();
  }

  arrivalsMs(): Float64Array {
    return this.#arrivals.timesMs();
  }

  /** Takes over the arrival history of its predecessor, the pool of the previous version. */
  succeed(other: FunctionPool): void {
    this.#arrivals = other.#arrivals;
  }

  consumeAlarm(): boolean {
    return this.#arrivals.consumeAlarm();
  }

  period(): PeriodMeasure {
    return this.#rule.period.measure();
  }

  view(): FunctionsView {
    const { starting, idle, busy } = this.#environments;
    const coldStartMs = this.#coldStarts.medianMs;
    return { config: this.config, setting: this.setting, environments: { starting, idle, busy }, coldStartMs, marginMs: this.marginMs };
  }

  // Used by the overflow logic.

  /** Predicted time of the response if a function took the request now; null if functions do not accept it. */
  answeredAtMs({ rows, bucket }: PendingRequest, nowMs: number): number | null {
    if (this.#isRetired || this.#finished !== null || this.#admission.startFailure !== null) return null;
    const { batchMax, isKnown } = this.#tableOf(this.setting.memoryMiB);
    if (isKnown && rows > batchMax && this.#context.batchable) return null;
    const before = this.#buffer.batches - (this.#buffer.isOpen(bucket) ? 1 : 0);
    return nowMs + this.#coldStarts.doneInMs(this.#environments, before, this.#rule.serviceMs(rows), nowMs) + platformOverheadMs;
  }

  /** The last moments at which a warm and a cold function can still answer the request in time. */
  lastMoments({ call, rows, timeoutAtMs }: PendingRequest): { readonly warmMs: number; readonly coldMs: number } {
    const warmMs = this.promisedAtMs(call.arrivedAtMs, timeoutAtMs) - this.#rule.serviceMs(rows);
    return { warmMs, coldMs: warmMs - this.#coldStarts.expectedMs };
  }

  /** Takes over a request from the instances. */
  takeOver(request: PendingRequest): void {
    request.promisedAtMs = this.promisedAtMs(request.call.arrivedAtMs, request.timeoutAtMs);
    this.#arrivals.add(this.#context.clock.nowMs(), request.rows);
    this.enqueue(request);
  }

  /** Sets the number of environments to keep warm, including provisioned ones. */
  retainWarm(count: number): void {
    if (count === this.#warm) return;
    this.#warm = count;
    if (this.#isRetired || this.#finished !== null) return;
    this.#environments.configure(this.#limits());
    this.#settle();
  }

  /** Candidates for an idle instance; see `FunctionBuffer.batchmates`. */
  batchmates(rowsMax: number): PendingRequest[] {
    return this.#buffer.batchmates(rowsMax);
  }

  /** Removes requests that will wait for an instance. */
  extract(requests: readonly PendingRequest[]): void {
    this.#buffer.extract(requests);
    this.#settle();
  }

  // Used by the variant pool.

  get batchSizeMax(): number {
    const { batchMax, isKnown } = this.#tableOf(this.setting.memoryMiB);
    return isKnown && batchMax > 1 ? batchMax : 0;
  }

  get rowsWaiting(): number {
    return this.#buffer.rows;
  }

  get executors(): readonly Executor[] {
    return this.#environments.executors;
  }

  get hasNoCapacity(): boolean {
    return this.#environments.size === 0;
  }

  promisedAtMs(arrivedAtMs: number, timeoutAtMs: number): number {
    const { objective } = this;
    const lastMs = timeoutAtMs - Math.max(timeoutReserveMs, this.marginMs);
    return objective === null ? lastMs : Math.min(arrivedAtMs + objective.latencyMs - this.marginMs, lastMs);
  }

  readonly isInLimitOrder = false;

  waiting(): Iterable<PendingRequest> {
    return this.#buffer;
  }

  removeAllWaiting(): PendingRequest[] {
    return this.#buffer.removeAllWaiting();
  }

  submit(request: PendingRequest): PlatformError | null {
    const rejection = this.#rejectionFor(request);
    if (rejection === null) this.enqueue(request);
    return rejection;
  }

  #rejectionFor(request: PendingRequest): PlatformError | null {
    this.#arrivals.add(request.call.arrivedAtMs, request.rows);
    if (this.#finished !== null) {
      return new PlatformError('unavailable', `endpoint ${this.endpoint} is being unloaded. Load it again, then retry`, {
        retryAfterMs: 1000,
      });
    }
    return this.#admission.rejectionFor(request);
  }

  enqueue(request: PendingRequest): void {
    this.#buffer.enqueue(request);
    this.#settle();
  }

  discard(request: PendingRequest): void {
    this.#buffer.discard(request);
    this.#settle();
  }

  onLimit(request: PendingRequest, nowMs: number): PlatformError | null {
    const refusal = this.#admission.timesOut(request, this.objective?.latencyMs ?? 0, nowMs);
    if (refusal === null) request.limitAtMs = request.timeoutAtMs;
    return refusal;
  }

  executorFreed(executor: Executor): void {
    const environment = this.#environments.of(executor);
    if (environment !== undefined) this.#environments.release(environment);
    this.#rule.forgetStale(this.#context.clock.nowMs());
    this.#buffer.pump();
    this.#settle();
  }

  workerLost(executor: Executor): void {
    const environment = this.#environments.of(executor);
    if (environment !== undefined) this.#environments.end(environment.id);
  }

  /** Ends the environment, billed until now; starts another if needed. */
  executorHung(executor: Executor, reason: string): void {
    const environment = this.#environments.of(executor);
    if (environment !== undefined) {
      this.#context.runFailed(executor.worker.charge(this.#context.clock.nowMs() - executor.sinceMs));
      environment.isPaidOff = true;
      this.#deps.onHung?.(environment.id, reason);
    }
    this.workerLost(executor);
    this.#settle();
  }

  /** Takes over changed settings. If they invalidate the batching in force, a cautious one serves until the next choice. */
  configure(): void {
    this.#isRetired = false;
    this.#finished = null;
    this.#config = configOf(this.#context);
    const before = this.#settingQuery;
    this.#settingQuery = { functions: this.config, objective: this.objective };
    if (requiresNewSetting(before, this.#settingQuery)) {
      this.apply(settingUntilDecided(this.setting, this.config, this.#deps.memoryMiBSafe()));
    } else {
      this.#environments.configure(this.#limits());
      this.replan();
    }
    this.#settle();
  }

  /** Computes the service times and batch sizes again, and passes them to all running functions. */
  replan(): void {
    this.#isRenewing = this.#environments.isRenewing;
    this.#rule.plan(this.#environments.memorySizes, this.#context.batchable, this.config.batching.kind === 'slack');
    const { batchSizeMax, quantile, reason } = this.#rule;
    for (const { executor, memoryMiB } of this.#environments) {
      if (executor === null) continue;
      executor.useTables([this.#tableOf(memoryMiB)]);
      executor.fix(batchSizeMax, quantile, reason);
    }
  }

  /** A worker is ready. If its environment was given up meanwhile, the worker is stopped. */
  attach(worker: PoolWorker): void {
    const environment = this.#environments.get(worker.id);
    if (environment === undefined) return this.#deps.stop(worker.id);
    const charge = (serviceMs: number): number => this.#charge(environment, serviceMs);
    const executor = new Executor({ ...worker, charge }, this.#tableOf(environment.memoryMiB), this.#context.clock.nowMs());
    executor.drift = this.#rule.drift;
    this.#environments.attach(environment, executor, worker.coldStartMs);
    this.#coldStarts.add(worker.coldStartMs);
    if (environment.idle === 'pinged') this.#chargeStart(environment);
    this.replan();
    this.#buffer.pump();
    this.#rejectLate();
    this.#settle();
  }

  detach(workerId: string): void {
    this.#environments.end(workerId);
    this.#settle();
  }

  workerFailed(workerId: string, reason: string): void {
    this.#deps.onCall?.(false);
    this.#environments.failed(workerId, reason);
    this.#settle();
  }

  drain(workerId: string): Promise<void> {
    const drained = this.#environments.drain(workerId);
    this.#settle();
    return drained;
  }

  retire(): void {
    this.#isRetired = true;
    this.#windDown();
  }

  finish(): Promise<void> {
    return new Promise((resolve) => {
      (this.#finished ??= []).push(resolve);
      this.#windDown();
    });
  }

  close(): void {
    this.#buffer.close();
    this.#environments.close();
  }

  // Internals.

  #send({ requests, reason, period, isLate }: ClosedBatch): boolean {
    const environment = this.#environments.claimIdle();
    if (environment === undefined) return false;
    if (isLate) this.#buffer.remove(requests);
    const { executor, isCold: isColdStart, memoryMiB } = environment;
    assert(executor !== null, 'an idle environment is ready');
    // The margin is learned only from batches that had no other delay.
    const isRepresentative = !isLate && !isColdStart && !this.#environments.isRenewing;
    period.batch(
      requests.reduce((sum, { call }) => sum + call.rows, 0),
      isColdStart,
    );
    const isRescue = reason !== 'full' && requests.some(({ overflow }) => overflow === 'rescue');
    this.#context.run({
      executor,
      requests,
      reason: isRescue ? 'rescue' : reason,
      isColdStart,
      onEnd: this.#deps.onCall,
      onAnswered: (request, result, latencyMs) => {
        period.request(request.call.rows, result, latencyMs);
        if (isRepresentative && !request.cannotMeetDeadline) this.#rule.observe(memoryMiB, latencyMs);
      },
    });
    return true;
  }

  /** With `late: shed`, sets the limit of an overdue request to its objective, to reject it then. */
  #limit(request: PendingRequest): void {
    const { late, objective } = this.#context.settings;
    if (late === 'serve' || objective === null) return;
    request.limitAtMs = Math.min(request.promisedAtMs, request.timeoutAtMs);
    this.#context.sweepBy(request.limitAtMs);
  }

  /** Called after each event: starts needed environments, fails requests that cannot be served, and resolves `finish` when done. */
  #settle(): void {
    this.#deps.onSettle?.();
    const { batches } = this.#buffer;
    this.#environments.want(this.#isRetired ? 0 : batches);
    if (this.#isRenewing && !this.#environments.isRenewing) this.replan();
    if (batches > 0) {
      const failure = this.#admission.startFailure;
      if (this.#isRetired && this.hasNoCapacity) this.#deps.onNoCapacity();
      else if (failure !== null) this.#fail(failure);
      return;
    }
    if (!this.#isRetired && this.#finished === null) return;
    this.#environments.endIdle();
    if (this.#environments.busy > 0) return;
    for (const reported of this.#finished?.splice(0) ?? []) reported();
  }

  /** Fails all waiting requests, or passes them to `onStranded`, because no function can be started. */
  #fail(failure: PlatformError): void {
    const waiting = this.removeAllWaiting();
    this.#environments.want(0);
    if (this.#deps.onStranded !== undefined) return this.#deps.onStranded(waiting);
    for (const request of waiting) request.fail(failure);
  }

  #windDown(): void {
    this.#environments.windDown();
    this.#buffer.flush();
    this.#settle();
  }

  /** Rejects overdue requests that are late because of the concurrency limit. While a function is starting, none is rejected. */
  #rejectLate(): void {
    if (!this.#admission.sheds) return;
    const nowMs = this.#context.clock.nowMs();
    for (const request of Array.from(this.#buffer.overdue)) {
      const refusal = request.promisedAtMs > nowMs ? null : this.onLimit(request, nowMs);
      if (refusal === null) continue;
      request.fail(refusal);
      this.#buffer.discard(request);
    }
  }

  #limits(): EnvironmentLimits {
    const { maxConcurrency, provisioned, keepAliveMs } = this.config;
    return { memoryMiB: this.setting.memoryMiB, maxConcurrency, provisioned, warm: this.#warm, keepAliveMs };
  }

  #tableOf(memoryMiB: number): ServiceTable {
    return this.#deps.serviceTable(`function:${memoryMiB}`);
  }

  /** Bills the start of an environment that was started by a ping, before any request. */
  #chargeStart(environment: Environment): void {
    if (environment.invocations > 0) return;
    const charge = startCharge(environment, this.#deps.prices);
    environment.invocations++;
    this.#deps.onInvoked(charge);
  }

  #charge(environment: Environment, serviceMs: number): number {
    if (environment.isPaidOff) return 0;
    const charge = runCharge(environment, serviceMs, this.#deps.prices);
    environment.invocations++; // it is no longer cold
    this.#deps.onInvoked(charge);
    return charge.usd;
  }
}

function configOf({ settings: { functions } }: PoolContext): FunctionsConfig {
  assert(functions !== null, 'a function pool needs a variant with functions');
  return functions;
}

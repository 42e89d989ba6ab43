/**
 * Functions that run a variant on demand: the buffer in which requests wait, and the environments that empty it. When
 * nobody comes, nothing runs.
 */
import assert from 'node:assert/strict';
import { type FunctionsConfig, promiseWithin } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import type { Objective } from '../objective.ts';
import { overheadMs, type ServiceTable } from '../profiling/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import { ArrivalWindow } from './arrival-window.ts';
import { ColdStarts } from './cold-starts.ts';
import type { Environment } from './environment.ts';
import { type EnvironmentLimits, Environments } from './environments.ts';
import { Executor } from './executor.ts';
import { FunctionAdmission } from './function-admission.ts';
import { FunctionBuffer, type Leaving } from './function-buffer.ts';
import { runCharge, startCharge } from './function-charges.ts';
import type { FunctionsNeeds } from './function-needs.ts';
import { FunctionRule, giveUpReserveMs } from './function-rule.ts';
import { asksForAnotherSetting, type FunctionSetting, type FunctionsWish, safeSetting, settingUntilDecided } from './function-setting.ts';
import type { FunctionsView, FunctionVariant } from './function-variant.ts';
import type { PeriodMeasure } from './period.ts';
import type { PendingRequest } from './request.ts';
import type { Door, Side, SideWorker } from './side.ts';

export class Functions implements Side, FunctionVariant {
  readonly #door: Door;
  readonly #needs: FunctionsNeeds;
  readonly #rule: FunctionRule;
  readonly #buffer: FunctionBuffer;
  readonly #environments: Environments;
  readonly #admission: FunctionAdmission;
  #arrivals = new ArrivalWindow();
  readonly #coldStarts: ColdStarts;
  /** As last configured: where functions are given up, they serve out what they have by that. */
  #config: FunctionsConfig;
  /** What the setting answers to. */
  #wish: FunctionsWish;
  /** Whether environments of another size were reckoned with when last planned. */
  #isRenewing = false;
  #isRetired = false;
  /** So many environments are kept warm for now, beyond what is provisioned by the config. */
  #warm = 0;
  /** Told when everybody was answered; null while requests may come. */
  #finished: (() => void)[] | null = null;

  constructor(door: Door, needs: FunctionsNeeds) {
    const { clock } = door;
    this.#door = door;
    this.#needs = needs;
    this.#config = configOf(door);
    this.#coldStarts = new ColdStarts(() => needs.coldStartMs ?? this.#tableOf(this.setting.memoryMiB).coldMs);
    this.#wish = { functions: this.config, objective: this.objective };
    const setting = safeSetting(this.config, needs.memoryMiBSafe());
    const tableOf = (memoryMiB: number): ServiceTable => this.#tableOf(memoryMiB);
    this.#rule = new FunctionRule(setting, this.objective, {
      tableOf,
      marginMsFixed: needs.marginMsFixed ?? null,
      rowsMax: needs.batchSizeMax ?? Number.POSITIVE_INFINITY,
      nowMs: clock.nowMs(),
    });
    this.#buffer = new FunctionBuffer({
      clock,
      rule: this.#rule,
      send: (leaving) => this.#send(leaving),
      onOverdue: (request) => this.#limit(request),
      mayGrow: () => this.#environments.room > 0 || this.#environments.starting > 0,
      onTimer: () => this.#settle(),
    });
    const { start, stop, coresLeft, onKept, onDeserted } = needs;
    const startsMax = coresLeft === undefined ? undefined : () => Math.max(1, coresLeft([]));
    const startHangsMs = (): number => this.#coldStarts.hangsMs;
    this.#environments = new Environments(this.#limits(), { clock, start, stop, startsMax, startHangsMs, onKept, onDeserted });
    this.#admission = new FunctionAdmission(door, this.#environments, this.#buffer);
    this.replan();
  }

  // What the batch controller sees.

  get endpoint(): string {
    return this.#door.endpoint;
  }

  get variant(): string {
    return this.#door.variant;
  }

  get model(): ModelVersion {
    return this.#door.model;
  }

  get objective(): Objective | null {
    const { objective, timeoutMs } = this.#door.settings;
    return promiseWithin(objective, timeoutMs);
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

  /** Passed over where requests come here no more. */
  apply(setting: FunctionSetting): void {
    if (this.#isRetired || this.#finished !== null) return;
    this.#rule.apply(setting, this.objective, this.#door.clock.nowMs());
    this.#environments.configure(this.#limits());
    this.replan();
  }

  arrivalsMs(): Float64Array {
    return this.#arrivals.timesMs();
  }

  /** It has the arrivals of another, which the traffic came to before. */
  succeed(other: Functions): void {
    this.#arrivals = other.#arrivals;
  }

  takeAlarm(): boolean {
    return this.#arrivals.takeAlarm();
  }

  period(): PeriodMeasure {
    return this.#rule.period.measure();
  }

  view(): FunctionsView {
    const { starting, idle, busy } = this.#environments;
    const coldStartMs = this.#coldStarts.medianMs;
    return { config: this.config, setting: this.setting, environments: { starting, idle, busy }, coldStartMs, marginMs: this.marginMs };
  }

  // What overflow asks.

  /** When it would be answered here, if it came now; null where it may not come. */
  answeredAtMs({ rows, bucket }: PendingRequest, nowMs: number): number | null {
    if (this.#isRetired || this.#finished !== null || this.#admission.startFailure !== null) return null;
    const { batchMax, isKnown } = this.#tableOf(this.setting.memoryMiB);
    if (isKnown && rows > batchMax && this.#door.batchable) return null;
    const before = this.#buffer.batches - (this.#buffer.isOpen(bucket) ? 1 : 0);
    return nowMs + this.#coldStarts.doneInMs(this.#environments, before, this.#rule.serviceMs(rows), nowMs) + overheadMs;
  }

  /** After these moments a function that is ready, and one that must start first, does not answer the request in time any more. */
  lastMoments({ call, rows, timeoutAtMs }: PendingRequest): { readonly warmMs: number; readonly coldMs: number } {
    const warmMs = this.promisedAtMs(call.arrivedAtMs, timeoutAtMs) - this.#rule.serviceMs(rows);
    return { warmMs, coldMs: warmMs - this.#coldStarts.expectedMs };
  }

  /** Takes over a request that instances were there for. */
  takeOver(request: PendingRequest): void {
    request.promisedAtMs = this.promisedAtMs(request.call.arrivedAtMs, request.timeoutAtMs);
    this.#arrivals.add(this.#door.clock.nowMs(), request.rows);
    this.place(request);
  }

  /** So many environments are kept warm from now on, those among them that are provisioned anyway. */
  keepWarm(count: number): void {
    if (count === this.#warm) return;
    this.#warm = count;
    if (this.#isRetired || this.#finished !== null) return;
    this.#environments.configure(this.#limits());
    this.#settle();
  }

  /** Who might be run elsewhere, most urgent first. */
  company(rowsMax: number): PendingRequest[] {
    return this.#buffer.company(rowsMax);
  }

  /** These go elsewhere to wait. */
  extract(requests: readonly PendingRequest[]): void {
    this.#buffer.extract(requests);
    this.#settle();
  }

  // What the door asks.

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

  get isDeserted(): boolean {
    return this.#environments.size === 0;
  }

  promisedAtMs(arrivedAtMs: number, timeoutAtMs: number): number {
    const { objective } = this;
    const lastMs = timeoutAtMs - Math.max(giveUpReserveMs, this.marginMs);
    return objective === null ? lastMs : Math.min(arrivedAtMs + objective.latencyMs - this.marginMs, lastMs);
  }

  readonly isInLimitOrder = false;

  waiting(): Iterable<PendingRequest> {
    return this.#buffer;
  }

  surrender(): PendingRequest[] {
    return this.#buffer.surrender();
  }

  refuses(request: PendingRequest): PlatformError | null {
    this.#arrivals.add(request.call.arrivedAtMs, request.rows);
    if (this.#finished !== null) {
      return new PlatformError('unavailable', `endpoint ${this.endpoint} is being unloaded: load it to ask again`, { retryAfterMs: 1000 });
    }
    return this.#admission.refuses(request);
  }

  place(request: PendingRequest): void {
    this.#buffer.place(request);
    this.#settle();
  }

  forget(request: PendingRequest): void {
    this.#buffer.forget(request);
    this.#settle();
  }

  givenUp(request: PendingRequest, nowMs: number): PlatformError | null {
    const refusal = this.#admission.givesUp(request, this.objective?.latencyMs ?? 0, nowMs);
    if (refusal === null) request.limitAtMs = request.timeoutAtMs;
    return refusal;
  }

  freed(executor: Executor): void {
    const environment = this.#environments.of(executor);
    if (environment !== undefined) this.#environments.release(environment);
    this.#buffer.pump();
    this.#settle();
  }

  lost(executor: Executor): void {
    const environment = this.#environments.of(executor);
    if (environment !== undefined) this.#environments.end(environment.id);
  }

  /** It ends, charged until now; another is started where one is needed. */
  hangs(executor: Executor, reason: string): void {
    const environment = this.#environments.of(executor);
    if (environment !== undefined) {
      this.#door.runFailed(executor.worker.charge(this.#door.clock.nowMs() - executor.sinceMs));
      environment.isPaidOff = true;
      this.#needs.onHung?.(environment.id, reason);
    }
    this.lost(executor);
    this.#settle();
  }

  configure(): void {
    this.#isRetired = false;
    this.#finished = null;
    this.#config = configOf(this.#door);
    const before = this.#wish;
    this.#wish = { functions: this.config, objective: this.objective };
    if (asksForAnotherSetting(before, this.#wish)) {
      this.apply(settingUntilDecided(this.setting, this.config, this.#needs.memoryMiBSafe()));
    } else {
      this.#environments.configure(this.#limits());
      this.replan();
    }
    this.#settle();
  }

  replan(): void {
    this.#isRenewing = this.#environments.isRenewing;
    this.#rule.plan(this.#environments.memorySizes, this.#door.batchable, this.config.batching.kind === 'slack');
    const { batchSizeMax, quantile, reason } = this.#rule;
    for (const { executor, memoryMiB } of this.#environments) {
      if (executor === null) continue;
      executor.table = this.#tableOf(memoryMiB);
      executor.fix(batchSizeMax, quantile, reason);
    }
  }

  attach(worker: SideWorker): void {
    const environment = this.#environments.get(worker.id);
    if (environment === undefined) return this.#needs.stop(worker.id);
    const charge = (serviceMs: number): number => this.#charge(environment, serviceMs);
    const executor = new Executor({ ...worker, charge }, this.#tableOf(environment.memoryMiB), this.#door.clock.nowMs());
    executor.drift = this.#rule.drift;
    this.#environments.attach(environment, executor, worker.coldStartMs);
    this.#coldStarts.add(worker.coldStartMs);
    if (environment.kept === 'pinged') this.#chargeStart(environment);
    this.replan();
    this.#buffer.pump();
    this.#shedLate();
    this.#settle();
  }

  detach(workerId: string): void {
    this.#environments.end(workerId);
    this.#settle();
  }

  failed(workerId: string, reason: string): void {
    this.#needs.onCall?.(false);
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

  // What happens inside.

  #send({ requests, reason, period, isLate }: Leaving): boolean {
    const environment = this.#environments.takeIdle();
    if (environment === undefined) return false;
    if (isLate) this.#buffer.remove(requests);
    const { executor, isCold: isColdStart, memoryMiB } = environment;
    assert(executor !== null, 'an environment that is idle is ready');
    // The margin learns of batches that nothing but themselves held up.
    const isTelling = !isLate && !isColdStart && !this.#environments.isRenewing;
    period.batch(
      requests.reduce((sum, { call }) => sum + call.rows, 0),
      isColdStart,
    );
    const isRescue = reason !== 'full' && requests.some(({ overflow }) => overflow === 'rescue');
    this.#door.run({
      executor,
      requests,
      reason: isRescue ? 'rescue' : reason,
      isColdStart,
      onEnd: this.#needs.onCall,
      onAnswered: (request, result, latencyMs) => {
        period.request(request.call.rows, result, latencyMs);
        if (isTelling && !request.isHopeless) this.#rule.observe(memoryMiB, latencyMs);
      },
    });
    return true;
  }

  /** With `late: shed`, whoever is overdue is asked whether it is given up when its objective has passed. */
  #limit(request: PendingRequest): void {
    const { late, objective } = this.#door.settings;
    if (late === 'serve' || objective === null) return;
    request.limitAtMs = Math.min(request.promisedAtMs, request.timeoutAtMs);
    this.#door.sweepBy(request.limitAtMs);
  }

  /** After each event: so many environments as are needed, nobody left who waits for what does not come, and an end where it is time. */
  #settle(): void {
    this.#needs.onSettle?.();
    const { batches } = this.#buffer;
    this.#environments.want(this.#isRetired ? 0 : batches);
    if (this.#isRenewing && !this.#environments.isRenewing) this.replan();
    if (batches > 0) {
      const failure = this.#admission.startFailure;
      if (this.#isRetired && this.isDeserted) this.#needs.onDeserted();
      else if (failure !== null) this.#fail(failure);
      return;
    }
    if (!this.#isRetired && this.#finished === null) return;
    this.#environments.endIdle();
    if (this.#environments.busy > 0) return;
    for (const told of this.#finished?.splice(0) ?? []) told();
  }

  /** Nobody can be had for those who wait. */
  #fail(failure: PlatformError): void {
    const waiting = this.surrender();
    this.#environments.want(0);
    if (this.#needs.onStranded !== undefined) return this.#needs.onStranded(waiting);
    for (const request of waiting) request.fail(failure);
  }

  #windDown(): void {
    this.#environments.windDown();
    this.#buffer.flush();
    this.#settle();
  }

  /** Once nobody is starting any more, those held for that are late only for want of environments. */
  #shedLate(): void {
    if (!this.#admission.sheds) return;
    const nowMs = this.#door.clock.nowMs();
    for (const request of Array.from(this.#buffer.overdue)) {
      const refusal = request.promisedAtMs > nowMs ? null : this.givenUp(request, nowMs);
      if (refusal === null) continue;
      request.fail(refusal);
      this.#buffer.forget(request);
    }
  }

  #limits(): EnvironmentLimits {
    const { maxConcurrency, provisioned, keepAliveMs } = this.config;
    return { memoryMiB: this.setting.memoryMiB, maxConcurrency, provisioned, warm: this.#warm, keepAliveMs };
  }

  #tableOf(memoryMiB: number): ServiceTable {
    return this.#needs.serviceTable(`function:${memoryMiB}`);
  }

  /** It was started by its first ping, before anybody came. */
  #chargeStart(environment: Environment): void {
    if (environment.invocations > 0) return;
    const charge = startCharge(environment, this.#needs.prices);
    environment.invocations++;
    this.#needs.onInvoked(charge);
  }

  #charge(environment: Environment, serviceMs: number): number {
    if (environment.isPaidOff) return 0;
    const charge = runCharge(environment, serviceMs, this.#needs.prices);
    environment.invocations++; // it is cold no longer
    this.#needs.onInvoked(charge);
    return charge.usd;
  }
}

function configOf({ settings: { functions } }: Door): FunctionsConfig {
  assert(functions !== null, 'functions run a variant that is configured to have them');
  return functions;
}

/**
 * Instances that are always on, and functions for what those cannot finish in time.
 *
 * An idle instance takes a request at once: its time is paid already. Where all are busy, it is predicted when they would
 * be done with it; a request that would miss its deadline is for a function, where it is held for company. Whoever still
 * waits for an instance at the last moment is predicted once more, and goes over where only a function can make it.
 */
import type { PlatformError } from '../errors.ts';
import { overheadMs } from '../profiling/index.ts';
import { take } from '../queueing/index.ts';
import { type Executor, isFunctionType } from './executor.ts';
import type { FunctionsNeeds } from './function-needs.ts';
import { Functions } from './functions.ts';
import type { Instances } from './instances.ts';
import { type Allowance, OverflowGate } from './overflow-gate.ts';
import { cannotAnswer, queueIsFull } from './refusals.ts';
import type { OverflowReason, PendingRequest } from './request.ts';
import type { Door, Side, SideWorker } from './side.ts';

/** What the reproduction of published figures sets; all else leaves it out. */
export interface OverflowOptions {
  /** The most rows of a function's batch; left out, what the chosen setting says. */
  readonly overflowBatch?: number;
  /** Whether those who still wait at the last moment go over. */
  readonly rescue?: boolean;
}

export interface OverflowNeeds {
  readonly functions: FunctionsNeeds;
  readonly options?: OverflowOptions | undefined;
  /** Functions take nothing more for this reason; or, with null, they do again. */
  readonly onShut: (reason: string | null) => void;
}

/** What whoever plans asks of the functions, until it asks for something else. */
export interface OverflowPlan {
  /** So many environments are kept warm, those that are provisioned anyway among them. */
  readonly warmFunctions: number;
  /** null: no limit but their own. */
  readonly allowance: Allowance | null;
}

/** While no instance is there it is looked so often whether functions can be had again. */
const nobodyMs = 1000;

/** Times closer than this are the same. */
const roundingMs = 1e-6;

export class Overflow implements Side {
  readonly functions: Functions;
  readonly #door: Door;
  readonly #instances: Instances;
  readonly #gate: OverflowGate;
  readonly #rescues: boolean;
  /** The request that `refuses` has decided on. */
  #decided: PendingRequest | null = null;
  #isTaking = false;
  #rescueAtMs = Number.POSITIVE_INFINITY;
  #cancelRescue: () => void = () => {};

  constructor(door: Door, instances: Instances, { functions, options = {}, onShut }: OverflowNeeds) {
    this.#door = door;
    this.#instances = instances;
    this.#gate = new OverflowGate(door, onShut);
    this.#rescues = options.rescue ?? true;
    const { coresLeft } = functions;
    this.functions = new Functions(door, {
      ...functions,
      // A start that takes the processors of an instance makes late whom that has promised.
      coresLeft: coresLeft === undefined ? undefined : () => coresLeft(instances.executors.map(({ worker }) => worker.instanceType)),
      ...(options.overflowBatch === undefined ? {} : { batchSizeMax: options.overflowBatch }),
      onInvoked: (invocation) => {
        this.#gate.spent(invocation.usd);
        functions.onInvoked(invocation);
      },
      onCall: (isOk) => this.#gate.called(isOk),
      onSettle: () => this.#takeCompany(),
      onStranded: (requests) => this.#placeOnInstances(requests),
    });
  }

  follow({ warmFunctions, allowance }: OverflowPlan): void {
    this.#gate.allow(allowance);
    this.functions.keepWarm(warmFunctions);
  }

  /** Why functions take nothing at present; null where they do. */
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

  get isDeserted(): boolean {
    return this.#instances.isDeserted && this.functions.isDeserted;
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

  surrender(): PendingRequest[] {
    return [...this.#instances.surrender(), ...this.functions.surrender()];
  }

  refuses(request: PendingRequest): PlatformError | null {
    const { settings } = this.#door;
    if (this.rowsWaiting + request.rows > settings.queueRowsMax) {
      return queueIsFull(this.#door, this.rowsWaiting, this.#instances.drainMs());
    }
    this.#decided = request;
    this.#decide(request);
    if (settings.late === 'serve' || settings.objective === null || !request.isHopeless) return null;
    this.#decided = null;
    return cannotAnswer(this.#door, request, this.#instances.drainMs(), this.#gate.reason);
  }

  place(request: PendingRequest): void {
    // One that comes back, its worker lost, has not been decided on.
    if (this.#decided !== request) this.#decide(request);
    this.#decided = null;
    if (request.overflow !== null) return this.functions.takeOver(request);
    this.#instances.place(request);
    if (request.state === 'waiting') this.#watch(request);
  }

  forget(request: PendingRequest): void {
    this.#sideOf(request).forget(request);
  }

  givenUp(request: PendingRequest, nowMs: number): PlatformError | null {
    return this.#sideOf(request).givenUp(request, nowMs);
  }

  freed(executor: Executor): void {
    if (executor.isFunction) return this.functions.freed(executor);
    this.#instances.freed();
    this.#takeCompany();
  }

  lost(executor: Executor): void {
    if (executor.isFunction) return this.functions.lost(executor);
    this.#instances.lost(executor);
    this.#moveLate('capacity');
  }

  hangs(executor: Executor, reason: string): void {
    if (!executor.isFunction) return this.#instances.hangs(executor, reason);
    this.functions.hangs(executor, reason);
  }

  configure(): void {
    this.#instances.configure();
    if (this.#door.settings.isHybrid === true) this.functions.configure();
    else this.functions.retire();
  }

  replan(): void {
    this.#instances.replan();
    this.functions.replan();
  }

  attach(worker: SideWorker): void {
    if (isFunctionType(worker.instanceType)) return this.functions.attach(worker);
    this.#instances.attach(worker);
    this.#takeCompany();
  }

  detach(workerId: string): void {
    if (!this.#instances.has(workerId)) return this.functions.detach(workerId);
    this.#instances.detach(workerId);
    this.#moveLate('capacity');
  }

  failed(workerId: string, reason: string): void {
    if (!this.#instances.has(workerId)) return this.functions.failed(workerId, reason);
    this.#instances.failed(workerId);
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

  #sideOf({ overflow }: PendingRequest): Side {
    return overflow === null ? this.#instances : this.functions;
  }

  /** Says where the request belongs: `overflow` is the reason why it is for a function, or null. */
  #decide(request: PendingRequest): void {
    request.overflow = null;
    request.isHopeless = false;
    const { arrivedAtMs } = request.call;
    request.promisedAtMs = this.#instances.promisedAtMs(arrivedAtMs, request.timeoutAtMs);
    request.limitAtMs = request.timeoutAtMs;
    if (this.#instances.idle !== undefined) return;
    const nowMs = this.#door.clock.nowMs();
    const ahead = this.#instances.rowsUntil(request.deadlineMs);
    if (this.#instances.predictAtMs(request, ahead, nowMs) <= request.promisedAtMs) return;
    request.overflow = this.#byFunction(request, nowMs, 'predicted');
  }

  /** No instance makes it: whether a function is to run it, which by `late` also holds where that cannot make it either. */
  #byFunction(request: PendingRequest, nowMs: number, reason: OverflowReason): OverflowReason | null {
    const answeredAtMs = this.#functionAnswersAtMs(request, nowMs);
    const promisedAtMs = this.functions.promisedAtMs(request.call.arrivedAtMs, request.timeoutAtMs);
    request.isHopeless = answeredAtMs === null || answeredAtMs > promisedAtMs;
    return answeredAtMs === null ? null : reason;
  }

  /** Null where functions take nothing. */
  #functionAnswersAtMs(request: PendingRequest, nowMs: number): number | null {
    if (this.#door.settings.isHybrid !== true || this.#gate.isShut(nowMs)) return null;
    return this.functions.answeredAtMs(request, nowMs);
  }

  /** An instance that falls idle with an empty queue takes of those who wait for a function: that is paid for already. */
  #takeCompany(): void {
    if (this.#isTaking) return;
    this.#isTaking = true;
    while (this.functions.rowsWaiting > 0) {
      const { idle } = this.#instances;
      if (idle === undefined) break;
      const batch = this.#companyFor(idle);
      if (batch.length === 0) break;
      this.functions.extract(batch);
      this.#placeOnInstances(batch);
    }
    this.#isTaking = false;
  }

  /** Left with the functions is who is in time there alone. */
  #companyFor(idle: Executor): PendingRequest[] {
    const nowMs = this.#door.clock.nowMs();
    const mayRide = (request: PendingRequest, rows: number): boolean => {
      const doneAtMs = this.#instances.doneAtMs(idle, rows, nowMs);
      const isInTime = doneAtMs <= this.#instances.promisedAtMs(request.call.arrivedAtMs, request.timeoutAtMs);
      return isInTime || this.functions.lastMoments(request).warmMs < nowMs - roundingMs;
    };
    const able = this.functions.company(idle.batchSize).filter((request) => mayRide(request, request.rows));
    const batch = take(able, idle.batchSize);
    const rows = batch.reduce((sum, request) => sum + request.rows, 0);
    const together = batch.filter((request) => mayRide(request, rows));
    return together.length > 0 ? together : batch.slice(0, 1);
  }

  #placeOnInstances(requests: readonly PendingRequest[]): void {
    for (const request of requests) {
      request.overflow = null;
      request.predictedAtMs = Number.NaN;
      request.state = 'waiting';
      request.promisedAtMs = this.#instances.promisedAtMs(request.call.arrivedAtMs, request.timeoutAtMs);
      request.limitAtMs = request.timeoutAtMs;
    }
    this.#instances.placeAll(requests);
    for (const request of requests) if (request.state === 'waiting') this.#watch(request);
  }

  /** It waits for an instance: it is looked at again while a function can still make it. */
  #watch(request: PendingRequest): void {
    request.rescueAtMs = this.#nextLookMs(request, this.#door.clock.nowMs());
    this.#rescueBy(request.rescueAtMs);
  }

  /** When there is time to start a function and no more; then the last moment for one that is there, or for an instance. */
  #nextLookMs(request: PendingRequest, afterMs: number): number {
    if (!this.#instances.isActive) return afterMs + nobodyMs;
    if (!this.#rescues || request.isHopeless) return Number.POSITIVE_INFINITY;
    const { coldMs, warmMs } = this.functions.lastMoments(request);
    const lastMs = Math.min(warmMs - overheadMs, this.#instances.lastMomentMs(request));
    const startMs = coldMs - overheadMs;
    if (startMs > afterMs + roundingMs && startMs < lastMs) return startMs;
    return lastMs > afterMs + roundingMs ? lastMs : Number.POSITIVE_INFINITY;
  }

  #rescueBy(atMs: number): void {
    if (atMs >= this.#rescueAtMs) return;
    this.#cancelRescue();
    this.#rescueAtMs = atMs;
    this.#cancelRescue = this.#door.clock.after(atMs - this.#door.clock.nowMs(), () => {
      this.#rescueAtMs = Number.POSITIVE_INFINITY;
      this.#moveLate('rescue');
    });
  }

  /**
   * Predicts anew for those who wait for an instance, from the head: for those whose last moment it is, or for all where
   * instances were lost. Who would miss goes over, and is in nobody's way any more.
   */
  #moveLate(reason: 'rescue' | 'capacity'): void {
    if (this.#instances.rowsWaiting === 0 || this.#door.settings.isHybrid !== true) return;
    const nowMs = this.#door.clock.nowMs();
    const moving: PendingRequest[] = [];
    let ahead = 0;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const request of this.#instances.waiting()) {
      const isAsked = reason === 'capacity' || request.rescueAtMs <= nowMs + roundingMs;
      if (isAsked && this.#goesOver(request, ahead, nowMs, reason)) {
        moving.push(request);
        continue;
      }
      if (isAsked) request.rescueAtMs = this.#nextLookMs(request, nowMs);
      ahead += request.rows;
      nextMs = Math.min(nextMs, request.rescueAtMs);
    }
    this.#instances.extract(moving);
    if (nextMs < Number.POSITIVE_INFINITY) this.#rescueBy(nextMs);
    for (const request of moving) this.functions.takeOver(request);
  }

  #goesOver(request: PendingRequest, ahead: number, nowMs: number, reason: 'rescue' | 'capacity'): boolean {
    // At the last moment it is not being run yet: an instance that fell idle in this very moment would still be in time, and none did.
    const isLast = reason === 'rescue' && this.#instances.lastMomentMs(request) <= nowMs + roundingMs;
    if (!isLast && this.#instances.predictAtMs(request, ahead, nowMs, true) <= request.promisedAtMs) return false;
    const goes = this.#byFunction(request, nowMs, reason);
    // A request that a function would answer late as well is better off with whoever is there.
    const isInVain = request.isHopeless && (reason === 'rescue' || this.#door.settings.late === 'shed') && !this.#instances.isDeserted;
    request.overflow = isInVain ? null : goes;
    return request.overflow !== null;
  }
}

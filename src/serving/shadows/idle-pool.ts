/**
 * The executors of a shadow whose model the workers of the production variant have loaded too: their idle time. Copies wait until an
 * instance is idle and run one at a time, so none makes a request of a client late. They are counted, captured and logged like those of a
 * shadow with instances of its own; their time is paid for already.
 */
import { shadowPlan } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { platformOverheadMs, type ServiceTable } from '../../profiling/index.ts';
import { type AttachedWorker, Executor } from '../executor.ts';
import type { ExecutorPool, PoolContext, PoolWorker } from '../executor-pool.ts';
import { queueFullError } from '../rejections.ts';
import type { PendingRequest } from '../request.ts';
import type { RunRequests } from '../runners/run-requests.ts';
import type { IdleTime } from './idle-time.ts';

/** As for instances, whose workers it borrows. */
export interface IdlePoolDeps {
  readonly serviceTable: (executor: string) => ServiceTable;
  /** Restarts a worker whose run exceeded the timeout. */
  readonly restart: (workerId: string, reason: string) => void;
}

/** A worker that has loaded the shadow's model. */
export interface SharedWorker extends PoolWorker {
  /** Of the variant that answers requests. */
  readonly idle: IdleTime;
  /** Why it could not load the shadow's model; null if it did, and read again each time, as it tries again. */
  readonly missingReason: () => string | null;
}

interface SharedExecutor {
  readonly executor: Executor;
  readonly worker: SharedWorker;
  /** The instance that runs the copy that is being dispatched. */
  host: Executor | null;
  readonly unsubscribe: () => void;
}

/** Owns no workers. Copies promise nothing but their timeout, because no client waits for them. */
export class IdlePool implements ExecutorPool {
  readonly #context: PoolContext;
  readonly #deps: IdlePoolDeps;
  readonly #shared = new Map<string, SharedExecutor>();
  #waiting: PendingRequest[] = [];
  #cancelTimer: (() => void) | null = null;
  #onIdle: (() => void) | null = null;

  constructor(context: PoolContext, deps: IdlePoolDeps) {
    this.#context = context;
    this.#deps = deps;
  }

  get batchSizeMax(): number {
    const tables = this.executors.map(({ table }) => table).filter(({ isKnown }) => isKnown);
    return Math.max(0, ...tables.map(({ batchMax }) => batchMax));
  }

  get rowsWaiting(): number {
    return this.#waiting.reduce((sum, { rows }) => sum + rows, 0);
  }

  get executors(): readonly Executor[] {
    return Array.from(this.#shared.values(), ({ executor }) => executor);
  }

  get hasNoCapacity(): boolean {
    return this.#shared.size === 0;
  }

  readonly isInLimitOrder = false;

  /** No client waits for a copy. */
  promisedAtMs(_arrivedAtMs: number, timeoutAtMs: number): number {
    return timeoutAtMs;
  }

  waiting(): Iterable<PendingRequest> {
    return this.#waiting;
  }

  removeAllWaiting(): PendingRequest[] {
    return this.#waiting.splice(0);
  }

  /** Rejects at once if no worker has the model loaded, since waiting would not help. */
  submit(request: PendingRequest): PlatformError | null {
    const { rowsWaiting } = this;
    const { queueRowsMax } = this.#context.settings;
    if (this.#waiting.length > 0 && rowsWaiting + request.rows > queueRowsMax) return queueFullError(this.#context, rowsWaiting, 1000);
    const reasons = Array.from(this.#shared.values(), ({ worker }) => worker.missingReason());
    const [reason] = reasons;
    if (reason !== undefined && reason !== null && !reasons.includes(null)) {
      return new PlatformError('unavailable', `no worker has loaded ${this.#context.model.name}, which shares workers: ${reason}`);
    }
    this.enqueue(request);
    return null;
  }

  enqueue(request: PendingRequest): void {
    this.#waiting.push(request);
    this.#look();
  }

  discard(request: PendingRequest): void {
    this.#waiting = this.#waiting.filter((each) => each !== request);
  }

  onLimit(request: PendingRequest, nowMs: number): PlatformError {
    const { message } = this.#context.timedOut(request, nowMs);
    return new PlatformError('deadline_exceeded', `${message}: the instances that it shares had no idle time`);
  }

  executorFreed(): void {
    this.#look();
    this.#reportIdle();
  }

  workerLost(executor: Executor): void {
    this.detach(executor.worker.id);
  }

  executorHung(executor: Executor, reason: string): void {
    this.#deps.restart(executor.worker.id, reason);
  }

  configure(): void {
    this.replan();
  }

  replan(): void {
    for (const { executor } of this.#shared.values()) this.#plan(executor);
  }

  /** Workers are attached by `attachShared`. */
  attach(worker: PoolWorker): void {
    throw new PlatformError('internal', `worker ${worker.id} of a shadow without workers of its own`);
  }

  /** Called when a worker is ready, or has reconnected. */
  attachShared(worker: SharedWorker): void {
    this.detach(worker.id);
    const { clock } = this.#context;
    const attached: AttachedWorker = { ...worker, charge: () => 0, run: (requests, done) => this.#runOn(shared, requests, done) };
    const executor = new Executor(attached, this.#tableOf(worker), clock.nowMs(), platformOverheadMs);
    const shared: SharedExecutor = { executor, worker, host: null, unsubscribe: worker.idle.onChange(() => this.#look()) };
    this.#plan(executor);
    this.#shared.set(worker.id, shared);
    this.#look();
  }

  detach(workerId: string): void {
    this.#shared.get(workerId)?.unsubscribe();
    this.#shared.delete(workerId);
    this.#reportIdle();
  }

  workerFailed(workerId: string): void {
    this.detach(workerId);
  }

  /** The variant that answers requests drains its workers. */
  async drain(workerId: string): Promise<void> {
    this.detach(workerId);
  }

  retire(): void {}

  /** Copies that wait are dropped: their requests were answered. */
  async finish(): Promise<void> {
    for (const request of this.#waiting.splice(0)) {
      request.fail(new PlatformError('unavailable', `endpoint ${this.#context.endpoint} is being unloaded: the copy was dropped`));
    }
    if (this.executors.some(({ isBusy }) => isBusy)) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const { unsubscribe } of this.#shared.values()) unsubscribe();
  }

  #reportIdle(): void {
    if (this.executors.some(({ isBusy }) => isBusy)) return;
    this.#onIdle?.();
    this.#onIdle = null;
  }

  #tableOf({ instanceType }: Pick<AttachedWorker, 'instanceType'>): ServiceTable {
    return this.#deps.serviceTable(`instance:${instanceType}`);
  }

  #plan(executor: Executor): void {
    executor.useTables([this.#tableOf(executor.worker)]);
    executor.plan(this.#context.settings.objective, this.#context.clock.nowMs(), true);
  }

  /** Runs waiting copies while instances are idle. */
  #look(): void {
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const { worker, executor } of this.#shared.values()) {
      const [request] = this.#waiting;
      if (request === undefined) return;
      if (executor.isBusy || worker.missingReason() !== null) continue;
      const match = worker.idle.find({
        rows: request.rows,
        serviceMs: () => executor.serviceMs(request.rows),
        canRun: (host) => host.worker.id === worker.id,
      });
      if ('waitMs' in match) soonestMs = Math.min(soonestMs, match.waitMs);
      else this.#dispatch(request, executor, match.executor);
    }
    if (this.#waiting.length > 0 && soonestMs < Number.POSITIVE_INFINITY) this.#lookIn(soonestMs);
  }

  #dispatch(request: PendingRequest, executor: Executor, host: Executor): void {
    this.#waiting.shift();
    const shared = this.#shared.get(executor.worker.id);
    if (shared !== undefined) shared.host = host;
    this.#context.run({ executor, requests: [request], reason: 'idle', isColdStart: false, plan: null, onAnswered: null });
  }

  /** A copy whose run crashes the worker fails: it is not run again. */
  #runOn(shared: SharedExecutor, [request]: Parameters<RunRequests>[0], done: Parameters<RunRequests>[1]): void {
    const { host, worker } = shared;
    if (host === null || request === undefined) throw new PlatformError('internal', 'a shared worker runs the copy that was dispatched');
    worker.idle.run({ executor: host, request, plan: shadowPlan }, (answer) => {
      if (answer.kind !== 'gone') return done(answer);
      const text = `the worker that ${this.#context.model.name} shares crashed while it ran a copy: ${answer.why}`;
      done({ kind: 'failed', error: new PlatformError('model_failed', text) });
    });
  }

  #lookIn(waitMs: number): void {
    this.#cancelTimer ??= this.#context.clock.after(waitMs, () => {
      this.#cancelTimer = null;
      this.#look();
    });
  }
}

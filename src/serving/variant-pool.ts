/**
 * The buffer of a variant and the executors that empty it.
 *
 * Everything between an event (a request comes, an executor falls idle, a timer fires) and its effect happens in one
 * go, without waiting: so a simulator can drive these very lines on a virtual clock.
 */
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Objective } from '../objective.ts';
import type { ServiceTable } from '../profiling/index.ts';
import { predictCompletionMs, priorityShiftMs, take } from '../queueing/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { Signature } from '../tensor.ts';
import { bucketOf } from './batch-tensors.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import { type AttachedWorker, Executor, overheadMs } from './executor.ts';
import { type InferenceCall, type Outcome, PendingRequest, type Route } from './request.ts';
import { runBatch } from './run-batch.ts';
import { VariantStatistics } from './statistics.ts';

export interface PoolSettings {
  readonly objective: Objective | null;
  readonly late: 'serve' | 'shed';
  /** The endpoint's timeout, for requests that bring none; also the longest a run may take before its worker is ended. */
  readonly timeoutMs: number;
  /** More rows than this never wait; who comes then is refused with `overloaded`. */
  readonly queueRowsMax: number;
}

export interface PoolNeighbours {
  readonly clock: Clock;
  readonly serviceTable: (instanceType: string) => ServiceTable;
  /** Told of each batch that leaves. */
  readonly onDispatch: (reason: string, rows: number) => void;
  /** The watchdog's: this worker's run does not end. */
  readonly restart: (workerId: string, reason: string) => void;
}

/** Rows of one batch while the profile is being measured, as far as checks and configuration are concerned. */
const batchSizeMaxUnknown = 32;

/** So many workers may die under a request before it fails, whatever they died of. */
const lossesMax = 3;

/** Without an objective a priority moves a request by up to a second. */
const priorityHorizonMs = 1000;

export class VariantPool implements Route {
  readonly endpoint: string;
  readonly variant: string;
  readonly version: string;
  readonly model: ModelVersion;
  readonly signature: Signature;
  readonly batchable: boolean;
  readonly statistics: VariantStatistics = new VariantStatistics();
  /** Traffic no longer comes here; what waits is served out. */
  isRetired = false;
  readonly #bucketOf: ReturnType<typeof bucketOf>;
  readonly #with: PoolNeighbours;
  readonly #queue = new DeadlineQueue();
  readonly #executors = new Map<string, Executor>();
  readonly #running = new Set<readonly PendingRequest[]>();
  readonly #drained = new Map<string, () => void>();
  #settings: PoolSettings;
  #sweepAtMs = Number.POSITIVE_INFINITY;
  #cancelSweep: () => void = () => {};
  #alone = 0;

  constructor(names: { endpoint: string; variant: string; model: ModelVersion }, settings: PoolSettings, neighbours: PoolNeighbours) {
    this.endpoint = names.endpoint;
    this.variant = names.variant;
    this.model = names.model;
    this.version = String(names.model.version);
    this.signature = names.model.signature;
    this.batchable = names.model.batchable;
    this.#bucketOf = bucketOf(this.signature);
    this.#settings = settings;
    this.#with = neighbours;
  }

  get batchSizeMax(): number {
    if (!this.batchable) return 0;
    let known = 0;
    for (const { table } of this.#executors.values()) if (table.isKnown && table.batchMax > 1) known = Math.max(known, table.batchMax);
    return known === 0 ? batchSizeMaxUnknown : known;
  }

  /** The latency promised to clients, if any. */
  get objectiveMs(): number | null {
    return this.#settings.objective?.latencyMs ?? null;
  }

  get rowsWaiting(): number {
    return this.#queue.rows;
  }

  get rowsRunning(): number {
    let rows = 0;
    for (const batch of this.#running) for (const request of batch) rows += request.rows;
    return rows;
  }

  get executors(): readonly Executor[] {
    return [...this.#executors.values()];
  }

  get isEmpty(): boolean {
    return this.#queue.isEmpty && this.#running.size === 0;
  }

  configure(settings: PoolSettings): void {
    this.#settings = settings;
    this.replan();
  }

  /** Chooses every batch size anew: the objective changed. */
  replan(): void {
    for (const executor of this.#executors.values()) executor.plan(this.#settings.objective, this.#with.clock.nowMs(), true);
  }

  /** Service times were measured: executors know them from now on. */
  profileMeasured(): void {
    for (const executor of this.#executors.values()) executor.table = this.#with.serviceTable(executor.worker.instanceType);
    this.replan();
  }

  /**
   * Takes a request. It is answered through `settle`, once: at once where it is refused, else when its batch is done
   * or its timeout has passed.
   */
  submit(call: InferenceCall, settle: (outcome: Outcome) => void): PendingRequest {
    const { objective, timeoutMs } = this.#settings;
    const timeoutAtMs = call.arrivedAtMs + (call.timeoutMs ?? timeoutMs);
    const promisedAtMs =
      objective === null ? timeoutAtMs : Math.min(call.arrivedAtMs + objective.latencyMs - marginMs(objective), timeoutAtMs);
    const shiftMs = priorityShiftMs(call.priority ?? 0, objective?.latencyMs ?? priorityHorizonMs);
    const bucket = this.#bucketOf === null ? '' : this.#bucketOf(call.inputs);
    const request = new PendingRequest(call, { deadlineMs: promisedAtMs + shiftMs, timeoutAtMs, bucket }, settle);
    const refusal = this.#refusal(request, promisedAtMs);
    if (refusal !== null) {
      request.fail(refusal);
      return request;
    }
    this.#queue.insert(request);
    this.#sweepBy(timeoutAtMs);
    this.#pump();
    return request;
  }

  /** Takes over a request that waited elsewhere, in its place by deadline. */
  resubmit(request: PendingRequest): void {
    request.state = 'waiting';
    this.#queue.insert(request);
    this.#sweepBy(request.timeoutAtMs);
    this.#pump();
  }

  /** The client is gone: the request is never run, its answer dropped. False where it was answered already. */
  cancel(request: PendingRequest): boolean {
    if (request.state === 'settled') return false;
    const waited = request.state === 'waiting';
    request.state = 'settled';
    if (waited) this.#queue.forget(request);
    this.#release();
    return true;
  }

  /** A worker is ready, or back with a new link. */
  attach(worker: AttachedWorker): void {
    this.#executors.delete(worker.id);
    const executor = new Executor(worker, this.#with.serviceTable(worker.instanceType), this.#with.clock.nowMs());
    executor.plan(this.#settings.objective, this.#with.clock.nowMs());
    this.#executors.set(worker.id, executor);
    this.#pump();
  }

  /** A worker is gone. Its open batch comes back through its link, which fails. */
  detach(workerId: string): void {
    this.#executors.delete(workerId);
    this.#release();
  }

  /** Resolves once the worker runs nothing more; the last one here first serves out the queue. */
  drain(workerId: string): Promise<void> {
    const executor = this.#executors.get(workerId);
    if (executor === undefined) return Promise.resolve();
    executor.isDraining = true;
    return new Promise((resolve) => {
      this.#drained.set(workerId, resolve);
      this.#pump();
    });
  }

  /** Nobody comes here any more, and nobody is here: its timer must not keep the process. */
  close(): void {
    this.#cancelSweep();
  }

  /** Lets go of everybody who waits, for somebody else to serve or to refuse. */
  surrender(): PendingRequest[] {
    const waiting = [...this.#queue];
    this.#queue.remove(waiting);
    this.#release();
    return waiting;
  }

  /** How long until the rows that wait are served, for Retry-After. */
  drainMs(): number {
    let rowsPerMs = 0;
    for (const executor of this.#executors.values()) rowsPerMs += executor.rowsPerMs();
    return rowsPerMs === 0 ? 1000 : this.#queue.rows / rowsPerMs;
  }

  #refusal(request: PendingRequest, promisedAtMs: number): PlatformError | null {
    const { objective, late, queueRowsMax } = this.#settings;
    if (this.#queue.rows + request.rows > queueRowsMax) {
      const text = `endpoint ${this.endpoint} is overloaded: ${this.#queue.rows} rows wait already, ${queueRowsMax} may`;
      return new PlatformError('overloaded', `${text}; ask again later or add instances`, { retryAfterMs: this.drainMs() });
    }
    if (objective === null || late === 'serve') return null;
    const nowMs = this.#with.clock.nowMs();
    const servers = this.executors.filter(({ isDraining }) => !isDraining).map((executor) => executor.asServer(nowMs));
    const answeredAtMs = nowMs + predictCompletionMs(servers, this.#queue.rowsUntil(request.deadlineMs)) + overheadMs;
    if (answeredAtMs <= promisedAtMs) return null;
    const predicted = Number.isFinite(answeredAtMs)
      ? `${Math.ceil(answeredAtMs - nowMs)} ms`
      : 'nobody knows how many ms: no instance is ready';
    const timeoutIsNearer = request.timeoutAtMs <= promisedAtMs;
    const promise = timeoutIsNearer ? 'the timeout of this request' : `its objective of ${objective.latencyMs} ms`;
    const text = `endpoint ${this.endpoint} cannot answer within ${promise}: it would take ${predicted}`;
    return new PlatformError('overloaded', text, { retryAfterMs: this.drainMs() });
  }

  /**
   * Rule 1: as long as an executor is idle and somebody waits, a batch leaves. And where a full batch waits, which no
   * waiting makes fuller, one is sent ahead to an executor that is nearly done, so that it need not wait for us.
   */
  #pump(): void {
    while (!this.#queue.isEmpty) {
      const nowMs = this.#with.clock.nowMs();
      const idle = this.#idle();
      const executor = idle ?? this.#nextToFallIdle(nowMs);
      if (executor === undefined) break;
      executor.plan(this.#settings.objective, nowMs);
      const batch = take(this.#queue, executor.batchSizeAt(this.#queue.rows / this.#executors.size));
      if (idle === undefined && !mayGoAhead(batch, executor, nowMs)) break;
      this.#queue.remove(batch);
      const alive = batch.filter((request) => request.timeoutAtMs > nowMs || this.#expire(request, nowMs));
      if (alive.length > 0) this.#dispatch(executor, alive, nowMs, idle === undefined ? 'full' : 'idle');
    }
    this.#release();
  }

  /** Of the busy executors that take a batch ahead, the one that is done first. */
  #nextToFallIdle(nowMs: number): Executor | undefined {
    let best: Executor | undefined;
    for (const executor of this.#executors.values()) {
      if (!executor.takesAhead) continue;
      if (best === undefined || executor.asServer(nowMs).residualMs < best.asServer(nowMs).residualMs) best = executor;
    }
    return best;
  }

  /** The idle executor that is fastest for one row; of equals the one used last, whose caches are warm. */
  #idle(): Executor | undefined {
    let best: Executor | undefined;
    const isLastResort = this.#isLastResort();
    for (const executor of this.#executors.values()) {
      if (executor.isBusy || (executor.isDraining && !isLastResort)) continue;
      if (best === undefined || isBetter(executor, best)) best = executor;
    }
    return best;
  }

  /** Only draining executors are left: they serve out the queue. */
  #isLastResort(): boolean {
    for (const { isDraining } of this.#executors.values()) if (!isDraining) return false;
    return true;
  }

  #dispatch(executor: Executor, batch: readonly PendingRequest[], nowMs: number, why: 'idle' | 'full'): void {
    let rows = 0;
    for (const request of batch) rows += request.rows;
    const reason = executor.isDraining ? 'flush' : why;
    executor.begin(rows, nowMs);
    this.#running.add(batch);
    this.#sweepBy(nowMs + this.#settings.timeoutMs);
    this.#with.onDispatch(reason, rows);
    const { clock } = this.#with;
    runBatch({ clock, executor, statistics: this.statistics, reason }, batch, ({ answers, lost, lostWhy }) => {
      this.#running.delete(batch);
      executor.end(clock.nowMs());
      if (lost.length > 0) this.#takeBack(executor, lost, lostWhy);
      else executor.aliveAtMs = executor.sinceMs;
      // The next batch is on its way before the answers of this one are encoded.
      this.#pump();
      for (const { request, outcome } of answers) request.settle(outcome);
    });
  }

  /**
   * A worker died under these. Each gets one more chance, alone, so that whoever killed it does so alone. It may get
   * a third where the second worker had shown no sign of life since the first died: then both may have been killed
   * together, from outside.
   */
  #takeBack(executor: Executor, requests: readonly PendingRequest[], why: string): void {
    if (this.#executors.get(executor.worker.id) === executor) this.#executors.delete(executor.worker.id);
    for (const request of requests) {
      if (request.state === 'settled') continue;
      request.losses++;
      if (request.losses === lossesMax || (request.losses > 1 && executor.aliveAtMs >= request.lostAtMs)) {
        const text = `the worker of ${this.model.name} died ${request.losses} times while it ran this request: ${why}`;
        request.fail(new PlatformError('model_failed', text));
        continue;
      }
      request.lostAtMs = this.#with.clock.nowMs();
      request.bucket = `alone ${this.#alone++}`;
      this.resubmit(request);
    }
  }

  #expire(request: PendingRequest, nowMs: number): false {
    const waitedMs = Math.round(nowMs - request.call.arrivedAtMs);
    const text = `no answer from endpoint ${this.endpoint} within the timeout of ${Math.round(request.timeoutAtMs - request.call.arrivedAtMs)} ms (${waitedMs} ms have passed)`;
    request.fail(new PlatformError('deadline_exceeded', text));
    return false;
  }

  /** One timer serves all timeouts: it is set for the earliest, and looks at everybody when it fires. */
  #sweepBy(atMs: number): void {
    if (atMs >= this.#sweepAtMs) return;
    this.#cancelSweep();
    this.#sweepAtMs = atMs;
    this.#cancelSweep = this.#with.clock.after(atMs - this.#with.clock.nowMs(), () => this.#sweep());
  }

  #sweep(): void {
    this.#sweepAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#with.clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const request of [...this.#queue, ...[...this.#running].flat()]) {
      if (request.state === 'settled') continue;
      if (request.timeoutAtMs > nowMs) {
        nextMs = Math.min(nextMs, request.timeoutAtMs);
        continue;
      }
      const waited = request.state === 'waiting';
      this.#expire(request, nowMs);
      if (waited) this.#queue.forget(request);
    }
    for (const { isBusy, sinceMs, worker } of this.#executors.values()) {
      if (!isBusy) continue;
      const endsByMs = sinceMs + this.#settings.timeoutMs;
      if (endsByMs <= nowMs)
        this.#with.restart(worker.id, `a run did not end within the endpoint's timeout of ${this.#settings.timeoutMs} ms`);
      else nextMs = Math.min(nextMs, endsByMs);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#sweepBy(nextMs);
    this.#release();
  }

  /** Tells those who wait for a worker to have drained. */
  #release(): void {
    for (const [id, resolve] of this.#drained) {
      const executor = this.#executors.get(id);
      const serves = executor !== undefined && (executor.isBusy || (this.#isLastResort() && !this.#queue.isEmpty));
      if (serves) continue;
      this.#drained.delete(id);
      resolve();
    }
  }
}

/** What prediction may be wrong by: kept back from the objective (scaling.md section 3). */
function marginMs(objective: Objective): number {
  return Math.min(8, 0.1 * objective.latencyMs);
}

/** What was sent ahead runs even if its timeout passes meanwhile, and how long the run before it takes may depend on its data. */
const aheadTimeoutMsMin = 10_000;

/** A full batch of whom nobody's timeout is near: it will run as soon as it would have, and before it is too late. */
function mayGoAhead(batch: readonly PendingRequest[], executor: Executor, nowMs: number): boolean {
  const { batchSizeMax } = executor.asServer(nowMs);
  const rows = batch.reduce((sum, request) => sum + request.rows, 0);
  return rows >= batchSizeMax && batch.every(({ timeoutAtMs }) => timeoutAtMs > nowMs + aheadTimeoutMsMin);
}

function isBetter(left: Executor, right: Executor): boolean {
  const difference = left.table.medianMs(1) - right.table.medianMs(1);
  return difference < 0 || (difference === 0 && left.sinceMs > right.sinceMs);
}

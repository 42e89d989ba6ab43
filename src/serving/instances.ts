/** Always-on instances, and the queue they empty: an idle one never waits for company. */
import { PlatformError } from '../errors.ts';
import { overheadMs, type ServiceTable } from '../profiling/index.ts';
import { predictCompletionMs, type Server, take } from '../queueing/index.ts';
import { AdmissionMargin, leastMarginMs } from './admission-margin.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import { Executor } from './executor.ts';
import { queueIsFull, tooLate } from './refusals.ts';
import type { PendingRequest } from './request.ts';
import type { Door, Side, SideWorker } from './side.ts';

export interface InstancesNeeds {
  /** What is known of the service times of an executor, by its name: `instance:local.1`. */
  readonly serviceTable: (executor: string) => ServiceTable;
  /** This worker's run does not end. */
  readonly restart: (workerId: string, reason: string) => void;
  /** The way to the worker and back, and the encoding of an answer; 0.5 ms where it is left out. */
  readonly overheadMs?: number;
}

export class Instances implements Side {
  readonly #door: Door;
  readonly #needs: InstancesNeeds;
  readonly #queue = new DeadlineQueue();
  readonly #executors = new Map<string, Executor>();
  /** Those that take part in what is to come: not the draining ones. */
  #active: readonly Executor[] = [];
  readonly #overheadMs: number;
  readonly #drained = new Map<string, () => void>();
  #margin: AdmissionMargin | null = null;
  #latencyMs: number | null = null;

  constructor(door: Door, needs: InstancesNeeds) {
    this.#door = door;
    this.#needs = needs;
    this.#overheadMs = needs.overheadMs ?? overheadMs;
    this.#learnObjective();
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

  get isDeserted(): boolean {
    return this.#executors.size === 0;
  }

  promisedAtMs(arrivedAtMs: number, timeoutAtMs: number): number {
    const { objective } = this.#door.settings;
    return objective === null ? timeoutAtMs : Math.min(arrivedAtMs + objective.latencyMs - leastMarginMs(objective.latencyMs), timeoutAtMs);
  }

  waiting(): Iterable<PendingRequest> {
    return this.#queue;
  }

  get isInLimitOrder(): boolean {
    return this.#queue.isInLimitOrder;
  }

  surrender(): PendingRequest[] {
    const waiting = [...this.#queue];
    this.#queue.remove(waiting);
    this.#release();
    return waiting;
  }

  refuses(request: PendingRequest): PlatformError | null {
    const { endpoint, settings, clock } = this.#door;
    const { objective, late, queueRowsMax } = settings;
    if (this.#queue.rows + request.rows > queueRowsMax) return queueIsFull(this.#door, this.#queue.rows, this.drainMs());
    if (objective === null || late === 'serve') return null;
    // What an answer takes is learnt from runs alone: refused by an idle instance, nobody would ever see that it has become quick again.
    if (this.idle !== undefined) return null;
    const nowMs = clock.nowMs();
    const answeredAtMs = this.predictAtMs(request, this.#queue.rowsUntil(request.deadlineMs), nowMs);
    if (answeredAtMs <= request.promisedAtMs) return null;
    const text = `endpoint ${endpoint} is overloaded: ${tooLate(this.#door, request, answeredAtMs - nowMs)}; ask again later or add instances`;
    return new PlatformError('overloaded', text, { retryAfterMs: this.drainMs() });
  }

  place(request: PendingRequest): void {
    this.#queue.insert(request);
    this.#pump();
  }

  /** They come together, and leave so where they may. */
  placeAll(requests: readonly PendingRequest[]): void {
    for (const request of requests) this.#queue.insert(request);
    this.#pump();
  }

  /** These go elsewhere to wait. */
  extract(requests: readonly PendingRequest[]): void {
    for (const request of requests) this.#queue.extract(request);
    this.#release();
  }

  has(workerId: string): boolean {
    return this.#executors.has(workerId);
  }

  /** Takes new requests: somebody is here, and not on the way out. */
  get isActive(): boolean {
    return this.#active.length > 0;
  }

  /** An instance that would run a request at once. */
  get idle(): Executor | undefined {
    return this.#queue.isEmpty ? bestIdle(this.#active) : undefined;
  }

  /** Rows that wait with an earlier or equal deadline. */
  rowsUntil(deadlineMs: number): number {
    return this.#queue.rowsUntil(deadlineMs);
  }

  /**
   * When a request of so many rows, which has so many before it, is answered by instances; infinite where there is none.
   * Where all are draining, they serve out the queue: `servesOut` is for those who are in it already.
   */
  answeredAtMs(rows: number, rowsAhead: number, nowMs: number, servesOut = false): number {
    const executors = servesOut && this.#active.length === 0 ? this.executors : this.#active;
    const servers: Server[] = [];
    let aloneMs = 0;
    for (const executor of executors) {
      if (executor.isStuck(nowMs)) continue;
      const server = executor.asServer(nowMs);
      servers.push(server);
      // A request of more rows than a batch leaves alone, and takes longer than one.
      if (rows > server.batchSizeMax) aloneMs = Math.max(aloneMs, executor.serviceMs(rows) - server.fullBatchMs);
    }
    const before = aloneMs > 0 ? rowsAhead : rowsAhead + rows - 1;
    return nowMs + predictCompletionMs(servers, before) + aloneMs + this.#overheadMs;
  }

  /**
   * The same for a request that is to wait, with what predictions have been wrong by kept back beyond what its deadline keeps back
   * already. How wrong the first prediction was is learnt when it is answered.
   */
  predictAtMs(request: PendingRequest, rowsAhead: number, nowMs: number, servesOut = false): number {
    const answeredAtMs = this.answeredAtMs(request.rows, rowsAhead, nowMs, servesOut);
    if (Number.isNaN(request.predictedAtMs)) request.predictedAtMs = answeredAtMs;
    return answeredAtMs + (this.#margin?.extraMs(nowMs) ?? 0);
  }

  /** When it would be answered by this instance, which is idle, in a batch of so many rows. */
  doneAtMs(idle: Executor, rows: number, nowMs: number): number {
    return nowMs + idle.serviceMs(rows) + this.#overheadMs;
  }

  /** After this moment no instance answers the request in time any more; without instances it has passed. */
  lastMomentMs({ promisedAtMs, rows }: PendingRequest): number {
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const executor of this.#active) soonestMs = Math.min(soonestMs, executor.serviceMs(Math.max(rows, executor.batchSize)));
    return promisedAtMs - this.#overheadMs - soonestMs;
  }

  forget(request: PendingRequest): void {
    this.#queue.forget(request);
    this.#release();
  }

  givenUp(request: PendingRequest, nowMs: number): PlatformError {
    return this.#door.timedOut(request, nowMs);
  }

  freed(): void {
    this.#pump();
  }

  lost(executor: Executor): void {
    if (this.#executors.get(executor.worker.id) === executor) this.#executors.delete(executor.worker.id);
    this.#changed();
  }

  hangs(executor: Executor, reason: string): void {
    this.#needs.restart(executor.worker.id, reason);
  }

  configure(): void {
    this.#learnObjective();
    this.#planAll();
  }

  replan(): void {
    for (const executor of this.#executors.values()) executor.table = this.#tableOf(executor.worker);
    this.#planAll();
  }

  /** A worker is ready, or back with a new link. */
  attach(worker: SideWorker): void {
    this.#executors.delete(worker.id);
    const executor = new Executor(worker, this.#tableOf(worker), this.#door.clock.nowMs(), this.#overheadMs);
    executor.plan(this.#door.settings.objective, this.#door.clock.nowMs());
    this.#executors.set(worker.id, executor);
    this.#changed();
    this.#pump();
  }

  /** A worker is gone. Its open batch comes back through its link, which fails. */
  detach(workerId: string): void {
    this.#executors.delete(workerId);
    this.#changed();
    this.#release();
  }

  failed(workerId: string): void {
    this.detach(workerId);
  }

  /** Resolves once the worker runs nothing more; the last one here first serves out the queue. */
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

  /** Its workers are drained one by one by who knows of their end. */
  retire(): void {}

  async finish(): Promise<void> {
    await Promise.all([...this.#executors.keys()].map((id) => this.drain(id)));
  }

  close(): void {}

  #tableOf({ instanceType }: { readonly instanceType: string }): ServiceTable {
    return this.#needs.serviceTable(`instance:${instanceType}`);
  }

  /** What was learnt for another objective is of no use. */
  #learnObjective(): void {
    const latencyMs = this.#door.settings.objective?.latencyMs ?? null;
    if (latencyMs === this.#latencyMs) return;
    this.#latencyMs = latencyMs;
    this.#margin = latencyMs === null ? null : new AdmissionMargin(latencyMs);
  }

  readonly #observe = ({ predictedAtMs, call, losses }: PendingRequest, _result: unknown, latencyMs: number): void => {
    if (losses === 0) this.#margin?.observe(predictedAtMs, call.arrivedAtMs + latencyMs);
  };

  #planAll(): void {
    for (const executor of this.#executors.values()) executor.plan(this.#door.settings.objective, this.#door.clock.nowMs(), true);
  }

  #changed(): void {
    this.#active = this.executors.filter(({ isDraining }) => !isDraining);
    for (const request of this.#queue) request.predictedAtMs = Number.NaN; // for others than there are now
  }

  /** How long until the rows that wait are served, for Retry-After. */
  drainMs(): number {
    let rowsPerMs = 0;
    for (const executor of this.#executors.values()) rowsPerMs += executor.rowsPerMs();
    return rowsPerMs === 0 ? 1000 : this.#queue.rows / rowsPerMs;
  }

  /**
   * As long as an executor is idle and somebody waits, a batch leaves. And where a batch waits that is full, or that company would
   * make hardly cheaper, it is sent ahead to the executor that is done first, so that it need not wait for us.
   */
  #pump(): void {
    const { settings, clock } = this.#door;
    while (!this.#queue.isEmpty) {
      const nowMs = clock.nowMs();
      const idle = this.#idle();
      const executor = idle ?? this.#nextToFallIdle(nowMs);
      if (executor === undefined) break;
      executor.plan(settings.objective, nowMs);
      const batch = take(this.#queue, executor.batchSizeAt(this.#queue.rows / this.#executors.size));
      if (idle === undefined && !mayGoAhead(batch, executor, nowMs)) break;
      this.#queue.remove(batch);
      const behind = rowsOf(batch) >= executor.batchSize ? 'full' : 'ahead';
      const reason = executor.isDraining ? 'flush' : idle === undefined ? behind : 'idle';
      this.#door.run({ executor, requests: batch, reason, isColdStart: false, onAnswered: this.#observe });
    }
    this.#release();
  }

  /** Of the busy executors that take a batch ahead, the one that is done first. */
  #nextToFallIdle(nowMs: number): Executor | undefined {
    let best: Executor | undefined;
    for (const executor of this.#executors.values()) {
      if (!executor.takesAhead(nowMs)) continue;
      if (best === undefined || executor.asServer(nowMs).residualMs < best.asServer(nowMs).residualMs) best = executor;
    }
    return best;
  }

  #idle(): Executor | undefined {
    return bestIdle(this.#isLastResort ? this.#executors.values() : this.#active);
  }

  /** Only draining executors are left: they serve out the queue. */
  get #isLastResort(): boolean {
    return this.#active.length === 0;
  }

  /** Tells those who wait for a worker to have drained. */
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

/** What was sent ahead runs even if its timeout passes meanwhile, and how long the run before it takes may depend on its data. */
const aheadTimeoutMsMin = 10_000;

function rowsOf(batch: readonly PendingRequest[]): number {
  return batch.reduce((sum, { rows }) => sum + rows, 0);
}

/** A batch that gains nothing by waiting and of whom nobody's timeout is near: it will run as soon as it would have, and before it is too late. */
function mayGoAhead(batch: readonly PendingRequest[], executor: Executor, nowMs: number): boolean {
  return !executor.gainsByCompany(rowsOf(batch)) && batch.every(({ timeoutAtMs }) => timeoutAtMs > nowMs + aheadTimeoutMsMin);
}

/** The idle one that is fastest for one row; of equals the one used last, whose caches are warm. */
function bestIdle(executors: Iterable<Executor>): Executor | undefined {
  let best: Executor | undefined;
  for (const executor of executors) {
    if (executor.isBusy) continue;
    if (best === undefined || isBetter(executor, best)) best = executor;
  }
  return best;
}

function isBetter(left: Executor, right: Executor): boolean {
  const difference = left.table.medianMs(1) - right.table.medianMs(1);
  return difference < 0 || (difference === 0 && left.sinceMs > right.sinceMs);
}

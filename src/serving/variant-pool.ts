/**
 * The door of a variant: what becomes of every request, whoever runs it. It sets the deadlines, ends what took too
 * long, takes back what was lost, and answers everybody once; who waits where, and leaves when, is for its side to say.
 *
 * Everything between an event (a request comes, an executor falls idle, a timer fires) and its effect happens in one
 * go, without waiting: so a simulator can drive these very lines on a virtual clock.
 */
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { CaptureConfig, LostRequests } from '../monitoring/index.ts';
import { formatMs } from '../objective.ts';
import { type CloseReason, priorityShiftMs } from '../queueing/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { Signature } from '../tensor.ts';
import { bucketOf } from './batch-tensors.ts';
import type { Executor } from './executor.ts';
import type { FunctionsNeeds } from './function-needs.ts';
import { Functions } from './functions.ts';
import { Instances, type InstancesNeeds } from './instances.ts';
import { Overflow, type OverflowOptions } from './overflow.ts';
import { type InferenceCall, type Outcome, PendingRequest, type Route } from './request.ts';
import { type BatchEnd, runBatch } from './run-batch.ts';
import type { Departure, Door, PoolSettings, Side, SideWorker } from './side.ts';
import { VariantStatistics } from './statistics.ts';

export interface PoolNeighbours extends InstancesNeeds {
  readonly clock: Clock;
  /** Told of each batch that leaves. */
  readonly onDispatch: (reason: CloseReason, rows: number) => void;
  /** Told of each run that failed, with what it cost. */
  readonly onRunFailed?: (usd: number) => void;
  /** A worker died under requests, and what becomes of these. */
  readonly onLost?: (executorId: string, requests: LostRequests) => void;
  /** All requests of a batch have their answers. */
  readonly onBatchAnswered?: () => void;
  /** Where functions come from; may be left out where there are none. */
  readonly functions?: Omit<FunctionsNeeds, 'serviceTable'>;
  /** Beside instances, functions take nothing more for this reason; or, with null, they do again. */
  readonly onShut?: (reason: string | null) => void;
  /** The product's way where it is left out. */
  readonly overflow?: OverflowOptions | undefined;
}

/** Rows of one batch while the profile is being measured, as far as checks and configuration are concerned. */
const batchSizeMaxUnknown = 32;

/** So many workers may die under a request before it fails, whatever they died of. */
const lossesMax = 3;

/** A process is told to stop when its client's timeout has passed, also where that client takes its reply slowly, and given this long. */
const stopMs = 2000;

/** Without an objective a priority moves a request by up to a second. */
const priorityHorizonMs = 1000;

export class VariantPool implements Route, Door {
  readonly endpoint: string;
  readonly variant: string;
  readonly version: string;
  readonly model: ModelVersion;
  readonly runtime: Route['runtime'];
  readonly signature: Signature;
  readonly batchable: boolean;
  readonly clock: Clock;
  readonly statistics: VariantStatistics;
  isWatched = false;
  readonly #neighbours: PoolNeighbours;
  #side: Side;
  readonly #bucketOf: ReturnType<typeof bucketOf>;
  readonly #onDispatch: PoolNeighbours['onDispatch'];
  readonly #running = new Set<readonly PendingRequest[]>();
  #settings: PoolSettings;
  #isRetired = false;
  #sweepAtMs = Number.POSITIVE_INFINITY;
  #cancelSweep: () => void = () => {};
  #alone = 0;

  constructor(names: { endpoint: string; variant: string; model: ModelVersion }, settings: PoolSettings, neighbours: PoolNeighbours) {
    this.endpoint = names.endpoint;
    this.variant = names.variant;
    this.model = names.model;
    this.version = String(names.model.version);
    this.runtime = names.model.runtime.kind;
    this.signature = names.model.signature;
    this.batchable = names.model.batchable;
    this.clock = neighbours.clock;
    this.statistics = new VariantStatistics(this.clock.wallMs());
    this.#bucketOf = bucketOf(this.signature);
    this.#settings = settings;
    this.#onDispatch = neighbours.onDispatch;
    this.#neighbours = neighbours;
    const isServerless = settings.functions !== null && settings.isHybrid !== true;
    this.#side = isServerless ? new Functions(this, this.#functionsNeeds()) : this.#mayOverflow(new Instances(this, neighbours));
  }

  /** Those that run the variant, or take what its instances cannot finish in time; null where there are none. */
  get functions(): Functions | null {
    if (this.#settings.functions === null) return null;
    return this.#side instanceof Overflow ? this.#side.functions : this.#side instanceof Functions ? this.#side : null;
  }

  /** Functions beside instances; null where the variant has but one kind. */
  get overflow(): Overflow | null {
    return this.#settings.isHybrid === true && this.#side instanceof Overflow ? this.#side : null;
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
    return this.#side.batchSizeMax === 0 ? batchSizeMaxUnknown : this.#side.batchSizeMax;
  }

  /** The latency promised to clients, if any. */
  get objectiveMs(): number | null {
    return this.#settings.objective?.latencyMs ?? null;
  }

  get rowsWaiting(): number {
    return this.#side.rowsWaiting;
  }

  get executors(): readonly Executor[] {
    return this.#side.executors;
  }

  /** Nobody is here who could serve, and nobody on the way. */
  get isDeserted(): boolean {
    return this.#side.isDeserted;
  }

  get isEmpty(): boolean {
    return this.#side.rowsWaiting === 0 && this.#running.size === 0;
  }

  /** Traffic no longer comes here; what waits is served out. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** Traffic comes here from now on, by these settings. */
  configure(settings: PoolSettings): void {
    this.#settings = settings;
    this.#isRetired = false;
    if (this.#side instanceof Instances) this.#side = this.#mayOverflow(this.#side);
    this.#side.configure();
  }

  /** Service times were measured: executors know them from now on. */
  profileMeasured(): void {
    this.#side.replan();
  }

  /**
   * Takes a request. It is answered through `settle`, once: at once where it is refused, else when its batch is done
   * or its timeout has passed.
   */
  submit(call: InferenceCall, settle: (outcome: Outcome) => void): PendingRequest {
    const { objective, timeoutMs } = this.#settings;
    const timeoutAtMs = call.arrivedAtMs + (call.timeoutMs ?? timeoutMs);
    const promisedAtMs = this.#side.promisedAtMs(call.arrivedAtMs, timeoutAtMs);
    const shiftMs = priorityShiftMs(call.priority ?? 0, objective?.latencyMs ?? priorityHorizonMs);
    const bucket = this.#bucketOf === null ? '' : this.#bucketOf(call.inputs);
    const request = new PendingRequest(call, { deadlineMs: promisedAtMs + shiftMs, promisedAtMs, timeoutAtMs, bucket }, settle);
    const refusal = this.#side.refuses(request);
    if (refusal !== null) {
      request.fail(refusal);
      return request;
    }
    this.sweepBy(timeoutAtMs);
    this.#side.place(request);
    return request;
  }

  /** Takes over a request that waited elsewhere, in its place by deadline. */
  resubmit(request: PendingRequest): void {
    request.state = 'waiting';
    this.sweepBy(request.timeoutAtMs);
    this.#side.place(request);
  }

  /** The client is gone: the request is never run, its answer dropped. False where it was answered already. */
  cancel(request: PendingRequest): boolean {
    if (request.state === 'settled') return false;
    const waited = request.state === 'waiting';
    request.state = 'settled';
    request.onSettled?.();
    if (waited) this.#side.forget(request);
    return true;
  }

  attach(worker: SideWorker): void {
    this.#side.attach(worker);
  }

  detach(workerId: string): void {
    this.#side.detach(workerId);
  }

  failed(workerId: string, reason: string): void {
    this.#side.failed(workerId, reason);
  }

  drain(workerId: string): Promise<void> {
    return this.#side.drain(workerId);
  }

  retire(): void {
    this.#isRetired = true;
    this.#side.retire();
  }

  /** Takes nothing new; resolves when everybody who is here was answered. */
  finish(): Promise<void> {
    return this.#side.finish();
  }

  /** Nobody comes here any more, and nobody is here: its timer must not keep the process. */
  close(): void {
    this.#cancelSweep();
    this.#side.close();
  }

  /** Lets go of everybody who waits, for somebody else to serve or to refuse. */
  surrender(): PendingRequest[] {
    return this.#side.surrender();
  }

  run(departure: Departure): void {
    const nowMs = this.clock.nowMs();
    const { executor, reason, isColdStart, onAnswered, onEnd } = departure;
    const requests = departure.requests.filter((request) => request.timeoutAtMs > nowMs || this.#expire(request, nowMs));
    if (requests.length === 0) return this.#side.freed(executor);
    let rows = 0;
    for (const request of requests) rows += request.rows;
    const ride = { leftAtMs: nowMs, rows, requests: requests.length, reason, executor: executor.name };
    for (const request of requests) {
      request.state = 'running';
      request.ride = ride;
    }
    executor.begin(rows, nowMs);
    this.#running.add(requests);
    this.sweepBy(nowMs + this.#settings.timeoutMs);
    this.#onDispatch(reason, rows);
    const { clock, statistics } = this;
    runBatch({ clock, executor, statistics, reason, isColdStart, onRunFailed: this.runFailed }, requests, (end) => {
      this.#running.delete(requests);
      executor.end(clock.nowMs());
      if (end.lost.length > 0) this.#takeBack(executor, end);
      else executor.aliveAtMs = executor.sinceMs;
      onEnd?.(end.lost.length === 0 && end.answers.some(({ outcome }) => outcome.ok));
      // The next batch is on its way before the answers of this one are encoded.
      this.#side.freed(executor);
      this.#answer(end, onAnswered);
    });
  }

  readonly runFailed = (usd: number): void => this.#neighbours.onRunFailed?.(usd);

  /** One timer serves all limits: it is set for the earliest, and looks at everybody when it fires. */
  sweepBy(atMs: number): void {
    if (atMs >= this.#sweepAtMs) return;
    this.#cancelSweep();
    this.#sweepAtMs = atMs;
    this.#cancelSweep = this.clock.after(atMs - this.clock.nowMs(), () => this.#sweep());
  }

  timedOut({ call, timeoutAtMs }: PendingRequest, nowMs: number): PlatformError {
    const waitedMs = Math.round(nowMs - call.arrivedAtMs);
    const limitMs = Math.round(timeoutAtMs - call.arrivedAtMs);
    const text = `no answer from endpoint ${this.endpoint} within the timeout of ${formatMs(limitMs)} (${waitedMs} ms have passed)`;
    return new PlatformError('deadline_exceeded', text);
  }

  /** Once functions were beside its instances, they serve out what they have when they are given up, and may come back. */
  #mayOverflow(instances: Instances): Side {
    if (this.#settings.isHybrid !== true) return instances;
    const { overflow: options, onShut = () => {} } = this.#neighbours;
    return new Overflow(this, instances, { functions: this.#functionsNeeds(), options, onShut });
  }

  #functionsNeeds(): FunctionsNeeds {
    const { functions, serviceTable } = this.#neighbours;
    if (functions === undefined) throw new PlatformError('internal', 'a variant of functions needs somebody who starts them');
    return { ...functions, serviceTable };
  }

  #answer({ answers }: BatchEnd, onAnswered: Departure['onAnswered']): void {
    for (const { request, outcome } of answers) {
      const isWaitedFor = request.state !== 'settled';
      request.settle(outcome);
      if (onAnswered !== null && outcome.ok && isWaitedFor)
        onAnswered(request, outcome.result, this.clock.nowMs() - request.call.arrivedAtMs);
    }
    this.#neighbours.onBatchAnswered?.();
  }

  /**
   * A worker died under these. Each gets one more chance, alone, so that whoever killed it does so alone. It may get
   * a third where the second worker had shown no sign of life since the first died: then both may have been killed
   * together, from outside. A worker that had ended before it began says nothing about them.
   */
  #takeBack(executor: Executor, { lost, lostWhy: why, neverBegan }: BatchEnd): void {
    this.#side.lost(executor);
    let [runAgain, failed] = [0, 0];
    for (const request of lost) {
      if (request.isOverdue) failed++; // the timeout is over sooner than the run that hangs is ended
      if (request.state === 'settled') continue;
      const failure = neverBegan ? null : this.#failureAfterLoss(request, executor, why);
      if (failure !== null) {
        failed++;
        request.fail(failure);
        continue;
      }
      if (!neverBegan) request.bucket = `alone ${this.#alone++}`;
      runAgain++;
      this.resubmit(request);
    }
    if (runAgain + failed > 0) this.#neighbours.onLost?.(executor.worker.id, { runAgain, failed });
  }

  /** Null where it gets another chance. */
  #failureAfterLoss(request: PendingRequest, executor: Executor, why: string): PlatformError | null {
    request.losses++;
    if (request.hasReplyBegun)
      return new PlatformError('model_failed', `the worker of ${this.model.name} died in the middle of its reply: ${why}`);
    if (request.losses === lossesMax || (request.losses > 1 && executor.aliveAtMs >= request.lostAtMs)) {
      const text = `the worker of ${this.model.name} died ${request.losses} times while it ran this request: ${why}`;
      return new PlatformError('model_failed', text);
    }
    request.lostAtMs = this.clock.nowMs();
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
    const { isInLimitOrder } = this.#side;
    for (const request of this.#side.waiting()) {
      if (request.limitAtMs <= nowMs) over.push(request);
      else if (request.limitAtMs < nextMs) nextMs = request.limitAtMs;
      // Where thousands wait and each has its moment, looking at all of them each time would take all the time there is.
      if (isInLimitOrder && request.limitAtMs > nowMs) break;
    }
    for (const request of over) {
      if (request.state !== 'waiting') continue;
      const refusal = this.#side.givenUp(request, nowMs);
      if (refusal === null) {
        nextMs = Math.min(nextMs, request.limitAtMs);
        continue;
      }
      request.fail(refusal);
      this.#side.forget(request);
    }
    for (const request of [...this.#running].flat()) {
      if (request.state === 'settled') continue;
      if (request.timeoutAtMs <= nowMs) {
        request.isOverdue = true;
        this.#expire(request, nowMs);
      } else nextMs = Math.min(nextMs, request.timeoutAtMs);
    }
    const { timeoutMs } = this.#settings;
    for (const executor of this.#side.executors) {
      if (!executor.isBusy) continue;
      const endsByMs = executor.sinceMs + timeoutMs + (this.runtime === 'process' ? stopMs : 0);
      if (endsByMs <= nowMs) this.#side.hangs(executor, `a run did not end within the endpoint's timeout of ${formatMs(timeoutMs)}`);
      else nextMs = Math.min(nextMs, endsByMs);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.sweepBy(nextMs);
  }
}

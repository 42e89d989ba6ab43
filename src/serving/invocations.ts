/** Tracks each inference request through serving. The only place where requests are counted, priced and logged. */

import type { Clock } from '../clock.ts';
import type { BilledInvocation, Ledger, RequestAccount } from '../costs/index.ts';
import { type ErrorCode, messageOf, type PlatformError } from '../errors.ts';
import type { Log, RequestEnd, RequestLine } from '../logs/index.ts';
import type { Metrics, VariantMetrics } from '../metrics/index.ts';
import { nameKey } from '../names.ts';
import { isFunctionType } from './executor.ts';
import { PlannedRows } from './plans/planned-rows.ts';
import type { InferenceCall, InferenceOutcome, InferenceResult, PendingRequest, RejectedCall, RequestPath, SplitCall } from './request.ts';
import { planLineOf } from './row-answers.ts';
import { type ArrivedCounts, noTraffic, type TrafficCounts, TrafficMeter } from './traffic/traffic-meter.ts';
import type { VariantPool } from './variant-pool.ts';

/** Where a finished request is recorded. */
export interface Accounting {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly ledger: Ledger;
  readonly log: Log;
  readonly lines: RequestLines;
}

/**
 * Receives the log lines of requests. At tens of thousands of requests per second most are not logged, so lines are built only if
 * needed.
 */
export interface RequestLines {
  /**
   * The sampling weight: how many requests this request's log line stands for; 0 if it gets no line. Called once per request, in
   * order.
   */
  weightOf(endpoint: string, end: RequestEnd): number;
  /** Whether the request is traced and needs a line even if its weight is 0. */
  isTraced(requestId: string): boolean;
  write(line: RequestLine, weight: number): void;
}

/** Maximum age of the instance count, by which the metric of invocations per instance divides. */
const instancesAgeMsMax = 1000;

/** A request as it arrived, and its path since. */
interface TrackedArrival {
  /** Number of rows that were waiting when it arrived. */
  readonly rowsAhead: number;
  /** null until it is queued, and if it was rejected on arrival. */
  request: PendingRequest | null;
}

/** Counters and accounts of a pool's requests, looked up once per pool. */
interface PoolAccount {
  readonly meter: TrafficMeter;
  readonly metrics: VariantMetrics;
  readonly costs: RequestAccount;
  /** When the instances of the pool were last counted, `clock.nowMs()`. */
  countedAtMs: number;
}

/** A request whose response was sent. */
interface Answered {
  /** The pool that received the request; a successor may have answered it. */
  readonly pool: VariantPool;
  readonly account: PoolAccount;
  readonly call: InferenceCall;
  readonly result: Omit<InferenceResult, 'outputs'>;
  readonly arrival: TrackedArrival;
  readonly endMs: number;
  readonly encodeMs: number;
}

/** Answered requests of a batch are counted together, after their responses were sent. */
export class Invocations {
  readonly #accounting: Accounting;
  readonly #accounts = new WeakMap<VariantPool, PoolAccount>();
  /** By endpoint and variant: meters outlive pools, which exist per version. */
  readonly #meters = new Map<string, TrafficMeter>();
  /** Answered requests of the current batch that are not counted yet. */
  readonly #uncounted: Answered[] = [];
  readonly #plannedRows = new PlannedRows();

  constructor(accounting: Accounting) {
    this.#accounting = accounting;
  }

  /** Submits the request to the pool. The returned function cancels it; see `Serving.invoke`. */
  start(pool: VariantPool, call: InferenceCall, settle: (outcome: InferenceOutcome) => void): () => void {
    const { clock, log } = this.#accounting;
    const account = this.#accountOf(pool);
    const { meter } = account;
    const rows = Math.max(1, call.rows);
    meter.arrived(rows, clock.nowMs());
    const arrival: TrackedArrival = { rowsAhead: pool.rowsWaiting, request: null };
    const pending = pool.submit(call, (outcome) => {
      const startMs = clock.nowMs();
      meter.departed(rows, startMs);
      try {
        settle(outcome);
      } catch (error) {
        log.error({ requestId: call.requestId, endpoint: pool.endpoint, error: messageOf(error) }, 'failed to encode or send a response');
      }
      const endMs = clock.nowMs();
      if (outcome.ok && call.whole === undefined)
        this.#uncounted.push({ pool, account, call, result: outcome.result, arrival, endMs, encodeMs: endMs - startMs });
      else this.#record(pool, account, call, outcome, startMs, endMs, arrival);
    });
    arrival.request = pending;
    return () => {
      if (!pool.cancel(pending)) return;
      const nowMs = clock.nowMs();
      meter.departed(rows, nowMs);
      if (call.whole === undefined) this.#refused(pool, account, call, nowMs, 'cancelled', 'the client disconnected', arrival);
      else if (call.whole.end === 'cancelled') this.#recordWhole(pool, account, call, nowMs, call.whole, arrival);
    };
  }

  /** Traffic of a variant since the server started, over all versions. */
  traffic(endpoint: string, variant: string): TrafficCounts {
    return this.#meters.get(meterKey(endpoint, variant))?.counts(this.#accounting.clock.nowMs()) ?? noTraffic;
  }

  /** Arrivals of each variant. */
  arrived(): readonly ArrivedCounts[] {
    return [...this.#meters.values()].map(({ soFar }) => soFar);
  }

  /** Drops the meters of a deleted endpoint, so a new endpoint of the same name starts from zero. */
  discard(endpoint: string): void {
    const prefix = meterKey(endpoint, '');
    for (const key of this.#meters.keys()) if (key.startsWith(prefix)) this.#meters.delete(key);
  }

  /** Counts and logs a request that an adapter rejected before it was queued; `error`: null if its client disconnected. */
  reject(pool: VariantPool, { receivedAtMs, ...call }: RejectedCall, error: PlatformError | null): void {
    const nowMs = this.#accounting.clock.nowMs();
    const all = receivedAtMs === undefined ? call : { ...call, arrivedAtMs: receivedAtMs, bodyMs: call.arrivedAtMs - receivedAtMs };
    const account = this.#accountOf(pool);
    if (error === null) return this.#refused(pool, account, all, nowMs, 'cancelled', 'the client disconnected');
    pool.statistics.failed(nowMs - all.arrivedAtMs, error.code);
    this.#refused(pool, account, all, nowMs, error.code, error.message);
  }

  /**
   * Counts all answered requests of a batch together. Otherwise encoding and sending each response would evict the counting code
   * from the processor's caches.
   */
  batchAnswered(): void {
    const { clock } = this.#accounting;
    const [nowMs, wallMs] = [clock.nowMs(), clock.wallMs()];
    for (const answered of this.#uncounted.splice(0)) {
      const { pool, account, call, result, arrival, endMs } = answered;
      account.meter.answered(!isLate(pool, endMs - call.arrivedAtMs), result.overflow !== null);
      this.#answered(answered, requestPathOf(arrival), Math.round(wallMs - (nowMs - endMs)));
    }
    this.#plannedRows.record();
  }

  /** Counts a dispatched batch. */
  dispatched(pool: VariantPool, reason: string, rows: number): void {
    const account = this.#accountOf(pool);
    countInstances(account, pool, this.#accounting.clock.nowMs());
    account.metrics.dispatch(reason, rows);
  }

  /** Records the cost of a failed run. */
  runFailed(pool: VariantPool, usd: number): void {
    this.#accountOf(pool).costs.runFailed(usd);
  }

  /** Bills a run of a function. */
  invoked(pool: VariantPool, invocation: BilledInvocation): void {
    this.#accounting.ledger.invoked(pool.endpoint, pool.variant, invocation);
    this.#accountOf(pool).metrics.invoked(invocation.billedMs, invocation.isColdStart, invocation.setupMs);
  }

  /** Records requests that are not counted with their batch: failures, and parts of a split call. */
  #record(
    pool: VariantPool,
    account: PoolAccount,
    call: InferenceCall,
    outcome: InferenceOutcome,
    startMs: number,
    endMs: number,
    arrival: TrackedArrival,
  ): void {
    const { whole } = call;
    const { meter } = account;
    if (outcome.ok) {
      meter.answered(!isLate(pool, endMs - call.arrivedAtMs), outcome.result.overflow !== null);
      whole?.addPart(outcome.result, call.arrivedAtMs, endMs - startMs, requestPathOf(arrival));
    } else {
      meter.refused(outcome.error.code);
      if (whole === undefined) this.#failed(pool, account, call, endMs, outcome.error, arrival);
    }
    if (whole !== undefined) this.#recordWhole(pool, account, call, endMs, whole, arrival);
  }

  /** Called once, when the last part with a waiting client has ended. */
  #recordWhole(
    pool: VariantPool,
    account: PoolAccount,
    call: InferenceCall,
    endMs: number,
    whole: SplitCall,
    arrival: TrackedArrival,
  ): void {
    const { end } = whole;
    if (end === null || whole.isRecorded) return;
    whole.isRecorded = true;
    const all = { ...call, rows: whole.rows };
    if (end === 'ok') {
      const { result, encodeMs, path } = whole.answered(endMs - call.arrivedAtMs);
      this.#answered({ pool, account, call: all, result, arrival, endMs, encodeMs }, path, this.#accounting.clock.wallMs());
      this.#plannedRows.record();
    } else if (end === 'cancelled') this.#refused(pool, account, all, endMs, 'cancelled', 'the client disconnected', arrival);
    else this.#failed(pool, account, all, endMs, end, arrival);
  }

  #failed(
    pool: VariantPool,
    account: PoolAccount,
    call: InferenceCall,
    nowMs: number,
    error: PlatformError,
    arrival: TrackedArrival,
  ): void {
    pool.statistics.failed(nowMs - call.arrivedAtMs, error.code);
    this.#refused(pool, account, call, nowMs, error.code, error.message, arrival);
  }

  /** Counts and logs an answered request. `atMs`: wall-clock time of its end. */
  #answered({ pool, account, call, result, endMs, encodeMs }: Answered, path: RequestPath, atMs: number): void {
    const { metrics, costs } = account;
    const { lines } = this.#accounting;
    const totalMs = endMs - call.arrivedAtMs;
    const { timings, costUsd, executor, overflow, coldStart } = result;
    const { rows, requestId } = call;
    const late = isLate(pool, totalMs);
    const answer = {
      totalMs,
      queueMs: timings.queueMs,
      computeMs: timings.serviceMs,
      encodeMs,
      rows,
      costUsd,
      batchWaitMs: path.batchWaitMs,
      overflow,
    };
    metrics.answered(answer, isFunctionType(executor) ? 'function' : 'instance', pool.objectiveMs === null ? null : late);
    if (result.answered !== undefined) this.#plannedRows.add(metrics, result.answered);
    costs.answered(costUsd);
    pool.statistics.answered(totalMs, timings, atMs);
    if (late) pool.statistics.late++;
    if (overflow !== null) pool.statistics.overflowed++;
    const isSpecial = late || overflow !== null || coldStart || call.whole !== undefined;
    const weight = lines.weightOf(pool.endpoint, { atMs, totalMs, isSpecial });
    if (weight === 0 && !lines.isTraced(requestId)) return;
    lines.write(
      {
        ...answer,
        atMs,
        requestId,
        endpoint: pool.endpoint,
        variant: pool.variant,
        version: pool.version,
        status: 'ok',
        batchRows: result.batchRows,
        batchRequests: path.batchRequests,
        parts: call.whole?.parts,
        rowsAhead: path.rowsAhead,
        closeReason: result.closeReason,
        executor,
        coldStart,
        ...(result.answered === undefined ? {} : { plan: planLineOf(result.answered) }),
      },
      weight,
    );
  }

  #refused(
    pool: VariantPool,
    account: PoolAccount,
    call: Pick<InferenceCall, 'requestId' | 'rows' | 'arrivedAtMs' | 'whole'> & Pick<RequestLine, 'bodyMs'>,
    nowMs: number,
    status: ErrorCode | 'cancelled',
    error: string,
    arrival: TrackedArrival | null = null,
  ): void {
    const batchEntry = arrival?.request?.batchEntry ?? null;
    const { clock, lines } = this.#accounting;
    const atMs = clock.wallMs();
    const totalMs = nowMs - call.arrivedAtMs;
    const waitedMs = batchEntry === null ? totalMs : batchEntry.dispatchedAtMs - call.arrivedAtMs;
    const queueMs = arrival === null ? 0 : waitedMs; // a request that was rejected on arrival did not wait
    const computeMs = batchEntry === null ? 0 : totalMs - waitedMs;
    countInstances(account, pool, nowMs);
    account.metrics.refused(status, totalMs);
    if (status !== 'cancelled') account.costs.failed();
    lines.write(
      {
        atMs,
        requestId: call.requestId,
        endpoint: pool.endpoint,
        variant: pool.variant,
        version: pool.version,
        status,
        rows: call.rows,
        batchRows: batchEntry?.rows ?? 0,
        closeReason: batchEntry?.reason ?? '',
        ...(batchEntry === null ? {} : { executor: batchEntry.executor }),
        queueMs,
        computeMs,
        encodeMs: 0,
        totalMs,
        costUsd: 0,
        bodyMs: call.bodyMs,
        ...(arrival === null ? {} : requestPathOf(arrival)),
        ...partsOf(call),
        error,
      },
      lines.weightOf(pool.endpoint, { atMs, totalMs, isSpecial: true }),
    );
  }

  #accountOf(pool: VariantPool): PoolAccount {
    let account = this.#accounts.get(pool);
    if (account === undefined) {
      const { endpoint, variant } = pool;
      const key = meterKey(endpoint, variant);
      const meter = this.#meters.get(key) ?? new TrafficMeter(endpoint, variant);
      this.#meters.set(key, meter);
      const { metrics, ledger } = this.#accounting;
      account = {
        meter,
        metrics: metrics.variant(endpoint, variant),
        costs: ledger.accountOf(endpoint, variant),

        countedAtMs: -Infinity,
      };
      this.#accounts.set(pool, account);
    }
    return account;
  }
}

/**
 * Updates the number of instances for the metric of invocations per instance. Refreshed per batch or rejection, at most once per
 * second.
 */
function countInstances(account: PoolAccount, pool: VariantPool, nowMs: number): void {
  if (nowMs - account.countedAtMs < instancesAgeMsMax) return;
  account.countedAtMs = nowMs;
  account.metrics.runsOn(instancesOf(pool));
}

/** Number of instances. A worker that runs several requests at once counts as one. */
function instancesOf({ executors }: VariantPool): number {
  return new Set(executors.flatMap(({ isFunction, worker }) => (isFunction ? [] : [worker.id]))).size;
}

function isLate({ objectiveMs }: VariantPool, totalMs: number): boolean {
  return objectiveMs !== null && totalMs > objectiveMs;
}

function partsOf({ whole }: Pick<InferenceCall, 'whole'>): Pick<RequestLine, 'parts'> {
  return whole === undefined ? {} : { parts: whole.parts };
}

/**
 * How long a batch was held open, and its size, for the request log. Only batches for functions are held open. After they are due,
 * they wait for a free function, which counts as queueing.
 */
function requestPathOf({ rowsAhead, request }: TrackedArrival): RequestPath {
  if (request === null || request.batchEntry === null) return { rowsAhead };
  const { call, dueAtMs, overflow, batchEntry } = request;
  const wasHeld = batchEntry.executor.startsWith('function:') && (overflow === null || overflow === 'predicted');
  const heldUntilMs = Number.isNaN(dueAtMs) ? batchEntry.dispatchedAtMs : Math.min(dueAtMs, batchEntry.dispatchedAtMs);
  return { rowsAhead, batchRequests: batchEntry.requests, batchWaitMs: wasHeld ? Math.max(heldUntilMs - call.arrivedAtMs, 0) : 0 };
}

function meterKey(endpoint: string, variant: string): string {
  return nameKey(`${endpoint}/${variant}`);
}

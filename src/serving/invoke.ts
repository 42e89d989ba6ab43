/** The road of one inference request through serving, and the one place where it is counted, priced and logged. */
import type { Clock } from '../clock.ts';
import type { Invocation, Ledger, RequestBook } from '../costs/index.ts';
import { type ErrorCode, messageOf, type PlatformError } from '../errors.ts';
import type { Log, Metrics, RequestEnd, RequestLine, VariantMetrics } from '../monitoring/index.ts';
import { isFunctionType } from './executor.ts';
import type { InferenceCall, InferenceResult, Outcome, PendingRequest, RefusedCall, Road, WholeCall } from './request.ts';
import { type Arrived, noTraffic, type TrafficCounts, TrafficMeter } from './traffic-meter.ts';
import type { VariantPool } from './variant-pool.ts';

export interface Books {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly ledger: Ledger;
  readonly log: Log;
  readonly lines: RequestLines;
}

/** Who takes the lines that tell how requests went. At tens of thousands a second most have none: they are not put together in vain. */
export interface RequestLines {
  /** For how many requests of its endpoint a line of this one is to stand; 0 where it has none. Asked once for each, in order. */
  weightOf(endpoint: string, end: RequestEnd): number;
  /** It is told of elsewhere, whatever its weight. */
  isTraced(requestId: string): boolean;
  write(line: RequestLine, weight: number): void;
}

/** So old may the number be by which invocations are shared out among instances. */
const instancesAgeMsMax = 1000;

/** A request as it came, and its road from there. */
interface Came {
  /** That waited already. */
  readonly rowsAhead: number;
  /** Null until it was placed, and where it was refused at once. */
  request: PendingRequest | null;
}

/** What is looked up once for each pool: where its requests are counted. */
interface PoolAccount {
  readonly meter: TrafficMeter;
  readonly metrics: VariantMetrics;
  readonly book: RequestBook;
  /** When its instances were. */
  countedAtMs: number;
}

/** A request whose answer has gone out. */
interface Answered {
  /** To which it came: another may have answered it. */
  readonly pool: VariantPool;
  readonly account: PoolAccount;
  readonly call: InferenceCall;
  readonly result: Omit<InferenceResult, 'outputs'>;
  readonly came: Came;
  readonly endMs: number;
  readonly encodeMs: number;
}

export class Invocations {
  readonly #books: Books;
  readonly #accounts = new WeakMap<VariantPool, PoolAccount>();
  /** By endpoint and variant: they outlive the pools, of which each version has its own. */
  readonly #meters = new Map<string, TrafficMeter>();
  /** Of the batch that is being answered: who was, and is not counted yet. */
  readonly #uncounted: Answered[] = [];

  constructor(books: Books) {
    this.#books = books;
  }

  /** Hands the request to the pool. The answer cancels it; see `Serving.invoke`. */
  start(pool: VariantPool, call: InferenceCall, settle: (outcome: Outcome) => void): () => void {
    const { clock, log } = this.#books;
    const account = this.#accountOf(pool);
    const { meter } = account;
    const rows = Math.max(1, call.rows);
    meter.arrived(rows, clock.nowMs());
    const came: Came = { rowsAhead: pool.rowsWaiting, request: null };
    const pending = pool.submit(call, (outcome) => {
      const startMs = clock.nowMs();
      meter.left(rows, startMs);
      try {
        settle(outcome);
      } catch (error) {
        log.error(
          { requestId: call.requestId, endpoint: pool.endpoint, error: messageOf(error) },
          'an answer could not be encoded or sent',
        );
      }
      const endMs = clock.nowMs();
      if (outcome.ok && call.whole === undefined)
        this.#uncounted.push({ pool, account, call, result: outcome.result, came, endMs, encodeMs: endMs - startMs });
      else this.#record(pool, account, call, outcome, startMs, endMs, came);
    });
    came.request = pending;
    return () => {
      if (!pool.cancel(pending)) return;
      const nowMs = clock.nowMs();
      meter.left(rows, nowMs);
      if (call.whole === undefined) this.#refused(pool, account, call, nowMs, 'cancelled', 'the client went away', came);
      else if (call.whole.end === 'cancelled') this.#recordWhole(pool, account, call, nowMs, call.whole, came);
    };
  }

  /** What has come to a variant. */
  traffic(endpoint: string, variant: string): TrafficCounts {
    return this.#meters.get(meterKey(endpoint, variant))?.counts(this.#books.clock.nowMs()) ?? noTraffic;
  }

  /** Who has come to each variant. */
  arrived(): readonly Arrived[] {
    return [...this.#meters.values()].map(({ soFar }) => soFar);
  }

  /** The endpoint is gone: one that comes later under its name begins anew. */
  forget(endpoint: string): void {
    const prefix = meterKey(endpoint, '');
    for (const key of this.#meters.keys()) if (key.startsWith(prefix)) this.#meters.delete(key);
  }

  /** A request that an adapter refused before it came here: counted and logged all the same. */
  reject(pool: VariantPool, { cameAtMs, ...call }: RefusedCall, error: PlatformError): void {
    const nowMs = this.#books.clock.nowMs();
    const all = cameAtMs === undefined ? call : { ...call, arrivedAtMs: cameAtMs, bodyMs: call.arrivedAtMs - cameAtMs };
    pool.statistics.failed(nowMs - all.arrivedAtMs, error.code);
    this.#refused(pool, this.#accountOf(pool), all, nowMs, error.code, error.message);
  }

  /**
   * All of a batch have their answers, and are counted in a row: the code that does has been driven out of the processor's caches by each answer
   * that was encoded and sent, and so comes in once for all of them.
   */
  batchAnswered(): void {
    const { clock } = this.#books;
    const [nowMs, wallMs] = [clock.nowMs(), clock.wallMs()];
    for (const answered of this.#uncounted.splice(0)) {
      const { pool, account, call, result, came, endMs } = answered;
      account.meter.answered(!isLate(pool, endMs - call.arrivedAtMs), result.overflow !== null);
      this.#answered(answered, roadOf(came), Math.round(wallMs - (nowMs - endMs)));
    }
  }

  /** A batch left. */
  dispatched(pool: VariantPool, reason: string, rows: number): void {
    const account = this.#accountOf(pool);
    countInstances(account, pool, this.#books.clock.nowMs());
    account.metrics.dispatch(reason, rows);
  }

  /** What ran on an executor came to nothing, and is paid for. */
  runFailed(pool: VariantPool, usd: number): void {
    this.#accountOf(pool).book.runFailed(usd);
  }

  /** A function ran a batch. */
  invoked(pool: VariantPool, invocation: Invocation): void {
    this.#books.ledger.invoked(pool.endpoint, pool.variant, invocation);
    this.#accountOf(pool).metrics.invoked(invocation.billedMs, invocation.isColdStart, invocation.setupMs);
  }

  /** Of what is not counted with its batch: who failed, and parts of a whole. */
  #record(
    pool: VariantPool,
    account: PoolAccount,
    call: InferenceCall,
    outcome: Outcome,
    startMs: number,
    endMs: number,
    came: Came,
  ): void {
    const { whole } = call;
    const { meter } = account;
    if (outcome.ok) {
      meter.answered(!isLate(pool, endMs - call.arrivedAtMs), outcome.result.overflow !== null);
      whole?.take(outcome.result, call.arrivedAtMs, endMs - startMs, roadOf(came));
    } else {
      meter.refused(outcome.error.code);
      if (whole === undefined) this.#failed(pool, account, call, endMs, outcome.error, came);
    }
    if (whole !== undefined) this.#recordWhole(pool, account, call, endMs, whole, came);
  }

  /** Once, when the last of its parts that anybody waits for has ended. */
  #recordWhole(pool: VariantPool, account: PoolAccount, call: InferenceCall, endMs: number, whole: WholeCall, came: Came): void {
    const { end } = whole;
    if (end === null || whole.isRecorded) return;
    whole.isRecorded = true;
    const all = { ...call, rows: whole.rows };
    if (end === 'ok') {
      const { result, encodeMs, road } = whole.answered(endMs - call.arrivedAtMs);
      this.#answered({ pool, account, call: all, result, came, endMs, encodeMs }, road, this.#books.clock.wallMs());
    } else if (end === 'cancelled') this.#refused(pool, account, all, endMs, 'cancelled', 'the client went away', came);
    else this.#failed(pool, account, all, endMs, end, came);
  }

  #failed(pool: VariantPool, account: PoolAccount, call: InferenceCall, nowMs: number, error: PlatformError, came: Came): void {
    pool.statistics.failed(nowMs - call.arrivedAtMs, error.code);
    this.#refused(pool, account, call, nowMs, error.code, error.message, came);
  }

  /** `atMs`: when it ended, on the wall. */
  #answered({ pool, account, call, result, endMs, encodeMs }: Answered, road: Road, atMs: number): void {
    const { metrics, book } = account;
    const { lines } = this.#books;
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
      batchWaitMs: road.batchWaitMs,
      overflow,
    };
    metrics.answered(answer, isFunctionType(executor) ? 'function' : 'instance', pool.objectiveMs === null ? null : late);
    book.answered(costUsd);
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
        batchRequests: road.batchRequests,
        parts: call.whole?.parts,
        rowsAhead: road.rowsAhead,
        closeReason: result.closeReason,
        executor,
        coldStart,
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
    came: Came | null = null,
  ): void {
    const ride = came?.request?.ride ?? null;
    const { clock, lines } = this.#books;
    const atMs = clock.wallMs();
    const totalMs = nowMs - call.arrivedAtMs;
    const waitedMs = ride === null ? totalMs : ride.leftAtMs - call.arrivedAtMs;
    const queueMs = came === null ? 0 : waitedMs; // who was never placed waited for nobody
    const computeMs = ride === null ? 0 : totalMs - waitedMs;
    countInstances(account, pool, nowMs);
    account.metrics.refused(status, totalMs);
    if (status !== 'cancelled') account.book.failed();
    lines.write(
      {
        atMs,
        requestId: call.requestId,
        endpoint: pool.endpoint,
        variant: pool.variant,
        version: pool.version,
        status,
        rows: call.rows,
        batchRows: ride?.rows ?? 0,
        closeReason: ride?.reason ?? '',
        ...(ride === null ? {} : { executor: ride.executor }),
        queueMs,
        computeMs,
        encodeMs: 0,
        totalMs,
        costUsd: 0,
        bodyMs: call.bodyMs,
        ...(came === null ? {} : roadOf(came)),
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
      const { metrics, ledger } = this.#books;
      account = {
        meter,
        metrics: metrics.variant(endpoint, variant),
        book: ledger.bookOf(endpoint, variant),

        countedAtMs: -Infinity,
      };
      this.#accounts.set(pool, account);
    }
    return account;
  }
}

/** Each call counts as a part of the instances there were when it came: found out now and then, for each batch or refusal. */
function countInstances(account: PoolAccount, pool: VariantPool, nowMs: number): void {
  if (nowMs - account.countedAtMs < instancesAgeMsMax) return;
  account.countedAtMs = nowMs;
  account.metrics.runsOn(instancesOf(pool));
}

/** A worker that takes several requests at once is one instance. */
function instancesOf({ executors }: VariantPool): number {
  return new Set(executors.flatMap(({ isFunction, worker }) => (isFunction ? [] : [worker.id]))).size;
}

function isLate({ objectiveMs }: VariantPool, totalMs: number): boolean {
  return objectiveMs !== null && totalMs > objectiveMs;
}

function partsOf({ whole }: Pick<InferenceCall, 'whole'>): Pick<RequestLine, 'parts'> {
  return whole === undefined ? {} : { parts: whole.parts };
}

/** Instances are never kept from a batch; a function's batch is kept for company until it is due, and then for somebody to be free. */
function roadOf({ rowsAhead, request }: Came): Road {
  if (request === null || request.ride === null) return { rowsAhead };
  const { call, dueAtMs, overflow, ride } = request;
  const wasKept = ride.executor.startsWith('function:') && (overflow === null || overflow === 'predicted');
  const keptUntilMs = Number.isNaN(dueAtMs) ? ride.leftAtMs : Math.min(dueAtMs, ride.leftAtMs);
  return { rowsAhead, batchRequests: ride.requests, batchWaitMs: wasKept ? Math.max(keptUntilMs - call.arrivedAtMs, 0) : 0 };
}

function meterKey(endpoint: string, variant: string): string {
  return `${endpoint}/${variant}`.toLowerCase();
}

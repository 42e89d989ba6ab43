/**
 * The current rule for holding function batches open. Derived from the setting, the service times of the existing memory sizes,
 * their drift and the margin.
 */
import { type Objective, objectiveShare } from '../../objective.ts';
import { batchSizeFor, type ServiceTable } from '../../profiling/index.ts';
import { type HoldPolicy, nextMarginMs } from '../../queueing/index.ts';
import { ServiceDrift } from '../service-drift.ts';
import { type FunctionSetting, holdPolicy } from './function-setting.ts';
import { Period } from './period.ts';

/** Minimum interval between two searches for outdated measurements. */
const forgetEveryMs = 1000;

/** Minimum time reserved before a client's timeout, because a response after it is useless. */
export const timeoutReserveMs = 2;

/** A new setting changes the rule of batches that open later; open ones keep theirs. */
export class FunctionRule {
  readonly #rowsMax: number;
  readonly #tableOf: (memoryMiB: number) => ServiceTable;
  readonly #margins: Margins;
  readonly #drift = new ServiceDrift();
  #objective: Objective | null;
  #setting: FunctionSetting;
  #policy: HoldPolicy = { kind: 'none' };
  #tables: readonly ServiceTable[] = [];
  #batchSizeLate = 1;
  #forgotAtMs = Number.NEGATIVE_INFINITY;
  #period: Period;

  constructor(
    setting: FunctionSetting,
    objective: Objective | null,
    options: {
      readonly tableOf: (memoryMiB: number) => ServiceTable;
      readonly marginMsFixed: number | null;
      /** Upper limit of rows per batch, regardless of the setting; infinite if only the setting decides. */
      readonly rowsMax: number;
      readonly nowMs: number;
    },
  ) {
    this.#rowsMax = options.rowsMax;
    this.#setting = setting;
    this.#objective = objective;
    this.#tableOf = options.tableOf;
    this.#margins = new Margins(options.marginMsFixed);
    this.#period = new Period(options.nowMs, objective?.latencyMs ?? null);
  }

  get setting(): FunctionSetting {
    return this.#setting;
  }

  /** The hold rule for batches that open from now on. */
  get policy(): HoldPolicy {
    return this.#policy;
  }

  /** B. */
  get batchSizeMax(): number {
    return this.#policy.kind === 'none' ? 1 : this.#policy.batchSizeMax;
  }

  /**
   * Rows per batch for requests that are late anyway: the batch size with the best throughput. A B chosen under load can be too
   * small (down to 1) to ever drain the queue.
   */
  get batchSizeLate(): number {
    return Math.max(this.batchSizeMax, this.#batchSizeLate);
  }

  /** The measurement period of batches opened from now on. */
  get period(): Period {
    return this.#period;
  }

  /** δ */
  get marginMs(): number {
    return this.#objective === null ? 0 : this.#margins.marginMs(this.#setting.memoryMiB, this.#objective);
  }

  /** q of the objective. */
  get quantile(): number {
    return this.#objective === null ? 0.95 : objectiveShare(this.#objective);
  }

  get drift(): ServiceDrift {
    return this.#drift;
  }

  /** Explains the batch size, for views. */
  get reason(): string {
    if (this.#policy.kind === 'none') return 'requests are not held for batching';
    const { kind, batchSizeMax } = this.#policy;
    const until = kind === 'timeout' ? `for at most ${this.#policy.waitMsMax} ms` : 'as long as the objective allows';
    return `a batch is held open ${until}, up to ${batchSizeMax} rows`;
  }

  /** Begins a new period. `plan` must follow. */
  apply(setting: FunctionSetting, objective: Objective | null, nowMs: number): void {
    this.#setting = setting;
    this.#objective = objective;
    this.#period = new Period(nowMs, objective?.latencyMs ?? null);
  }

  /**
   * Plans for the memory sizes of existing environments. While there are several, each batch is dispatched in time for the slowest.
   * With `adapts` (the slack rule), late requests may use larger batches than chosen.
   */
  plan(memorySizes: ReadonlySet<number>, batchable: boolean, adapts: boolean): void {
    this.#tables = Array.from(memorySizes, (memoryMiB) => this.#tableOf(memoryMiB));
    const batchMax = batchable ? Math.min(this.#rowsMax, ...this.#tables.map((table) => table.batchMax)) : 1;
    this.#policy = holdPolicy(this.#setting, this.#objective, batchMax, (rows) => this.serviceMs(rows));
    const fastest = this.#tables.map((table) => batchSizeFor(table, null, 0).batchSize);
    this.#batchSizeLate = adapts && this.#objective !== null ? Math.min(batchMax, ...fastest) : 1;
  }

  /** S(b) of the slowest memory size at the quantile of the objective, times the drift; 0 while unknown. */
  serviceMs(rows: number): number {
    let slowestMs = 0;
    for (const table of this.#tables) slowestMs = Math.max(slowestMs, table.quantileMs(this.quantile, rows));
    return slowestMs * this.#drift.factor;
  }

  /**
   * Call it when a batch was answered. A batch size that is rarely formed keeps what was measured last, such as while workers started and
   * the machine was busy. Because S(b) never decreases with b, a slow single row would make every batch leave early, forever.
   */
  forgetStale(nowMs: number): void {
    if (nowMs - this.#forgotAtMs < forgetEveryMs) return;
    this.#forgotAtMs = nowMs;
    for (const table of this.#tables) table.forgetStale();
  }

  /**
   * Latest allowed completion of a batch whose earliest client timeout is `timeoutAtMs`. A run that exceeds the timeout is lost,
   * and its function is ended. So twice the expected service time is reserved, plus the margin.
   */
  doneByMs(timeoutAtMs: number, rows: number): number {
    return timeoutAtMs - Math.max(timeoutReserveMs, this.marginMs) - this.serviceMs(rows);
  }

  /** Records the latency of a request that was delayed only by batching and its run. */
  observe(memoryMiB: number, latencyMs: number): void {
    if (this.#objective !== null) this.#margins.observe(memoryMiB, this.#objective, latencyMs);
  }
}

/** The initial margin is at most this: timers fire a millisecond or two late. */
const firstMsMax = 2;
const firstShare = 0.02;
/** Beyond half of the objective a larger margin does not help. */
const mostShare = 0.5;

/**
 * The margin δ that is subtracted from the objective, for late timers and for service times longer than any observed: per environment
 * size, learned from responses. A changed objective resets it.
 */
class Margins {
  readonly #fixedMs: number | null;
  readonly #bySize = new Map<number, number>();
  #latencyMs = 0;
  #percentile = 0;

  constructor(fixedMs: number | null) {
    this.#fixedMs = fixedMs;
  }

  marginMs(memoryMiB: number, objective: Objective): number {
    if (this.#fixedMs !== null) return this.#fixedMs;
    const { latencyMs, percentile } = objective;
    if (latencyMs !== this.#latencyMs || percentile !== this.#percentile) this.#bySize.clear();
    this.#latencyMs = latencyMs;
    this.#percentile = percentile;
    return this.#bySize.get(memoryMiB) ?? Math.min(firstMsMax, firstShare * latencyMs);
  }

  /** Records the latency of a request that was delayed only by batching and its run. */
  observe(memoryMiB: number, objective: Objective, latencyMs: number): void {
    if (this.#fixedMs !== null) return;
    const target = { latencyMs: objective.latencyMs, quantile: objectiveShare(objective) };
    const marginMs = nextMarginMs(this.marginMs(memoryMiB, objective), latencyMs, target);
    this.#bySize.set(memoryMiB, Math.min(marginMs, mostShare * objective.latencyMs));
  }
}

/**
 * The rule by which batches of a function are held at present, and what it follows from: the setting, the service times
 * of the sizes there are, how far they have run away, the margin.
 */
import { type Objective, promisedShare } from '../objective.ts';
import { batchSizeFor, type ServiceTable } from '../profiling/index.ts';
import type { HoldPolicy } from '../queueing/index.ts';
import { type FunctionSetting, holdPolicy } from './function-setting.ts';
import { Margins } from './margins.ts';
import { Period } from './period.ts';
import { ServiceDrift } from './service-drift.ts';

/** An answer is worth something only before its client gives up, and it is not held until the last moment before that. */
export const giveUpReserveMs = 2;

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
  #period: Period;

  constructor(
    setting: FunctionSetting,
    objective: Objective | null,
    options: {
      readonly tableOf: (memoryMiB: number) => ServiceTable;
      readonly marginMsFixed: number | null;
      /** No batch holds more rows, whatever the setting; infinite where the setting alone decides. */
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

  /** For batches that open from now on. */
  get policy(): HoldPolicy {
    return this.#policy;
  }

  /** B. */
  get batchSizeMax(): number {
    return this.#policy.kind === 'none' ? 1 : this.#policy.batchSizeMax;
  }

  /**
   * The rows that leave together of those who are late anyway: as many as give the best throughput. A B that was chosen
   * while everything took long (1, say, since no other kept the promise) would never get rid of what waits.
   */
  get batchSizeLate(): number {
    return Math.max(this.batchSizeMax, this.#batchSizeLate);
  }

  /** Where batches that open from now on are counted. */
  get period(): Period {
    return this.#period;
  }

  /** δ */
  get marginMs(): number {
    return this.#objective === null ? 0 : this.#margins.marginMs(this.#setting.memoryMiB, this.#objective);
  }

  /** q of the promise. */
  get quantile(): number {
    return this.#objective === null ? 0.95 : promisedShare(this.#objective);
  }

  get drift(): ServiceDrift {
    return this.#drift;
  }

  /** In a few words. */
  get reason(): string {
    if (this.#policy.kind === 'none') return 'nobody is made to wait for company';
    const { kind, batchSizeMax } = this.#policy;
    const until = kind === 'timeout' ? `until one has waited ${this.#policy.waitMsMax} ms` : 'as long as the promise allows';
    return `company is waited for ${until}, up to ${batchSizeMax} rows`;
  }

  /** Begins a new period. `plan` is to follow. */
  apply(setting: FunctionSetting, objective: Objective | null, nowMs: number): void {
    this.#setting = setting;
    this.#objective = objective;
    this.#period = new Period(nowMs, objective?.latencyMs ?? null);
  }

  /**
   * Reckons with these sizes of environment: while there are several, a batch has to leave in time for any. With
   * `adapts` (the slack rule) those who are late may ride in larger batches than were chosen.
   */
  plan(memorySizes: ReadonlySet<number>, batchable: boolean, adapts: boolean): void {
    this.#tables = Array.from(memorySizes, (memoryMiB) => this.#tableOf(memoryMiB));
    const batchMax = batchable ? Math.min(this.#rowsMax, ...this.#tables.map((table) => table.batchMax)) : 1;
    this.#policy = holdPolicy(this.#setting, this.#objective, batchMax, (rows) => this.serviceMs(rows));
    const fastest = this.#tables.map((table) => batchSizeFor(table, null, 0).batchSize);
    this.#batchSizeLate = adapts && this.#objective !== null ? Math.min(batchMax, ...fastest) : 1;
  }

  /** S(b), the quantile of the promise; 0 while nothing is known. */
  serviceMs(rows: number): number {
    let slowestMs = 0;
    for (const table of this.#tables) slowestMs = Math.max(slowestMs, table.quantileMs(this.quantile, rows));
    return slowestMs * this.#drift.factor;
  }

  /**
   * By when a batch of so many rows is to be done as it is expected, where its first client gives up at `timeoutAtMs`. An
   * objective may be missed by a few; at the timeout a run is lost and its function with it. So there is time for the batch
   * to take twice as long, beside the margin.
   */
  doneByMs(timeoutAtMs: number, rows: number): number {
    return timeoutAtMs - Math.max(giveUpReserveMs, this.marginMs) - this.serviceMs(rows);
  }

  /** A request was answered after so long, and nothing held it up but its batch. */
  observe(memoryMiB: number, latencyMs: number): void {
    if (this.#objective !== null) this.#margins.observe(memoryMiB, this.#objective, latencyMs);
  }
}

/** What one variant counts. A request costs about a quarter of a microsecond: its times wait in a column until many are counted in a row. */
import type { ErrorCode } from '../errors.ts';
import type { HistogramChild, HistogramFamily } from './exposition/histogram-family.ts';
import { AnswerColumns } from './series/answer-columns.ts';
import type { ExecutorKind, VariantSeries } from './series/variant-series.ts';

export type RequestOutcome = 'ok' | 'cancelled' | ErrorCode;

/** A request that was answered: where its time went, in milliseconds, and what it cost. */
export interface Answer {
  readonly totalMs: number;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly encodeMs: number;
  readonly rows: number;
  readonly costUsd: number;
  /** Of its wait, what the batch of a function was kept for company. */
  readonly batchWaitMs?: number | undefined;
  /** Why a function answered it where there are instances. */
  readonly overflow?: string | null;
}

export interface VariantMetrics {
  /** A request was answered, by which kind of executor; later than the objective says or not, null where there is none. */
  answered(answer: Answer, kind: ExecutorKind, isMissed: boolean | null): void;
  /** A request has ended otherwise; a cancelled one has no latency. */
  refused(outcome: ErrorCode | 'cancelled', totalMs: number): void;
  /** A batch has left, and why. */
  dispatch(reason: string, batchRows: number): void;
  /** A function ran a batch and is billed for so long; `setupMs` is what a cold start took. */
  invoked(billedMs: number, isColdStart: boolean, setupMs?: number): void;
  /** It has so many instances from now on. */
  runsOn(instances: number): void;
}

/** Since the server started; they only rise. */
export interface Counts {
  readonly outcomes: Map<string, number>;
  readonly kinds: Map<string, number>;
  readonly dispatches: Map<string, number>;
  readonly overflows: Map<string, number>;
  rows: number;
  missed: number;
  costUsd: number;
  /** Null until a function ran. */
  functions: { billedMs: number; coldStarts: number } | null;
}

interface Families {
  readonly seconds: HistogramFamily;
  readonly stages: HistogramFamily;
  readonly batchRows: HistogramFamily;
}

const stages = ['queue', 'batch_wait', 'compute', 'encode'];

export class CountedVariant implements VariantMetrics {
  readonly labels: { readonly endpoint: string; readonly variant: string };
  readonly #families: Families;
  readonly #seconds: HistogramChild;
  readonly #queue: HistogramChild;
  readonly #compute: HistogramChild;
  readonly #encode: HistogramChild;
  readonly #batchRows: HistogramChild;
  #batchWait: HistogramChild | null = null;
  readonly #recorded: VariantSeries | null;
  /** Answers that are not counted yet, by who gave them. */
  readonly #waiting: Record<ExecutorKind, AnswerColumns> = { instance: new AnswerColumns(), function: new AnswerColumns() };
  readonly #counts: Counts = {
    outcomes: new Map(),
    kinds: new Map(),
    dispatches: new Map(),
    overflows: new Map(),
    rows: 0,
    missed: 0,
    costUsd: 0,
    functions: null,
  };
  #atRemoval: () => void = () => {};
  #removed = false;

  constructor(families: Families, labels: { readonly endpoint: string; readonly variant: string }, recorded: VariantSeries | null) {
    this.labels = labels;
    this.#families = families;
    this.#recorded = recorded;
    this.#seconds = families.seconds.child(labels);
    this.#queue = families.stages.child({ ...labels, stage: 'queue' });
    this.#compute = families.stages.child({ ...labels, stage: 'compute' });
    this.#encode = families.stages.child({ ...labels, stage: 'encode' });
    this.#batchRows = families.batchRows.child(labels);
  }

  /** As of the last `settle`. */
  get counts(): Readonly<Counts> {
    return this.#counts;
  }

  answered(answer: Answer, kind: ExecutorKind, isMissed: boolean | null): void {
    if (this.#removed) return;
    if (this.#waiting[kind].add(answer, isMissed)) this.#settle(kind);
    if (kind === 'instance') return;
    const { batchWaitMs = 0, overflow } = answer;
    this.#batchWait ??= this.#families.stages.child({ ...this.labels, stage: 'batch_wait' });
    this.#batchWait.observe(batchWaitMs / 1000);
    this.#recorded?.kept(batchWaitMs);
    if (typeof overflow !== 'string') return;
    increase(this.#counts.overflows, overflow, 1);
    this.#recorded?.overflowed(overflow);
  }

  refused(outcome: ErrorCode | 'cancelled', totalMs: number): void {
    if (this.#removed) return;
    increase(this.#counts.outcomes, outcome, 1);
    this.#recorded?.refused(outcome);
    if (outcome !== 'cancelled') this.#seconds.observe(totalMs / 1000);
  }

  dispatch(reason: string, batchRows: number): void {
    if (this.#removed) return;
    increase(this.#counts.dispatches, reason, 1);
    this.#batchRows.observe(batchRows);
    this.#recorded?.dispatched(reason, batchRows);
  }

  invoked(billedMs: number, isColdStart: boolean, setupMs?: number): void {
    if (this.#removed) return;
    const functions = (this.#counts.functions ??= { billedMs: 0, coldStarts: 0 });
    functions.billedMs += billedMs;
    if (isColdStart) functions.coldStarts++;
    this.#recorded?.invoked(isColdStart, setupMs);
  }

  runsOn(instances: number): void {
    this.settle(); // each call counts as a part of those that ran when it came
    this.#recorded?.runsOn(instances);
  }

  /** Counts what waits: whoever reads asks for it first. */
  settle(): void {
    this.#settle('instance');
    this.#settle('function');
  }

  /** Does this, too, when the variant is gone. */
  onRemoval(work: () => void): void {
    this.#atRemoval = work;
  }

  remove(): void {
    this.settle();
    this.#removed = true;
    this.#atRemoval();
    const { seconds, stages: ofStages, batchRows } = this.#families;
    for (const stage of stages) ofStages.remove({ ...this.labels, stage });
    for (const family of [seconds, batchRows]) family.remove(this.labels);
  }

  #settle(kind: ExecutorKind): void {
    const waiting = this.#waiting[kind];
    const { length } = waiting;
    if (length === 0) return waiting.release();
    const columns = waiting.logged();
    this.#seconds.observeAll(columns.totalMs, 1e-3);
    this.#queue.observeAll(columns.queueMs, 1e-3);
    this.#compute.observeAll(columns.computeMs, 1e-3);
    this.#encode.observeAll(columns.encodeMs, 1e-3);
    increase(this.#counts.outcomes, 'ok', length);
    increase(this.#counts.kinds, kind, length);
    this.#counts.missed += waiting.missed;
    for (let i = 0; i < length; i++) {
      this.#counts.rows += waiting.rows[i] as number;
      this.#counts.costUsd += waiting.costUsd[i] as number;
    }
    this.#recorded?.answered(waiting, kind, columns);
    waiting.clear();
  }
}

function increase(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

/** Counters of one variant. A request costs about 0.25 us: its times are buffered in columns and counted in batches. */
import type { ErrorCode } from '../errors.ts';
import type { HistogramChild, HistogramFamily } from './exposition/histogram-family.ts';
import { AnswerColumns } from './series/answer-columns.ts';
import type { ExecutorKind, VariantSeries } from './series/variant-series.ts';

/** What became of a request, as a label of its counter. */
export type RequestOutcome = 'ok' | 'cancelled' | ErrorCode;

/** Times of an answered request in milliseconds, and its cost. */
export interface AnsweredRequest {
  readonly totalMs: number;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly encodeMs: number;
  readonly rows: number;
  readonly costUsd: number;
  /** Part of the wait for which a function's batch was held open. */
  readonly batchWaitMs?: number | undefined;
  /** Why a function answered it although there are instances. */
  readonly overflow?: string | null;
}

/** What serving reports of a variant. Never throws: counting must not fail a request. */
export interface VariantMetrics {
  /** `isMissed`: the response was later than the objective; null without an objective. */
  answered(answer: AnsweredRequest, kind: ExecutorKind, isMissed: boolean | null): void;
  /** A request ended without an answer. A cancelled request has no latency. */
  refused(outcome: ErrorCode | 'cancelled', totalMs: number): void;
  /** A batch was dispatched. */
  dispatch(reason: string, batchRows: number): void;
  /** A function ran a batch. `setupMs`: duration of the cold start. */
  invoked(billedMs: number, isColdStart: boolean, setupMs?: number): void;
  /** The number of instances changed. */
  runsOn(instances: number): void;
  /** A request was answered under a plan of a selection, by these models. */
  planned(plan: string, rowsByModel: ReadonlyMap<string, number>): void;
}

/** Totals since the server started; they never decrease. */
export interface VariantCounts {
  readonly outcomes: Map<string, number>;
  readonly kinds: Map<string, number>;
  readonly dispatches: Map<string, number>;
  readonly overflows: Map<string, number>;
  readonly planRows: Map<string, number>;
  readonly modelRows: Map<string, number>;
  rows: number;
  missed: number;
  costUsd: number;
  /** Null until a function has run. */
  functions: { billedMs: number; coldStarts: number } | null;
}

interface Families {
  readonly seconds: HistogramFamily;
  readonly stages: HistogramFamily;
  readonly batchRows: HistogramFamily;
}

const stages = ['queue', 'batch_wait', 'compute', 'encode'];

/** Answers wait in columns, and are counted in batches. */
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
  /** Answers not counted yet, by executor kind. */
  readonly #waiting: Record<ExecutorKind, AnswerColumns> = { instance: new AnswerColumns(), function: new AnswerColumns() };
  readonly #counts: VariantCounts = {
    outcomes: new Map(),
    kinds: new Map(),
    dispatches: new Map(),
    overflows: new Map(),
    planRows: new Map(),
    modelRows: new Map(),
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
  get counts(): Readonly<VariantCounts> {
    return this.#counts;
  }

  planned(plan: string, rowsByModel: ReadonlyMap<string, number>): void {
    if (this.#removed) return;
    let all = 0;
    for (const [model, rows] of rowsByModel) {
      all += rows;
      increase(this.#counts.modelRows, model, rows);
    }
    increase(this.#counts.planRows, plan, all);
    this.#recorded?.planned(plan, all);
  }

  /**
   * Counts an answered request. The frequent figures are collected and passed to the metrics together, since this runs for each request.
   */
  answered(answer: AnsweredRequest, kind: ExecutorKind, isMissed: boolean | null): void {
    if (this.#removed) return;
    if (this.#waiting[kind].add(answer, isMissed)) this.#settle(kind);
    if (kind === 'instance') return;
    const { batchWaitMs = 0, overflow } = answer;
    this.#batchWait ??= this.#families.stages.child({ ...this.labels, stage: 'batch_wait' });
    this.#batchWait.observe(batchWaitMs / 1000);
    this.#recorded?.batchHeld(batchWaitMs);
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
    this.settle(); // calls so far count as a part of the previous number of instances
    this.#recorded?.runsOn(instances);
  }

  /** Counts buffered answers. Call before reading. */
  settle(): void {
    this.#settle('instance');
    this.#settle('function');
  }

  /** Registers work to do when the variant is removed. */
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

/** Buffers answers until they are counted, one column per measured value: counting in batches takes a fraction of the time. */

import { type LoggedValues, logged } from './logged-values.ts';

/** Batch size: small enough for the processor cache, large enough to pay off. */
const lengthMax = 256;
const none = new Float64Array();

const names = ['totalMs', 'queueMs', 'computeMs', 'encodeMs', 'overheadMs', 'rows', 'costUsd'] as const;
type ColumnName = (typeof names)[number];
/** The columns of a batch of answers, with logarithms. */
export type LoggedAnswers = Readonly<Record<ColumnName, LoggedValues>>;
/** Shared by all instances: columns are counted right after their logarithms are computed. */
const logs = Object.fromEntries(names.map((name) => [name, new Float64Array(lengthMax)])) as Record<ColumnName, Float64Array<ArrayBuffer>>;

interface AnswerTimes {
  readonly totalMs: number;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly encodeMs: number;
  readonly rows: number;
  readonly costUsd: number;
}

/** Reused from batch to batch: `length` is reset, the arrays stay. */
export class AnswerColumns {
  /** Number of buffered answers; the columns contain stale values beyond it. */
  length = 0;
  totalMs = none;
  queueMs = none;
  computeMs = none;
  encodeMs = none;
  /** Total time except computation. */
  overheadMs = none;
  rows = none;
  costUsd = none;
  /** Number of answers with an objective, and of late ones among them. */
  judged = 0;
  missed = 0;

  /** Returns true if the buffer is full. */
  add(answer: AnswerTimes, isMissed: boolean | null): boolean {
    if (this.totalMs === none) this.#allocate();
    const at = this.length++;
    this.totalMs[at] = answer.totalMs;
    this.queueMs[at] = answer.queueMs;
    this.computeMs[at] = answer.computeMs;
    this.encodeMs[at] = answer.encodeMs;
    this.overheadMs[at] = Math.max(answer.totalMs - answer.computeMs, 0);
    this.rows[at] = answer.rows;
    this.costUsd[at] = answer.costUsd;
    if (isMissed !== null) {
      this.judged++;
      if (isMissed) this.missed++;
    }
    return this.length === lengthMax;
  }

  /** All columns with their logarithms; valid until the next call on any instance. */
  logged(): LoggedAnswers {
    const of = (name: ColumnName): LoggedValues => logged(this[name], this.length, logs[name]);
    return {
      totalMs: of('totalMs'),
      queueMs: of('queueMs'),
      computeMs: of('computeMs'),
      encodeMs: of('encodeMs'),
      overheadMs: of('overheadMs'),
      rows: of('rows'),
      costUsd: of('costUsd'),
    };
  }

  clear(): void {
    this.length = this.judged = this.missed = 0;
  }

  /** Frees its memory, so that idle endpoints need none. */
  release(): void {
    this.totalMs = this.queueMs = this.computeMs = this.encodeMs = this.overheadMs = this.rows = this.costUsd = none;
  }

  #allocate(): void {
    const column = (): Float64Array<ArrayBuffer> => new Float64Array(lengthMax);
    this.totalMs = column();
    this.queueMs = column();
    this.computeMs = column();
    this.encodeMs = column();
    this.overheadMs = column();
    this.rows = column();
    this.costUsd = column();
  }
}

/** Answers that wait to be counted, a column for each thing that is measured: counted in a row, each takes a fraction of the time. */

import { type LoggedValues, logged } from './logged-values.ts';

/** Then they are counted: few enough to lie in the processor's cache, many enough to be worth it. */
const lengthMax = 256;
const none = new Float64Array();

const names = ['totalMs', 'queueMs', 'computeMs', 'encodeMs', 'overheadMs', 'rows', 'costUsd'] as const;
type ColumnName = (typeof names)[number];
export type LoggedAnswers = Readonly<Record<ColumnName, LoggedValues>>;
/** Of all columns there are, one after the other: what is counted is counted at once. */
const logs = Object.fromEntries(names.map((name) => [name, new Float64Array(lengthMax)])) as Record<ColumnName, Float64Array<ArrayBuffer>>;

interface AnswerTimes {
  readonly totalMs: number;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly encodeMs: number;
  readonly rows: number;
  readonly costUsd: number;
}

export class AnswerColumns {
  /** How many there are; what columns hold beyond is old. */
  length = 0;
  totalMs = none;
  queueMs = none;
  computeMs = none;
  encodeMs = none;
  /** All but the run. */
  overheadMs = none;
  rows = none;
  costUsd = none;
  /** How many were judged by an objective, and how many of those were late. */
  judged = 0;
  missed = 0;

  /** Whether it is full. */
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

  /** All columns, to be counted; until the next call of anybody's. */
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

  /** Gives its memory back: a thousand endpoints that nobody calls need none. */
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

/** Counts the rows that each plan and model of a selection answered: once per batch, because a request has few of them. */
import type { LadderRung } from '../../deployment/index.ts';
import type { VariantMetrics } from '../../metrics/index.ts';
import { type RowAnswers, rowsOfSecond } from '../row-answers.ts';

/** Sums up as long as metrics and plan stay the same, as they do within a batch. */
export class PlannedRows {
  #metrics: Pick<VariantMetrics, 'planned'> | null = null;
  #rung: LadderRung | null = null;
  #first = 0;
  #second = 0;

  /** Adds the answers to a request. Call `record` after the last one. */
  add(metrics: Pick<VariantMetrics, 'planned'>, answers: RowAnswers): void {
    if (metrics !== this.#metrics || answers.rung !== this.#rung) this.record();
    this.#metrics = metrics;
    this.#rung = answers.rung;
    const second = rowsOfSecond(answers);
    this.#first += answers.rows - second;
    this.#second += second;
  }

  /** Records what was added since the last call. */
  record(): void {
    const [metrics, rung, first, second] = [this.#metrics, this.#rung, this.#first, this.#second];
    if (metrics === null || rung === null) return;
    this.#metrics = null;
    this.#rung = null;
    this.#first = 0;
    this.#second = 0;
    const byModel = new Map<string, number>();
    if (first > 0) byModel.set(rung.first, first);
    if (second > 0 && rung.second !== null) byModel.set(rung.second, second);
    metrics.planned(rung.name, byModel);
  }
}

/** Scores a model by its answers and the labels, in a thread: reads the results of its transform row by row. */
import { PlatformError } from '../errors.ts';
import { type ScoredRow, scoreRow } from '../statistics/index.ts';
import { type ThreadTask, threadTask } from '../threads/index.ts';
import type { AnswerForm } from './answer-form.ts';
import { classesMax, compareClasses } from './evaluation-set.ts';
import { classificationQuality, type ModelQuality, regressionQuality } from './model-quality.ts';
import { decodeLabels, emptyOutcomes, encodeOutcomes } from './outcomes.ts';
import { type AnsweredRow, readAnswers } from './read-answers.ts';

/** The results of a transform, and the labels to compare them with. */
export interface JudgeInput {
  /** The results of the transform, as JSON lines. */
  readonly path: string;
  readonly form: AnswerForm;
  readonly rows: number;
  readonly labels: Uint8Array;
  /** The classes of the set; null if labels are values. */
  readonly classes: readonly string[] | null;
  /** Labels that the model cannot answer count as errors; otherwise they reject the model. */
  readonly skipsBadLabels: boolean;
}

/** The outcomes of one model, and its figures. */
export interface Judged {
  readonly outcomes: Uint8Array;
  /** The classes of the set, then other answers of the model; null if labels are values. */
  readonly classes: readonly string[] | null;
  readonly quality: ModelQuality;
  readonly notes: readonly string[];
}

/** A model that fails on more rows is rejected. */
const failedShareMax = 0.01;
/** A model with more different answers than this does not answer with classes. */
const answeredClassesMax = 2 * classesMax;
/** Maximum deviation of a row's scores from a sum of 1. */
const sumTolerance = 1e-3;

/** Reads up to 100,000 rows. */
export const judgeTask: ThreadTask<JudgeInput, Promise<Judged>> = threadTask(import.meta.url, 'judgeTask', judgeAnswers);

/** Throws `model_failed` if too many rows have no answer, `invalid_request` for a label that the model cannot answer. */
export function judgeAnswers(input: JudgeInput): Promise<Judged> {
  return input.classes === null ? judgeValues(input) : judgeClasses(input, input.classes);
}

async function judgeValues({ path, form, rows, labels: bytes }: JudgeInput): Promise<Judged> {
  const labels = decodeLabels(bytes, false);
  const outcomes = emptyOutcomes(rows, false);
  const values = outcomes.values as Float64Array;
  const [rightLabels, answered]: [number[], number[]] = [[], []];
  let row = 0;
  for await (const answer of readAnswers(path, form, rows)) {
    const [value, label] = [answer?.value ?? Number.NaN, labels[row] as number];
    values[row] = value;
    outcomes.unsureness[row] = Number.NaN;
    outcomes.losses[row] = (value - label) ** 2;
    if (Number.isFinite(value)) {
      rightLabels.push(label);
      answered.push(value);
    }
    row++;
  }
  checkFailed(rows - answered.length, rows);
  const quality = regressionQuality(Float64Array.from(rightLabels), Float64Array.from(answered), rows - answered.length);
  return { outcomes: encodeOutcomes(outcomes), classes: null, quality, notes: [] };
}

async function judgeClasses(input: JudgeInput, setClasses: readonly string[]): Promise<Judged> {
  const { path, form, rows, labels: bytes, skipsBadLabels } = input;
  const labels = decodeLabels(bytes, true) as Int32Array;
  const order = await orderOf(input, setClasses);
  if (!skipsBadLabels) checkLabels(labels, setClasses, form, order);
  const rowsJudged = new JudgedRows(labels, setClasses, order);
  let row = 0;
  for await (const answer of readAnswers(path, form, rows)) rowsJudged.add(row++, answer);
  checkFailed(rowsJudged.failed, rows);
  return rowsJudged.result();
}

/** The classes of the scores; empty without scores. */
async function orderOf({ path, form, rows }: JudgeInput, known: readonly string[]): Promise<readonly (string | undefined)[]> {
  if (form.scores === null) return [];
  const order = new ClassOrder();
  let count = 0;
  for await (const answer of readAnswers(path, form, rows)) {
    if (answer === null || answer.scores === null) continue;
    if (count === 0) count = answer.scores.length;
    if (form.answer === null) break; // class i is named i
    order.learn(answer);
  }
  return order.order(count, known);
}

/** A model with ten scores and no label output answers 0 to 9. */
function checkLabels(labels: Int32Array, classes: readonly string[], form: AnswerForm, order: readonly (string | undefined)[]): void {
  if (form.answer !== null) return;
  const bad = new Set(classes.filter((text) => !order.includes(text)));
  const row = labels.findIndex((label) => bad.has(classes[label] as string));
  if (row === -1) return;
  throw new PlatformError(
    'invalid_request',
    `row ${row + 1} has the label '${classes[labels[row] as number]}', but the model answers 0 to ${order.length - 1}: correct the labels, or count such rows as errors (--skip-bad-labels)`,
  );
}

function checkFailed(failed: number, rows: number): void {
  if (failed <= rows * failedShareMax) return;
  throw new PlatformError('model_failed', `the model has no answer to ${failed} of ${rows} rows: expected at most 1 %`);
}

class JudgedRows {
  readonly #labels: Int32Array;
  readonly #setClasses: readonly string[];
  readonly #order: readonly (string | undefined)[];
  readonly #classes: string[];
  readonly #indices: Map<string, number>;
  readonly #outcomes;
  readonly #confidences: Float64Array;
  readonly #logLosses: Float64Array;
  readonly #briers: Float64Array;
  failed = 0;
  /** Why the scores are unusable; null if they are usable. */
  #fault: string | null;

  constructor(labels: Int32Array, setClasses: readonly string[], order: readonly (string | undefined)[]) {
    this.#labels = labels;
    this.#setClasses = setClasses;
    this.#order = order;
    this.#classes = [...setClasses];
    this.#indices = new Map(setClasses.map((text, index) => [text, index]));
    this.#outcomes = emptyOutcomes(labels.length, true);
    [this.#confidences, this.#logLosses, this.#briers] = [labels, labels, labels].map(({ length }) => new Float64Array(length)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    this.#fault = order.length === 0 ? 'the model has no scores: it has no calibration and forms no cascade' : null;
  }

  add(row: number, answer: AnsweredRow | null): void {
    const { unsureness, losses } = this.#outcomes;
    const predictions = this.#outcomes.predictions as Int32Array;
    const label = this.#labels[row] as number;
    const scored = this.#score(row, answer, label);
    const text = answer?.text ?? (scored === null || scored.prediction === -1 ? null : this.#order[scored.prediction]) ?? null;
    predictions[row] = text === null ? -1 : this.#indexOf(text);
    if (text === null) this.failed++;
    losses[row] = predictions[row] === label ? 0 : 1;
    unsureness[row] = text === null ? 1 : scored === null ? Number.NaN : 1 - scored.confidence;
  }

  result(): Judged {
    const predictions = this.#outcomes.predictions as Int32Array;
    const scored = { confidences: this.#confidences, logLosses: this.#logLosses, briers: this.#briers };
    if (this.#fault !== null) this.#outcomes.unsureness.fill(Number.NaN);
    const classes = this.#classes;
    const quality = classificationQuality({
      classes,
      labels: this.#labels,
      predictions,
      scored: this.#fault === null ? scored : null,
      rowsFailed: this.failed,
    });
    const notes = [this.#fault, this.failed > 0 ? `${this.failed} rows failed and count as errors` : null].filter((note) => note !== null);
    return { outcomes: encodeOutcomes(this.#outcomes), classes, quality, notes };
  }

  #score(row: number, answer: AnsweredRow | null, label: number): ScoredRow | null {
    if (this.#order.length === 0) return null;
    const scores = answer?.scores ?? new Float64Array(this.#order.length).fill(Number.NaN);
    if (scores.length !== this.#order.length) {
      this.#fault ??= `row ${row + 1} has ${scores.length} scores instead of ${this.#order.length}: scores are not used`;
      return null;
    }
    const place = this.#order.indexOf(this.#setClasses[label]);
    const scored = scoreRow(scores, 0, scores.length, place);
    this.#check(row, answer, scores, place);
    this.#confidences[row] = scored.confidence;
    this.#logLosses[row] = scored.logLoss;
    this.#briers[row] = scored.brier;
    return scored;
  }

  #check(row: number, answer: AnsweredRow | null, scores: Float64Array, place: number): void {
    if (this.#fault !== null) return;
    const best = largest(scores);
    if (best === -1) return;
    const sum = scores.reduce((total, score) => total + score, 0);
    if (Math.abs(sum - 1) > sumTolerance)
      this.#fault = `the scores of row ${row + 1} add up to ${sum.toPrecision(4)} instead of 1: they are not used`;
    const named = answer === null || answer.text === null ? best : this.#order.indexOf(answer.text);
    if (scores[named] !== scores[best]) {
      this.#fault ??= `row ${row + 1} is answered '${answer?.text}', but its largest score is that of '${this.#order[best]}': scores are not used`;
    }
    if (place === -1)
      this.#fault ??= `which score belongs to '${this.#setClasses[this.#labels[row] as number]}' is unknown: scores are not used`;
  }

  #indexOf(text: string): number {
    const known = this.#indices.get(text);
    if (known !== undefined) return known;
    if (this.#classes.length === answeredClassesMax) return -1;
    this.#indices.set(text, this.#classes.length);
    this.#classes.push(text);
    return this.#classes.length - 1;
  }
}

/** The index of the largest score, the first of equal ones; -1 if a score is not a number. */
function largest(scores: Float64Array): number {
  let best = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (!Number.isFinite(score)) return -1;
    if (score > (scores[best] as number)) best = i;
  }
  return best;
}

/** Classes by the index of their score; undefined if unknown. */
class ClassOrder {
  readonly #learnt = new Map<number, string>();

  /** Considers a row, unless its largest score is tied. */
  learn({ text, scores }: AnsweredRow): void {
    if (text === null || scores === null) return;
    const best = largest(scores);
    if (best === -1 || this.#learnt.has(best)) return;
    if (scores.indexOf(scores[best] as number, best + 1) === -1) this.#learnt.set(best, text);
  }

  /** `count` classes; `known` are those of the labels. */
  order(count: number, known: readonly string[]): readonly (string | undefined)[] {
    const learnt = [...this.#learnt];
    if (learnt.every(([place, text]) => text === String(place))) return Array.from({ length: count }, (_, place) => String(place));
    // Libraries sort their classes.
    const sorted = [...new Set([...known, ...this.#learnt.values()])].sort(compareClasses);
    if (sorted.length === count && learnt.every(([place, text]) => sorted[place] === text)) return sorted;
    return Array.from({ length: count }, (_, place) => this.#learnt.get(place));
  }
}

/** How good answers are, from the answers and the labels. */
import assert from 'node:assert/strict';
import { clopperPearson, type Interval } from './intervals.ts';

/** A classifier's answers to labelled rows. Classes are numbered from 0; all arrays are by row. */
export interface ClassifiedRows {
  readonly classes: number;
  readonly labels: Int32Array;
  readonly predictions: Int32Array;
  /** The largest score, and the losses of its scores; null if the model has no scores. */
  readonly scored: ScoredRows | null;
}

/** Figures of each row, for means and bootstraps. */
export interface ScoredRows {
  readonly confidences: Float64Array;
  readonly logLosses: Float64Array;
  readonly briers: Float64Array;
}

/** Figures of one class. Precision and recall are 0 where they are undefined. */
export interface ClassScores {
  readonly label: number;
  /** Rows with this label. */
  readonly rows: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Figures of a classifier over all rows. */
export interface ClassificationScores {
  readonly rows: number;
  readonly errors: number;
  readonly accuracy: number;
  /** 95 %, exact. */
  readonly interval: Interval;
  /** The mean F1 of the classes that occur as a label or an answer. */
  readonly macroF1: number;
  readonly perClass: readonly ClassScores[];
  /** The next three are null without scores. */
  readonly logLoss: number | null;
  readonly brier: number | null;
  /** Expected calibration error over 10 bins of equal width. */
  readonly calibrationError: number | null;
}

const bins = 10;
/** A probability of 0 would have an infinite loss. */
const probabilityMin = 1e-15;

/** Needs at least one row. A row without an answer is an error of the model. */
export function classificationScores({ classes, labels, predictions, scored }: ClassifiedRows): ClassificationScores {
  const rows = labels.length;
  assert(rows > 0 && predictions.length === rows, 'expected one answer for each of at least one row');
  const right = new Float64Array(classes);
  const labelled = new Float64Array(classes);
  const answered = new Float64Array(classes);
  let errors = 0;
  for (let row = 0; row < rows; row++) {
    const [label, prediction] = [labels[row] as number, predictions[row] as number];
    labelled[label] = (labelled[label] as number) + 1;
    if (prediction >= 0) answered[prediction] = (answered[prediction] as number) + 1;
    if (label === prediction) right[label] = (right[label] as number) + 1;
    else errors++;
  }
  const perClass = Array.from({ length: classes }, (_, label): ClassScores => {
    const [hits, real, said] = [right[label] as number, labelled[label] as number, answered[label] as number];
    const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
    return { label, rows: real, precision: ratio(hits, said), recall: ratio(hits, real), f1: ratio(2 * hits, real + said) };
  });
  const occurring = perClass.filter(({ label, rows: real }) => real > 0 || (answered[label] as number) > 0);
  return {
    rows,
    errors,
    accuracy: 1 - errors / rows,
    interval: clopperPearson(rows - errors, rows),
    macroF1: mean(occurring.map(({ f1 }) => f1)),
    perClass: occurring,
    logLoss: scored === null ? null : mean(scored.logLosses),
    brier: scored === null ? null : mean(scored.briers),
    calibrationError: scored === null ? null : calibrationError(scored.confidences, labels, predictions),
  };
}

/** Figures of one row from its scores. */
export interface ScoredRow {
  /** The class with the largest score, the first of equals; -1 if a score is not a number. */
  readonly prediction: number;
  /** The largest score; 0 if a score is not a number. */
  readonly confidence: number;
  /** -ln of the label's score. */
  readonly logLoss: number;
  readonly brier: number;
}

/** Judges the scores of one row, `scores[from]` to `scores[from + classes - 1]`. */
export function scoreRow(scores: ArrayLike<number>, from: number, classes: number, label: number): ScoredRow {
  let prediction = 0;
  let brier = 0;
  for (let i = 0; i < classes; i++) {
    const score = scores[from + i] as number;
    if (!Number.isFinite(score)) return { prediction: -1, confidence: 0, logLoss: -Math.log(probabilityMin), brier: 1 };
    if (score > (scores[from + prediction] as number)) prediction = i;
    brier += (score - (i === label ? 1 : 0)) ** 2;
  }
  const confidence = scores[from + prediction] as number;
  return { prediction, confidence, logLoss: -Math.log(Math.max(scores[from + label] as number, probabilityMin)), brier };
}

/** How sure a model was and how often it was right, over the rows of one range of confidence. */
export interface CalibrationBin {
  readonly rows: number;
  readonly right: number;
  /** The sum of the confidences. */
  readonly confidence: number;
}

/** The rows by ten ranges of confidence of equal width; a confidence of 1 is in the last. */
export function calibrationBins(confidences: Float64Array, labels: Int32Array, predictions: Int32Array): readonly CalibrationBin[] {
  const sums = Array.from({ length: bins }, () => ({ rows: 0, confidence: 0, right: 0 }));
  for (const [row, confidence] of confidences.entries()) {
    const sum = sums[Math.max(0, Math.min(bins - 1, Math.floor(confidence * bins)))] as { -readonly [Key in keyof CalibrationBin]: number };
    sum.rows++;
    sum.confidence += confidence;
    if (labels[row] === predictions[row]) sum.right++;
  }
  return sums;
}

/** The mean distance between how sure the model was and how often it was right, by bins of its confidence. */
function calibrationError(confidences: Float64Array, labels: Int32Array, predictions: Int32Array): number {
  const sums = calibrationBins(confidences, labels, predictions);
  return sums.reduce((total, { confidence, right }) => total + Math.abs(right - confidence), 0) / confidences.length;
}

/** Figures of a regression, in the unit of the label. */
export interface RegressionScores {
  readonly rows: number;
  readonly rmse: number;
  readonly mae: number;
}

/** Root mean square error and mean absolute error. Needs at least one row. */
export function regressionScores(labels: Float64Array, predictions: Float64Array): RegressionScores {
  const rows = labels.length;
  assert(rows > 0 && predictions.length === rows, 'expected one answer for each of at least one row');
  let [squares, absolutes] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const error = (predictions[row] as number) - (labels[row] as number);
    squares += error * error;
    absolutes += Math.abs(error);
  }
  return { rows, rmse: Math.sqrt(squares / rows), mae: absolutes / rows };
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return values.length === 0 ? 0 : sum / values.length;
}

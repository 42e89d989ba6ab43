/** Interprets predictions as classes, numbers or other values, and evaluates them: accuracy, confusion matrix, mean error. */
import type { AnswerShape } from '../signature.ts';

export interface RowAnswer {
  readonly answer: string;
  /** By class, in the order of `classes`. Null if the model returns none, or scores that are not probabilities. */
  readonly probabilities: readonly number[] | null;
  /** The probability of the answer. */
  readonly sure: number | null;
  readonly truth: string | null;
  readonly isRight: boolean | null;
}

/** `classes`: there is an output named like a label, or probabilities. `number`: one number per row. `values`: everything else. */
export type AnswerKind = 'classes' | 'number' | 'values';

export interface JudgedAnswer {
  readonly kind: AnswerKind;
  readonly answers: readonly RowAnswer[];
  /** Class names of the probabilities and of the confusion matrix. */
  readonly classes: readonly string[];
}

/** A prediction as the API returns it: the value itself for one output, an object by name for several. */
export type RawPrediction = unknown;

/** `truths` are the labels by row, null if unknown. `labels` are the class names of the catalogue, if the model comes from it. */
export function judge(
  predictions: readonly RawPrediction[],
  truths: readonly (string | null)[],
  shape: AnswerShape,
  labels: readonly string[] | null,
): JudgedAnswer {
  const read = predictions.map((prediction) => readPrediction(prediction, shape));
  const kind = kindOf(read, shape);
  if (kind !== 'classes') {
    const answers = predictions.map((prediction, index): RowAnswer => {
      const truth = truths[index] ?? null;
      const answer = kind === 'number' ? (read[index]?.answer ?? '–') : valuesText(prediction);
      return { answer, probabilities: null, sure: null, truth: truth === null ? null : plain(truth), isRight: null };
    });
    return { kind, answers, classes: [] };
  }
  const width = Math.max(0, ...read.map(({ scores }) => scores?.length ?? 0));
  const occurring = [
    ...new Set([
      ...read.flatMap(({ answer }) => (answer === null ? [] : [answer])),
      ...truths.flatMap((truth) => (truth === null ? [] : [plain(truth)])),
    ]),
  ];
  const classes = classNames(
    width,
    occurring,
    read.flatMap(({ names }) => names),
    labels,
  );
  const answers = read.map(({ answer, scores }, index): RowAnswer => {
    const best = scores === null ? -1 : scores.indexOf(Math.max(...scores));
    const name = answer ?? classes[best] ?? '–';
    const probabilities = scores !== null && areProbabilities(scores) ? scores : null;
    const position = classes.indexOf(name);
    const truth = truths[index] ?? null;
    return {
      answer: name,
      probabilities,
      sure: probabilities === null ? null : (probabilities[position >= 0 ? position : best] ?? null),
      truth: truth === null ? null : plain(truth),
      isRight: truth === null ? null : plain(truth) === name,
    };
  });
  return { kind, answers, classes };
}

interface Read {
  readonly answer: string | null;
  /** Whether the answer is a single value. */
  readonly isOne: boolean;
  readonly scores: readonly number[] | null;
  /** Class names, if the scores are a map by class. */
  readonly names: readonly string[];
}

function readPrediction(prediction: RawPrediction, { answer, scores }: AnswerShape): Read {
  const byName = isRecord(prediction) && ((answer !== null && answer in prediction) || (scores !== null && scores in prediction));
  const answered = byName ? (answer === null ? undefined : prediction[answer]) : answer === null ? undefined : prediction;
  const scored = byName ? (scores === null ? undefined : prediction[scores]) : answer === null ? prediction : undefined;
  const isMap = isRecord(scored);
  const list = isMap ? Object.values(scored) : Array.isArray(scored) ? scored.flat(3) : null;
  return {
    answer: answered === undefined ? null : plain(one(answered)),
    isOne: answered !== undefined && !isRecord(answered) && (!Array.isArray(answered) || answered.flat(3).length === 1),
    scores: list !== null && list.every((value) => typeof value === 'number') ? list : null,
    names: isMap ? Object.keys(scored) : [],
  };
}

function kindOf(read: readonly Read[], { answer, isLabel, isNumber }: AnswerShape): AnswerKind {
  if (answer !== null && !read.every(({ isOne }) => isOne)) return 'values';
  const areClasses = isLabel || read.every(({ scores }) => scores !== null && scores.length > 1 && areProbabilities(scores));
  if (areClasses) return 'classes';
  return isNumber ? 'number' : 'values';
}

/** `[6, 7, 9]`, or `y: [6, 7, 9]; z: 4` for several outputs. */
export function valuesText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(valuesText).join(', ')}]`;
  if (!isRecord(value)) return String(value);
  return Object.entries(value)
    .map(([name, each]) => `${name}: ${valuesText(each)}`)
    .join('; ');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const one = (value: unknown): unknown => (Array.isArray(value) ? one(value[0]) : value);

/** Normalizes class names: `2`, `2.0` and 2 are the same class. */
export function plain(value: unknown): string {
  const text = String(value).trim();
  return text !== '' && Number.isFinite(Number(text)) ? String(Number(text)) : text;
}

/** Class names in order: from the scores, from the catalogue, by index, or the sorted names that occur. */
function classNames(
  width: number,
  occurring: readonly string[],
  named: readonly string[],
  labels: readonly string[] | null,
): readonly string[] {
  if (named.length > 0) return [...new Set(named)].slice(0, width);
  const isLabelled = width > 0 && labels !== null && labels.length === width && occurring.every((name) => labels.includes(name));
  if (isLabelled) return labels;
  const numbers = occurring.every((name) => /^\d+$/.test(name));
  if (width > 0 && numbers && occurring.every((name) => Number(name) < width))
    return Array.from({ length: width }, (_, index) => String(index));
  const sorted = occurring.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  if (width === 0 || sorted.length === width) return sorted;
  return Array.from({ length: width }, (_, index) => labels?.[index] ?? String(index));
}

/** Non-negative values that sum to 1, within rounding. Other scores, such as logits, are not shown as percentages. */
function areProbabilities(scores: readonly number[]): boolean {
  const sum = scores.reduce((total, value) => total + value, 0);
  return scores.every((value) => value >= -1e-6 && value <= 1 + 1e-6) && Math.abs(sum - 1) < 0.01;
}

export interface Accuracy {
  readonly right: number;
  readonly judged: number;
  readonly share: number;
  /** Wilson interval at 95 %. It has a width even if all predictions are right. */
  readonly low: number;
  readonly high: number;
}

export function accuracyOf(answers: readonly RowAnswer[]): Accuracy | null {
  const judged = answers.filter(({ isRight }) => isRight !== null);
  const n = judged.length;
  if (n === 0) return null;
  const right = judged.filter(({ isRight }) => isRight).length;
  const share = right / n;
  const z = 1.959964;
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
  return { right, judged: n, share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

export interface Confusion {
  readonly classes: readonly string[];
  /** Rows are labels, columns are predictions. */
  readonly counts: readonly (readonly number[])[];
}

const classesShown = 24;

/** Null without labels, or with more than 24 classes. */
export function confusionOf({ answers, classes }: JudgedAnswer): Confusion | null {
  const judged = answers.filter(({ truth }) => truth !== null);
  const names = [...new Set([...classes, ...judged.flatMap(({ truth, answer }) => [truth ?? '', answer])])];
  if (judged.length === 0 || names.length > classesShown || names.length < 2) return null;
  const place = new Map(names.map((name, index) => [name, index]));
  const counts = names.map(() => names.map(() => 0));
  for (const { truth, answer } of judged) {
    const row = counts[place.get(truth ?? '') ?? 0];
    const column = place.get(answer) ?? 0;
    if (row !== undefined) row[column] = (row[column] ?? 0) + 1;
  }
  return { classes: names, counts };
}

/** The class with the most errors: `8, predicted as 1 twice and as 5 once`. */
export function hardest({ classes, counts }: Confusion): string | null {
  const errors = counts.map((row, index) => row.reduce((sum, value, column) => sum + (column === index ? 0 : value), 0));
  const most = Math.max(...errors);
  if (most === 0) return null;
  const index = errors.indexOf(most);
  const times = (value: number): string => (value === 1 ? 'once' : value === 2 ? 'twice' : `${value} times`);
  const mistakes = (counts[index] ?? [])
    .map((value, column) => ({ value, name: classes[column] ?? '', isRight: column === index }))
    .filter(({ value, isRight }) => value > 0 && !isRight)
    .toSorted((a, b) => b.value - a.value)
    .slice(0, 3)
    .map(({ value, name }) => `as ${name} ${times(value)}`);
  return `${classes[index]}, predicted ${mistakes.join(' and ')}`;
}

/** The mean absolute error of numeric predictions; null without labels. */
export function meanError(answers: readonly RowAnswer[]): number | null {
  const errors = answers
    .flatMap(({ truth, answer }) => (truth === null ? [] : [Math.abs(Number(truth) - Number(answer))]))
    .filter(Number.isFinite);
  return errors.length === 0 ? null : errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

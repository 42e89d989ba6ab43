/** Compares predictions with the labels of a CSV: the accuracy of classes, or the mean absolute error of numbers. Pure. */
import { headerNames, indexOfName, parseCsv } from '../../codecs/index.ts';

/** Which of the two it is follows from the labels and the predictions. */
export type PredictionScore =
  | { readonly kind: 'accuracy'; readonly value: number; readonly right: number; readonly rows: number }
  | { readonly kind: 'mean_absolute_error'; readonly value: number; readonly rows: number };

/** Null if the predictions are neither classes nor numbers, or if there is not one for each label. */
export function predictionScore(predictions: readonly unknown[], labels: readonly string[]): PredictionScore | null {
  const rows = labels.length;
  if (rows === 0 || rows !== predictions.length) return null;
  const found = predictions.map((prediction) => answerIn(prediction, labels));
  if (found.some((answer) => answer === null)) return null;
  const answers = found as string[];
  if ([...answers, ...labels].every((text) => !isNumber(text) || Number.isInteger(Number(text)))) {
    const right = answers.filter((answer, row) => plain(answer) === plain(labels[row] as string)).length;
    return { kind: 'accuracy', value: right / rows, right, rows };
  }
  if (![...answers, ...labels].every(isNumber)) return null;
  const errors = answers.map((answer, row) => Math.abs(Number(answer) - Number(labels[row])));
  return { kind: 'mean_absolute_error', value: errors.reduce((sum, error) => sum + error, 0) / rows, rows };
}

/** The values of the label column; null if the CSV has no such column. */
export function labelsIn(csv: string, column: string): readonly string[] | null {
  const [header = [], ...rows] = parseCsv(csv);
  const index = indexOfName(column, headerNames(header));
  return index < 0 ? null : rows.map((cells) => (cells[index] ?? '').trim());
}

/** `accuracy 0.974: 1750 of 1797 rows`. */
export function formatScore(score: PredictionScore, column: string): string {
  if (score.kind === 'mean_absolute_error') return `mean absolute error ${Number(score.value.toPrecision(4))} over ${score.rows} rows`;
  return `accuracy ${(Math.floor(1000 * score.value) / 1000).toFixed(3)}: ${score.right} of ${score.rows} rows match ${column}`;
}

/** The class or number that a prediction stands for; null if it has several. */
function answerIn(prediction: unknown, labels: readonly string[]): string | null {
  if (Array.isArray(prediction)) return inList(prediction, labels);
  if (typeof prediction === 'string') return prediction;
  if (typeof prediction === 'number' || typeof prediction === 'boolean') return String(prediction);
  if (!isRecord(prediction)) return null;
  const members = Object.entries(prediction);
  const named = members.find(([name, value]) => /label|class|categor/i.test(name) && isOne(value));
  if (named !== undefined) return answerIn(named[1], labels);
  if (members.length === 1) return answerIn(members[0]?.[1], labels);
  const singles = members.filter(([, value]) => isOne(value));
  if (singles.length === 1) return answerIn(singles[0]?.[1], labels);
  // A map of scores by class.
  return members.every(([, value]) => typeof value === 'number') ? best(members as [string, number][]) : null;
}

/** One value, or a score for each class in the order of their numbers. */
function inList(values: readonly unknown[], labels: readonly string[]): string | null {
  const [first] = values;
  if (values.length === 1) return answerIn(first, labels);
  if (!values.every((value) => typeof value === 'number')) return null;
  const areIndexes = labels.every((label) => /^\d+$/.test(label) && Number(label) < values.length);
  return areIndexes ? best(values.map((value, index) => [String(index), value])) : null;
}

function best(scores: readonly (readonly [string, number])[]): string | null {
  return (
    scores.reduce<readonly [string, number] | null>((most, each) => (most === null || each[1] > most[1] ? each : most), null)?.[0] ?? null
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isOne = (value: unknown): boolean => (Array.isArray(value) ? value.length === 1 && isOne(value[0]) : !isRecord(value));
const isNumber = (text: string): boolean => text.trim() !== '' && Number.isFinite(Number(text));

/** `2`, `2.0` and `02` are the same class. */
function plain(text: string): string {
  return isNumber(text) ? String(Number(text)) : text;
}

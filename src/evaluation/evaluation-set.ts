/** A labelled file for evaluations: rows with a label column. */
import { PlatformError } from '../errors.ts';

/** The metric: the share of correct classes, or the distance of values. */
export const evaluationMetrics = ['accuracy', 'rmse', 'mae'] as const;
/** What a model is judged by: classes or values. */
export type EvaluationMetric = (typeof evaluationMetrics)[number];

/** By name: the content type in which rows are sent to models. */
export const setFormats = { csv: 'text/csv', jsonl: 'application/jsonlines' } as const;
/** The format of a set's file. */
export type SetFormat = keyof typeof setFormats;

/** The description of a set, without its bytes. */
export interface SetDescription {
  readonly format: SetFormat;
  /** The column or member with the label. It is hidden from the models. */
  readonly label: string;
  readonly metric: EvaluationMetric;
}

/** A stored set. */
export interface EvaluationSet extends SetDescription {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly rows: number;
  /** All labels, in order; null if labels are values. Labels are numbered by their index. */
  readonly classes: readonly string[] | null;
  /** The sha256 of its row fingerprints; null for a set of an older server. */
  readonly fingerprints: string | null;
  readonly createdBy: string;
  readonly createdAtMs: number;
}

/** A set, and how much it was used for choices. */
export interface SetView extends EvaluationSet {
  /** The number of models that answered the set. The more models are chosen by a set, the less it proves. */
  readonly models: number;
  /** The number of different questions (candidates with an accuracy) for which plans were chosen. Counted up to 10,000. */
  readonly choices: number;
}

/** Identifies the labelled rows of a set, whatever its name. */
export function setIdOf({ sha256, label }: Pick<EvaluationSet, 'sha256' | 'label'>): string {
  return `${sha256} ${label}`;
}

/** Fewer rows prove nothing; more cost more than they are worth. */
export const setRowsMin = 50;
/** Rows of one set. */
export const setRowsMax = 100_000;
/** Size of the file of a set. */
export const setBytesMax = 256 * 2 ** 20;
/** Sets of a server. */
export const setsMax = 100;
/** Maximum number of classes of a set. Each is a row in tables. */
export const classesMax = 1000;
const classTextMax = 256;

/** The text of a class, so that 3, "3" and 3.0 are one; null if the value is none. */
export function classTextOf(value: unknown): string | null {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value + 0) : null;
  if (typeof value !== 'string') return null;
  const text = value.trim();
  if (text === '' || text.length > classTextMax) return null;
  const number = Number(text);
  return Number.isFinite(number) ? String(number + 0) : text;
}

/** Numbers in numeric order before texts in alphabetical order. */
export function compareClasses(a: string, b: string): number {
  const [x, y] = [Number(a), Number(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return a < b ? -1 : 1;
}

/** Throws `already_exists` unless the description matches the known set of the same name and bytes. */
export function checkSameSet(known: EvaluationSet, wanted: SetDescription & { readonly sha256: string }): void {
  const isSame = known.sha256 === wanted.sha256 && known.label === wanted.label && known.metric === wanted.metric;
  if (isSame && known.format === wanted.format) return;
  const what = known.sha256 === wanted.sha256 ? 'another label column, metric or format' : 'other rows';
  throw new PlatformError(
    'already_exists',
    `evaluation set '${known.name}' exists with ${what}: sets never change, so choose another name`,
  );
}

/** A labelled file that models are judged by: rows with a label column. */
import { PlatformError } from '../errors.ts';

/** What is measured: the share of right classes, or the distance of values. */
export const evaluationMetrics = ['accuracy', 'rmse', 'mae'] as const;
export type EvaluationMetric = (typeof evaluationMetrics)[number];

export const setFormats = { csv: 'text/csv', jsonl: 'application/jsonlines' } as const;
export type SetFormat = keyof typeof setFormats;

/** What a set is, apart from its bytes. */
export interface SetDescription {
  readonly format: SetFormat;
  /** The column or member with the label. It is hidden from the models. */
  readonly label: string;
  readonly metric: EvaluationMetric;
}

export interface EvaluationSet extends SetDescription {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly rows: number;
  /** The labels that occur, in order; null if labels are values. Labels are numbered by it. */
  readonly classes: readonly string[] | null;
  /** The sha256 of its row fingerprints; null for a set that an older server stored. */
  readonly fingerprints: string | null;
  readonly createdBy: string;
  readonly createdAtMs: number;
}

export interface SetView extends EvaluationSet {
  /** Models that answered the set. Each further one that is chosen by it makes it prove less. */
  readonly models: number;
  /** Different questions that plans were chosen by: candidates with an accuracy. Counted up to 10,000. */
  readonly choices: number;
}

/** Identifies the labelled rows of a set, whatever its name. */
export function setIdOf({ sha256, label }: Pick<EvaluationSet, 'sha256' | 'label'>): string {
  return `${sha256} ${label}`;
}

/** Fewer rows prove nothing, more cost more than they tell. */
export const setRowsMin = 50;
export const setRowsMax = 100_000;
export const setBytesMax = 256 * 2 ** 20;
export const setsMax = 100;
/** Classes of a set. Each costs a row of tables and figures. */
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

/** Whether a description fits the known set of the same name and bytes. Throws `already_exists` if not. */
export function checkSameSet(known: EvaluationSet, wanted: SetDescription & { readonly sha256: string }): void {
  const isSame = known.sha256 === wanted.sha256 && known.label === wanted.label && known.metric === wanted.metric;
  if (isSame && known.format === wanted.format) return;
  const what = known.sha256 === wanted.sha256 ? 'another label column, metric or format' : 'other rows';
  throw new PlatformError(
    'already_exists',
    `evaluation set '${known.name}' exists with ${what}: sets never change, so choose another name`,
  );
}

/** Tags of an endpoint config that let Penstock select the model: candidates, an accuracy to keep, and the labelled set that proves it. Pure. */
import { PlatformError } from '../../errors.ts';

/** The parsed tags of an endpoint config. */
export interface SelectionTags {
  /** Groups or versions. */
  readonly candidates: readonly string[];
  /** The accuracy to keep. */
  readonly floor: number;
  readonly set: string;
}

export const selectionTagNames = ['penstock:select', 'penstock:accuracy', 'penstock:minimize', 'penstock:evaluation'] as const;

/** For error messages: how to set the tags. */
export const selectionTagsText =
  'penstock:select (model groups or versions, separated by spaces) with penstock:accuracy such as 0.97, penstock:evaluation (a labelled set) ' +
  'and penstock:minimize (cost)';

/** Null if no tag requests a selection. Throws `invalid_request` if a tag that belongs to another one is missing. */
export function selectionTagsOf(tags: Readonly<Record<string, string>>): SelectionTags | null {
  const [select, accuracy, minimize, evaluation] = selectionTagNames.map((name) => tags[name]?.trim());
  if ([select, accuracy, minimize, evaluation].every((value) => value === undefined)) return null;
  const missing = selectionTagNames.filter((name) => name !== 'penstock:minimize' && tags[name] === undefined);
  if (select === undefined || accuracy === undefined || evaluation === undefined)
    throw invalid(
      `a selection needs the tags penstock:select, penstock:accuracy and penstock:evaluation: ${missing.join(', ')} is missing`,
    );
  if (minimize !== undefined && minimize !== 'cost') throw invalid(`tag penstock:minimize must be 'cost', got '${minimize}'`);
  const candidates = select.split(/[\s+]+/).filter((name) => name !== '');
  if (candidates.length === 0) throw invalid('tag penstock:select names no model');
  return { candidates, floor: accuracyOf(accuracy), set: evaluation };
}

/** AWS allows no `>` in a tag. */
function accuracyOf(text: string): number {
  const [, number, percent] = /^(?:>?=)?\s*(\d*\.?\d+)\s*(%?)$/.exec(text) ?? [];
  const accuracy = number === undefined ? Number.NaN : Number(number) / (percent === '%' ? 100 : 1);
  if (accuracy > 0 && accuracy < 1) return accuracy;
  throw invalid(`tag penstock:accuracy must be above 0 and below 1, such as 0.97, got '${text}'`);
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

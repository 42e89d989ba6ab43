/** Pagination. A token holds the end position of the previous page and is valid only for the same input. Pure. */
import { pageAfterKey, questionDigest, readPageToken, writePageToken } from '../../pages.ts';
import { AwsError, type AwsInput } from '../service.ts';

/** The end of the previous page; null for the first. Throws `AwsError` with the operation's error code for a token of another input. */
export function positionOf(input: AwsInput, errorCode: 'InvalidNextToken' | 'InvalidParameterValue'): string | null {
  const { NextToken: token } = input;
  if (typeof token !== 'string' || token === '') return null;
  const [position] = readPageToken(token, questionOf(input)) ?? [];
  if (typeof position === 'string') return position;
  throw new AwsError(errorCode, 'Invalid NextToken: expected the token of the previous page with the same parameters.');
}

/** The token of the page after `place`, valid only for this input. */
export function tokenAt(input: AwsInput, place: string): string {
  return writePageToken(questionOf(input), [place]);
}

/** Pages through `items` in the order of their unique keys. */
export function cloudWatchPageOf<Item>(
  all: readonly Item[],
  input: AwsInput,
  keyOf: (item: Item) => string,
  { limit, errorCode }: { readonly limit: number; readonly errorCode: 'InvalidNextToken' | 'InvalidParameterValue' },
): { readonly items: readonly Item[]; readonly next: { readonly NextToken?: string } } {
  const { items, lastKey } = pageAfterKey(all, keyOf, { after: positionOf(input, errorCode), limit });
  return { items, next: lastKey === null ? {} : { NextToken: tokenAt(input, lastKey) } };
}

/** Identifies the input without its page size. */
function questionOf({ NextToken: _token, MaxRecords: _records, MaxDatapoints: _points, ...question }: AwsInput): string {
  return questionDigest(question);
}

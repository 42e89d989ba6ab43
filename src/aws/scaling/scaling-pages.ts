/** Pagination of Application Auto Scaling: up to 50 items, and tokens that are valid for the same filters only. Pure. */
import { pageAfterKey, questionDigest, readPageToken, writePageToken } from '../../pages.ts';
import { AwsError, type AwsInput } from '../service.ts';
import { validationError } from './scaling-documents.ts';

const limitMax = 50;

export interface ScalingPage<Item> {
  readonly items: readonly Item[];
  readonly next: { readonly NextToken?: string };
}

/** Sorts `items` by key; keys must be unique. Throws `InvalidNextTokenException`. */
export function scalingPageOf<Item>(
  all: readonly Item[],
  input: AwsInput,
  keyOf: (item: Item) => string,
  descending = false,
): ScalingPage<Item> {
  const { NextToken, MaxResults = limitMax, ...filters } = input;
  const limit = Number(MaxResults);
  if (!(limit >= 1 && limit <= limitMax)) throw validationError(`MaxResults must be 1 to ${limitMax}, got ${limit}.`);
  const question = questionDigest(filters);
  const after = typeof NextToken === 'string' && NextToken !== '' ? keyIn(NextToken, question) : null;
  const { items, lastKey } = pageAfterKey(all, keyOf, { after, limit, descending });
  return { items, next: lastKey === null ? {} : { NextToken: writePageToken(question, [lastKey]) } };
}

function keyIn(token: string, question: string): string {
  const [key, ...rest] = readPageToken(token, question) ?? [];
  if (typeof key === 'string' && rest.length === 0) return key;
  throw new AwsError(
    'InvalidNextTokenException',
    'The NextToken is invalid: expected one from a previous call with the same filters. Start again without NextToken.',
  );
}

/** Pagination. A token holds the end position of the previous page and is valid only for the same input. Pure. */
import { createHash } from 'node:crypto';
import { AwsError, type AwsInput } from '../service.ts';

const tokenLengthMax = 4096;

/** The end of the previous page; null for the first. Throws `AwsError` with the operation's error code for a token of another input. */
export function positionOf(input: AwsInput, errorCode: 'InvalidNextToken' | 'InvalidParameterValue'): string | null {
  const { NextToken: token } = input;
  if (typeof token !== 'string' || token === '') return null;
  const wrong = new AwsError(errorCode, 'Invalid NextToken: expected the token of the previous page with the same parameters.');
  if (token.length > tokenLengthMax || !/^[\w-]+$/.test(token)) throw wrong;
  try {
    const content = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as unknown;
    if (Array.isArray(content) && content[0] === markOf(input) && typeof content[1] === 'string') return content[1];
  } catch {
    // Not JSON: fall through to the error below.
  }
  throw wrong;
}

/** The token of the page after `place`, valid only for this input. */
export function tokenAt(input: AwsInput, place: string): string {
  return Buffer.from(JSON.stringify([markOf(input), place])).toString('base64url');
}

/** Pages through `items` in the order of their unique keys. */
export function cloudWatchPageOf<Item>(
  items: readonly Item[],
  input: AwsInput,
  keyOf: (item: Item) => string,
  { limit, errorCode }: { readonly limit: number; readonly errorCode: 'InvalidNextToken' | 'InvalidParameterValue' },
): { readonly items: readonly Item[]; readonly next: { readonly NextToken?: string } } {
  const after = positionOf(input, errorCode);
  const keyed = items
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === null || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const shown = keyed.slice(0, limit);
  const last = shown.at(-1);
  const next = keyed.length > shown.length && last !== undefined ? { NextToken: tokenAt(input, last.key) } : {};
  return { items: shown.map(({ item }) => item), next };
}

/** Identifies the input without its page size. */
function markOf({ NextToken: _token, MaxRecords: _records, MaxDatapoints: _points, ...question }: AwsInput): string {
  const entries = Object.entries(question).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('base64url').slice(0, 16);
}

/** Pages of CloudWatch: a token tells where the one before ended, and is good for the same question only. Pure. */
import { createHash } from 'node:crypto';
import { AwsError, type AwsInput } from '../service.ts';

const tokenLengthMax = 4096;

/** Where the page before ended; null for the first. Throws `AwsError` by the operation's own name for a token of another question. */
export function placeOf(input: AwsInput, errorCode: 'InvalidNextToken' | 'InvalidParameterValue'): string | null {
  const { NextToken: token } = input;
  if (typeof token !== 'string' || token === '') return null;
  const wrong = new AwsError(errorCode, 'The NextToken is none that this call gave for this question: begin without it.');
  if (token.length > tokenLengthMax || !/^[\w-]+$/.test(token)) throw wrong;
  try {
    const content = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as unknown;
    if (Array.isArray(content) && content[0] === markOf(input) && typeof content[1] === 'string') return content[1];
  } catch {
    // no JSON: refused as well
  }
  throw wrong;
}

export function tokenAt(input: AwsInput, place: string): string {
  return Buffer.from(JSON.stringify([markOf(input), place])).toString('base64url');
}

/** `items` in the order of their keys, each with one of its own. */
export function pageOf<Item>(
  items: readonly Item[],
  input: AwsInput,
  keyOf: (item: Item) => string,
  { limit, errorCode }: { readonly limit: number; readonly errorCode: 'InvalidNextToken' | 'InvalidParameterValue' },
): { readonly items: readonly Item[]; readonly next: { readonly NextToken?: string } } {
  const after = placeOf(input, errorCode);
  const keyed = items
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === null || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const shown = keyed.slice(0, limit);
  const last = shown.at(-1);
  const next = keyed.length > shown.length && last !== undefined ? { NextToken: tokenAt(input, last.key) } : {};
  return { items: shown.map(({ item }) => item), next };
}

/** Of the question, whatever the size of its pages. */
function markOf({ NextToken: _token, MaxRecords: _records, MaxDatapoints: _points, ...question }: AwsInput): string {
  const entries = Object.entries(question).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('base64url').slice(0, 16);
}

/** Pages of Application Auto Scaling: up to 50 items, and a token that is good for the same filters. Pure. */
import { createHash } from 'node:crypto';
import { AwsError, type AwsInput } from '../service.ts';
import { refused } from './scaling-documents.ts';

const limitMax = 50;
const tokenLengthMax = 4096;

export interface ScalingPage<Item> {
  readonly items: readonly Item[];
  readonly next: { readonly NextToken?: string };
}

/** `items` in the order of their keys, each with one of its own. Throws `InvalidNextTokenException`. */
export function pageOf<Item>(
  items: readonly Item[],
  input: AwsInput,
  keyOf: (item: Item) => string,
  descending = false,
): ScalingPage<Item> {
  const { NextToken, MaxResults = limitMax, ...filters } = input;
  const limit = Number(MaxResults);
  if (!(limit >= 1 && limit <= limitMax)) throw refused(`MaxResults must be 1 to ${limitMax}, got ${limit}.`);
  const mark = createHash('sha256')
    .update(JSON.stringify(Object.entries(filters).sort(([a], [b]) => (a < b ? -1 : 1))))
    .digest('base64url')
    .slice(0, 16);
  const after = typeof NextToken === 'string' && NextToken !== '' ? readToken(NextToken, mark) : null;
  const keyed = items.map((item) => ({ item, key: keyOf(item) })).sort((a, b) => (a.key < b.key ? -1 : 1) * (descending ? -1 : 1));
  const rest = after === null ? keyed : keyed.filter(({ key }) => (descending ? key < after : key > after));
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  const hasMore = rest.length > shown.length && last !== undefined;
  const next = hasMore ? { NextToken: Buffer.from(JSON.stringify([mark, last.key])).toString('base64url') } : {};
  return { items: shown.map(({ item }) => item), next };
}

function readToken(token: string, mark: string): string {
  const wrong = new AwsError('InvalidNextTokenException', 'The NextToken is none that this call gave for these filters: begin without it.');
  if (token.length > tokenLengthMax || !/^[\w-]+$/.test(token)) throw wrong;
  try {
    const content = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as unknown;
    if (Array.isArray(content) && content.length === 2 && content[0] === mark && typeof content[1] === 'string') return content[1];
  } catch {
    // no JSON: refused as well
  }
  throw wrong;
}

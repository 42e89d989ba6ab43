/** Pagination of Application Auto Scaling: up to 50 items, and tokens that are valid for the same filters only. Pure. */
import { createHash } from 'node:crypto';
import { AwsError, type AwsInput } from '../service.ts';
import { validationError } from './scaling-documents.ts';

const limitMax = 50;
const tokenLengthMax = 4096;

export interface ScalingPage<Item> {
  readonly items: readonly Item[];
  readonly next: { readonly NextToken?: string };
}

/** Sorts `items` by key; keys must be unique. Throws `InvalidNextTokenException`. */
export function scalingPageOf<Item>(
  items: readonly Item[],
  input: AwsInput,
  keyOf: (item: Item) => string,
  descending = false,
): ScalingPage<Item> {
  const { NextToken, MaxResults = limitMax, ...filters } = input;
  const limit = Number(MaxResults);
  if (!(limit >= 1 && limit <= limitMax)) throw validationError(`MaxResults must be 1 to ${limitMax}, got ${limit}.`);
  // Sorted: clients need not send members in a fixed order.
  const filterHash = createHash('sha256')
    .update(JSON.stringify(Object.entries(filters).sort(([a], [b]) => (a < b ? -1 : 1))))
    .digest('base64url')
    .slice(0, 16);
  const after = typeof NextToken === 'string' && NextToken !== '' ? readToken(NextToken, filterHash) : null;
  const keyed = items.map((item) => ({ item, key: keyOf(item) })).sort((a, b) => (a.key < b.key ? -1 : 1) * (descending ? -1 : 1));
  const rest = after === null ? keyed : keyed.filter(({ key }) => (descending ? key < after : key > after));
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  const hasMore = rest.length > page.length && last !== undefined;
  const next = hasMore ? { NextToken: Buffer.from(JSON.stringify([filterHash, last.key])).toString('base64url') } : {};
  return { items: page.map(({ item }) => item), next };
}

function readToken(token: string, filterHash: string): string {
  const invalid = new AwsError(
    'InvalidNextTokenException',
    'The NextToken is invalid: expected one from a previous call with the same filters. Start again without NextToken.',
  );
  if (token.length > tokenLengthMax || !/^[\w-]+$/.test(token)) throw invalid;
  try {
    const content = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as unknown;
    if (Array.isArray(content) && content.length === 2 && content[0] === filterHash && typeof content[1] === 'string') return content[1];
  } catch {
    // not JSON: rejected below
  }
  throw invalid;
}

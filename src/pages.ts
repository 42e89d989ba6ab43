/**
 * Pages of lists. A page begins after the sort key of the last item of the previous one, so concurrent changes neither repeat nor skip
 * other items. A token contains this key and a digest of the query, so it is valid for the same query only. Pure.
 */
import { createHash } from 'node:crypto';

type KeyPart = string | number | undefined;

/** Digest of the query of a list, without members that may differ between pages. The order of members does not matter. */
export function questionDigest(members: Readonly<Record<string, unknown>>, operation?: string): string {
  const sorted = Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify(operation === undefined ? sorted : [operation, sorted]))
    .digest('base64url')
    .slice(0, 16);
}

/** An opaque token: base64url of the query's digest and the key of the last item. Not signed: it grants nothing that the query does not. */
export function writePageToken(question: string, key: readonly KeyPart[]): string {
  return Buffer.from(JSON.stringify([question, ...key])).toString('base64url');
}

const tokenLengthMax = 8192;

/** The key in a token, unchecked beyond its form; null if it is not a token of this query. */
export function readPageToken(token: string, question: string): readonly unknown[] | null {
  if (token.length > tokenLengthMax || !/^[\w-]+$/.test(token)) return null;
  try {
    const content = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as unknown;
    return Array.isArray(content) && content[0] === question ? content.slice(1) : null;
  } catch {
    return null;
  }
}

/** One page of a list that is sorted by a unique key. */
export interface KeyedPage<Item> {
  readonly items: readonly Item[];
  /** The key of the last item if more follow; otherwise null. */
  readonly lastKey: string | null;
}

/** The page of at most `limit` items in the order of their unique keys, after a key. */
export function pageAfterKey<Item>(
  all: readonly Item[],
  keyOf: (item: Item) => string,
  { after, limit, descending = false }: { readonly after: string | null; readonly limit: number; readonly descending?: boolean },
): KeyedPage<Item> {
  const direction = descending ? -1 : 1;
  const rest = all
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === null || (descending ? key < after : key > after))
    .sort((a, b) => direction * (a.key < b.key ? -1 : 1));
  const page = rest.slice(0, limit);
  return { items: page.map(({ item }) => item), lastKey: rest.length > page.length ? (page.at(-1)?.key ?? null) : null };
}

/** The page at an offset. A list that changes between pages may repeat or skip items. `next` is the offset of the next page. */
export function pageAtOffset<Item>(
  all: readonly Item[],
  { offset, limit }: { readonly offset: number; readonly limit: number },
): { readonly items: readonly Item[]; readonly next: string | null } {
  const end = offset + limit;
  return { items: all.slice(offset, end), next: end < all.length ? String(end) : null };
}

/**
 * Lists come in pages. The token for the next one is the sort key of the last item shown: nothing comes twice and
 * nothing that stays is missed, whatever is made or deleted meanwhile. It is good only with the filters it was given
 * for. Pure.
 */
import { createHash } from 'node:crypto';
import { AwsError, type AwsInput } from '../service.ts';

/** What an item is sorted by (a time or a text), its name, and its version where names have several. */
export type SortKey = readonly [value: string | number, name: string, version?: number];

export interface PageRules<Sort extends string> {
  /** `ListModels` */
  readonly operation: string;
  /** The first is the default. */
  readonly sorts: readonly [Sort, ...Sort[]];
  readonly orderDefault: 'Ascending' | 'Descending';
}

export interface PageRequest<Sort extends string = string> {
  readonly limit: number;
  readonly sortBy: Sort;
  readonly descending: boolean;
  /** The page begins behind this. */
  readonly after: SortKey | null;
  /** In lower case. */
  readonly nameContains: string;
  /** Created later than the one, earlier than the other. */
  readonly createdAfterMs: number | null;
  readonly createdBeforeMs: number | null;
  /** Of the operation and its filters. */
  readonly filters: string;
}

export interface AwsPage<Item> {
  readonly items: readonly Item[];
  /** Members of the answer: `NextToken` where there is more. */
  readonly next: { readonly NextToken?: string };
}

const limitDefault = 10;
const limitMax = 100;
const tokenLengthMax = 8192;

/** Throws `ValidationException` for a token that this list did not give for these filters. */
export function readPage<Sort extends string>(input: AwsInput, rules: PageRules<Sort>): PageRequest<Sort> {
  const { NextToken, MaxResults, SortBy, SortOrder, NameContains, CreationTimeAfter, CreationTimeBefore } = input;
  const filters = filtersOf(rules.operation, input);
  const sortBy = rules.sorts.find((sort) => sort === SortBy) ?? rules.sorts[0];
  const token = typeof NextToken === 'string' && NextToken !== '' ? NextToken : null;
  return {
    limit: typeof MaxResults === 'number' ? Math.min(Math.max(MaxResults, 1), limitMax) : limitDefault,
    sortBy,
    descending: (SortOrder ?? rules.orderDefault) === 'Descending',
    after: token === null ? null : readToken(token, { filters, operation: rules.operation, isByTime: sortBy.endsWith('Time') }),
    nameContains: typeof NameContains === 'string' ? NameContains.toLowerCase() : '',
    createdAfterMs: typeof CreationTimeAfter === 'number' ? CreationTimeAfter : null,
    createdBeforeMs: typeof CreationTimeBefore === 'number' ? CreationTimeBefore : null,
    filters,
  };
}

/** `rows` are those behind `request.after`, in order, one more than the limit where there are so many. */
export function cutPage<Item>(rows: readonly Item[], request: PageRequest, keyOf: (item: Item) => SortKey): AwsPage<Item> {
  const items = rows.slice(0, request.limit);
  const last = items.at(-1);
  if (rows.length <= request.limit || last === undefined) return { items, next: {} };
  return { items, next: { NextToken: writeToken(keyOf(last), request.filters) } };
}

interface Listed {
  readonly name: string;
  readonly createdAtMs: number;
}

/**
 * A page of what is all in memory: filtered by name and time of creation, sorted, cut. `sortValue` is what an item is
 * sorted by; names decide between equals.
 */
export function pageOfAll<Item, Sort extends string>(
  all: readonly Item[],
  request: PageRequest<Sort>,
  { listed, sortValue }: { readonly listed: (item: Item) => Listed; readonly sortValue: (item: Item, sortBy: Sort) => string | number },
): AwsPage<Item> {
  const keyOf = (item: Item): SortKey => [sortValue(item, request.sortBy), listed(item).name.toLowerCase()];
  const direction = request.descending ? -1 : 1;
  const rows = all
    .filter((item) => isWithin(listed(item), request))
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => request.after === null || direction * compareKeys(key, request.after) > 0)
    .sort((a, b) => direction * compareKeys(a.key, b.key))
    .map(({ item }) => item);
  return cutPage(rows, request, keyOf);
}

function isWithin({ name, createdAtMs }: Listed, { nameContains, createdAfterMs, createdBeforeMs }: PageRequest): boolean {
  if (createdAfterMs !== null && createdAtMs <= createdAfterMs) return false;
  if (createdBeforeMs !== null && createdAtMs >= createdBeforeMs) return false;
  return name.toLowerCase().includes(nameContains);
}

/** Negative where `a` comes first in ascending order. */
function compareKeys(a: SortKey, b: SortKey): number {
  for (const index of [0, 1] as const) if (a[index] !== b[index]) return a[index] < b[index] ? -1 : 1;
  return 0;
}

/** All members but those that a client may change from page to page. */
function filtersOf(operation: string, input: AwsInput): string {
  const { NextToken: _token, MaxResults: _limit, ...filters } = input;
  const sorted = Object.entries(filters)
    .filter(([, value]) => value !== undefined && value !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([operation, sorted]))
    .digest('base64url')
    .slice(0, 16);
}

function writeToken(key: SortKey, filters: string): string {
  return Buffer.from(JSON.stringify([filters, ...key])).toString('base64url');
}

function readToken(token: string, given: { filters: string; operation: string; isByTime: boolean }): SortKey {
  const refused = new AwsError(
    'ValidationException',
    `Invalid NextToken: it is none that ${given.operation} gave for these filters. Send it with the same filters, or begin without it.`,
  );
  if (token.length > tokenLengthMax || !/^[\w-]+$/.test(token)) throw refused;
  const content = parseJson(Buffer.from(token, 'base64url').toString('utf8'));
  if (!Array.isArray(content)) throw refused;
  const [filters, value, name, version, ...rest] = content as unknown[];
  const isKey = (given.isByTime ? isWhole(value) : isText(value)) && isText(name) && (version === undefined || isWhole(version));
  if (filters !== given.filters || !isKey || rest.length > 0) throw refused;
  return content.slice(1) as unknown as SortKey;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isWhole(part: unknown): boolean {
  return Number.isSafeInteger(part);
}

function isText(part: unknown): boolean {
  return typeof part === 'string' && part.length <= 256 && !part.includes('\0');
}

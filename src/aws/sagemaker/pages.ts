/**
 * Pagination of lists. A token contains the sort key of the last item returned, so concurrent changes neither repeat nor skip other items.
 * It is valid for the same operation and filters only.
 */
import { questionDigest, readPageToken, writePageToken } from '../../pages.ts';
import type { JobFilter } from '../../storage/index.ts';
import { AwsError, type AwsInput } from '../service.ts';

/** The sort value (a time or a text), the name, and the version if names have several. */
export type SortKey = readonly [value: string | number, name: string, version?: number];

/** How the list of one operation is sorted. */
export interface PageRules<Sort extends string> {
  /** Such as `ListModels`. */
  readonly operation: string;
  /** Allowed values of `SortBy`; the first is the default. */
  readonly sorts: readonly [Sort, ...Sort[]];
  readonly orderDefault: 'Ascending' | 'Descending';
}

/** A page to be read from the database. */
export interface PageRequest<Sort extends string = string> {
  readonly limit: number;
  readonly sortBy: Sort;
  readonly descending: boolean;
  /** The page begins after this key. */
  readonly after: SortKey | null;
  /** In lower case. */
  readonly nameContains: string;
  /** Exclusive, as is `createdBeforeMs`. */
  readonly createdAfterMs: number | null;
  readonly createdBeforeMs: number | null;
  /** Digest of the operation and its filters. */
  readonly filters: string;
}

/** A page that was read. */
export interface AwsPage<Item> {
  readonly items: readonly Item[];
  /** Members of the response: `NextToken` if there are more items. */
  readonly next: { readonly NextToken?: string };
}

const limitDefault = 10;
const limitMax = 100;

/** Throws `ValidationException` for a token of another operation or other filters. */
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

/** A page of jobs by name, state or time, and the filter that finds it in the database. */
export function readJobPage(input: AwsInput, operation: string): { readonly request: PageRequest; readonly filter: Required<JobFilter> } {
  const request = readPage(input, { operation, sorts: ['CreationTime', 'Name', 'Status'], orderDefault: 'Descending' });
  const { LastModifiedTimeAfter, LastModifiedTimeBefore } = input;
  const { limit, sortBy, after, descending, nameContains, createdAfterMs, createdBeforeMs } = request;
  const filter = {
    descending,
    nameContains,
    createdAfterMs,
    createdBeforeMs,
    updatedAfterMs: typeof LastModifiedTimeAfter === 'number' ? LastModifiedTimeAfter : null,
    updatedBeforeMs: typeof LastModifiedTimeBefore === 'number' ? LastModifiedTimeBefore : null,
    sortBy: ({ CreationTime: 'created_at', Name: 'name_key', Status: 'state' } as const)[sortBy],
    after: after === null ? null : ([after[0], after[1]] as const),
    offset: 0,
    // One more than the limit shows whether there is another page.
    limit: limit + 1,
  };
  return { request, filter };
}

/** `rows` are sorted and begin after `request.after`; one more than the limit means that there is another page. */
export function cutPage<Item>(rows: readonly Item[], request: PageRequest, keyOf: (item: Item) => SortKey): AwsPage<Item> {
  const items = rows.slice(0, request.limit);
  const last = items.at(-1);
  if (rows.length <= request.limit || last === undefined) return { items, next: {} };
  return { items, next: { NextToken: writePageToken(request.filters, keyOf(last)) } };
}

/** Reads pages until their end, or until there are `limit` items. */
export async function readPages<Item>(
  limit: number,
  read: (request: PageRequest<'CreationTime'>) => Promise<AwsPage<Item>>,
): Promise<Item[]> {
  const found: Item[] = [];
  let token: string | undefined;
  do {
    const input = { MaxResults: limitMax, ...(token === undefined ? {} : { NextToken: token }) };
    const page = await read(readPage(input, { operation: 'all', sorts: ['CreationTime'], orderDefault: 'Descending' }));
    found.push(...page.items);
    token = page.next.NextToken;
  } while (token !== undefined && found.length < limit);
  return found;
}

interface Entry {
  readonly name: string;
  readonly createdAtMs: number;
}

/** A page of items in memory: filters by name and creation time, and sorts by `sortValue`, then by name. */
export function pageOfAll<Item, Sort extends string>(
  all: readonly Item[],
  request: PageRequest<Sort>,
  { entryOf, sortValue }: { readonly entryOf: (item: Item) => Entry; readonly sortValue: (item: Item, sortBy: Sort) => string | number },
): AwsPage<Item> {
  const keyOf = (item: Item): SortKey => [sortValue(item, request.sortBy), entryOf(item).name.toLowerCase()];
  const direction = request.descending ? -1 : 1;
  const rows = all
    .filter((item) => isWithin(entryOf(item), request))
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => request.after === null || direction * compareKeys(key, request.after) > 0)
    .sort((a, b) => direction * compareKeys(a.key, b.key))
    .map(({ item }) => item);
  return cutPage(rows, request, keyOf);
}

function isWithin({ name, createdAtMs }: Entry, { nameContains, createdAfterMs, createdBeforeMs }: PageRequest): boolean {
  if (createdAfterMs !== null && createdAtMs <= createdAfterMs) return false;
  if (createdBeforeMs !== null && createdAtMs >= createdBeforeMs) return false;
  return name.toLowerCase().includes(nameContains);
}

/** Negative if `a` comes first in ascending order. */
function compareKeys(a: SortKey, b: SortKey): number {
  for (const index of [0, 1] as const) if (a[index] !== b[index]) return a[index] < b[index] ? -1 : 1;
  return 0;
}

/** Digest of all members except those that may differ between pages. */
function filtersOf(operation: string, input: AwsInput): string {
  const { NextToken: _token, MaxResults: _limit, ...filters } = input;
  const provided = Object.entries(filters).filter(([, value]) => value !== undefined && value !== null);
  return questionDigest(Object.fromEntries(provided), operation);
}

function readToken(token: string, input: { filters: string; operation: string; isByTime: boolean }): SortKey {
  const key = readPageToken(token, input.filters) ?? [];
  const [value, name, version, ...rest] = key;
  const isKey = (input.isByTime ? isWhole(value) : isText(value)) && isText(name) && (version === undefined || isWhole(version));
  if (isKey && rest.length === 0) return key as unknown as SortKey;
  throw new AwsError(
    'ValidationException',
    `Invalid NextToken: expected one from ${input.operation} with the same filters. Start again without NextToken.`,
  );
}

function isWhole(part: unknown): boolean {
  return Number.isSafeInteger(part);
}

function isText(part: unknown): boolean {
  return typeof part === 'string' && part.length <= 256 && !part.includes('\0');
}

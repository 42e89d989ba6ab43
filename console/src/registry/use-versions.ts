/** The versions of a group, page by page, the latest first; and those further down that the page needs by their number. */
import { useInfiniteQuery, useQueries } from '@tanstack/react-query';
import type { Page, VersionBody } from '../../../src/api/index.ts';
import { get, path } from '../api/client.ts';
import { versionQuery } from '../api/queries.ts';

/** What people look for is among the latest; rows that nobody sees only make the page slow. */
const pageSize = 25;

export const useVersions = (group: string) =>
  useInfiniteQuery({
    queryKey: ['versions', group, 'pages'],
    queryFn: ({ pageParam, signal }) =>
      get<Page<VersionBody>>(path('/groups/:group/versions', { group }), { limit: pageSize, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    select: ({ pages }) => pages.flatMap(({ items }) => items),
  });

/** With those of these numbers that were not read yet: what the address names, or what serves. */
export function useKnownVersions(read: readonly VersionBody[], group: string, wanted: readonly number[]): readonly VersionBody[] {
  const last = read.at(-1)?.version ?? 0;
  const missing = [...new Set(wanted)].filter((number) => Number.isInteger(number) && number > 0 && number < last);
  const found = useQueries({ queries: missing.map((number) => versionQuery(`${group}/${number}`)) });
  return [...read, ...found.flatMap(({ data }) => data ?? []).toSorted((a, b) => b.version - a.version)];
}

/** The versions of a group, page by page, latest first, plus individual older versions that a page needs. */
import { useInfiniteQuery, useQueries } from '@tanstack/react-query';
import type { PageBody, VersionBody } from '../../../src/api/index.ts';
import { get, path } from '../api/client.ts';
import { versionQuery } from '../api/queries.ts';

/** Small pages keep the table fast; most users need only the latest versions. */
const pageSize = 25;

export const useVersions = (group: string) =>
  useInfiniteQuery({
    queryKey: ['versions', group, 'pages'],
    queryFn: ({ pageParam, signal }) =>
      get<PageBody<VersionBody>>(path('/groups/:group/versions', { group }), { limit: pageSize, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    select: ({ pages }) => pages.flatMap(({ items }) => items),
  });

/** `read`, plus the `wanted` versions that are older than all of them. */
export function useKnownVersions(read: readonly VersionBody[], group: string, wanted: readonly number[]): readonly VersionBody[] {
  const last = read.at(-1)?.version ?? 0;
  const missing = [...new Set(wanted)].filter((number) => Number.isInteger(number) && number > 0 && number < last);
  const found = useQueries({ queries: missing.map((number) => versionQuery(`${group}/${number}`)) });
  return [...read, ...found.flatMap(({ data }) => data ?? []).toSorted((a, b) => b.version - a.version)];
}

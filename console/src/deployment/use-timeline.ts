/** Decisions and what people changed, of one endpoint, in one line of time. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { AnyDecisionBody, Page } from '../../../src/api/index.ts';
import { get, path } from '../api/client.ts';
import { decisionsQuery } from '../api/queries.ts';
import { type Change, changeEntries } from './change-words.ts';
import { timelineOf } from './decision-words.ts';

const pageSize = 60;
const reviewsShown = 30;

export function useTimeline(endpoint: string, asked: string | undefined) {
  const decisions = useInfiniteQuery({
    queryKey: ['decisions', endpoint, 'timeline'],
    queryFn: ({ signal, pageParam }) =>
      get<Page<AnyDecisionBody>>(
        path('/endpoints/:endpoint/decisions', { endpoint }),
        { limit: pageSize, changes: true, before: pageParam },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    refetchInterval: 20_000,
  });
  // Reviews that changed nothing are many: of them only the latest.
  const latest = useQuery({ ...decisionsQuery(endpoint, { limit: reviewsShown }), refetchInterval: 20_000 });
  const changes = useQuery({
    queryKey: ['changes', endpoint],
    queryFn: ({ signal }) => get<Page<Change>>(path('/endpoints/:endpoint/changes', { endpoint }), { limit: 100 }, signal),
    refetchInterval: 20_000,
  });
  const entries = useMemo(() => {
    const changed = decisions.data?.pages.flatMap(({ items }) => items) ?? [];
    const made = new Map([...(latest.data?.items ?? []), ...changed].map((decision) => [decision.id, decision]));
    const sorted = [...made.values()].toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at));
    return timelineOf(sorted, changeEntries(changes.data?.items ?? []), asked);
  }, [decisions.data, latest.data, changes.data, asked]);
  return { decisions, entries };
}

/** The timeline of an endpoint: decisions and changes by users. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { AnyDecisionBody, PageBody } from '../../../../src/api/index.ts';
import { get, path } from '../../api/client.ts';
import { type AuditedChange, changeEntries } from './format-change.ts';
import { timelineOf } from './format-decision.ts';

const pageSize = 60;

export function useTimeline(endpoint: string, requestedId: string | undefined) {
  const decisions = useInfiniteQuery({
    queryKey: ['decisions', endpoint, 'timeline'],
    queryFn: ({ signal, pageParam }) =>
      get<PageBody<AnyDecisionBody>>(
        path('/endpoints/:endpoint/decisions', { endpoint }),
        { limit: pageSize, folded: true, before: pageParam },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    refetchInterval: 20_000,
  });
  const changes = useQuery({
    queryKey: ['changes', endpoint],
    queryFn: ({ signal }) => get<PageBody<AuditedChange>>(path('/endpoints/:endpoint/changes', { endpoint }), { limit: 100 }, signal),
    refetchInterval: 20_000,
  });
  const entries = useMemo(() => {
    const made = decisions.data?.pages.flatMap(({ items }) => items) ?? [];
    return timelineOf(made, changeEntries(changes.data?.items ?? []), requestedId);
  }, [decisions.data, changes.data, requestedId]);
  return { decisions, entries };
}

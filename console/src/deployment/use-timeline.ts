/** Decisions and what people changed, of one endpoint, in one line of time. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { AnyDecisionBody, EventBody, Page } from '../../../src/api/index.ts';
import { get, path } from '../api/client.ts';
import { recentEventsQuery } from '../api/queries.ts';
import { type TimelineEntry, timelineOf } from './decision-words.ts';

type Person = Extract<TimelineEntry, { kind: 'person' }>;

const pageSize = 60;

export function useTimeline(endpoint: string, asked: string | undefined) {
  const decisions = useInfiniteQuery({
    queryKey: ['decisions', endpoint, 'timeline'],
    queryFn: ({ signal, pageParam }) =>
      get<Page<AnyDecisionBody>>(path('/endpoints/:endpoint/decisions', { endpoint }), { limit: pageSize, before: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    refetchInterval: 20_000,
  });
  const events = useQuery(recentEventsQuery({ subject: endpoint, limit: 50 }));
  const entries = useMemo(() => {
    const made = decisions.data?.pages.flatMap(({ items }) => items) ?? [];
    return timelineOf(made, (events.data?.items ?? []).flatMap(changeBy), asked);
  }, [decisions.data, events.data, asked]);
  return { decisions, entries };
}

const titles: Readonly<Record<string, string>> = {
  'endpoint.created': 'Created',
  'endpoint.changed': 'Settings changed',
  'endpoint.delete-requested': 'Deletion asked for',
};

function changeBy({ kind, seq, at, detail }: EventBody): Person[] {
  const title = titles[kind];
  if (title === undefined) return [];
  const generation = (detail as { generation?: number } | null)?.generation;
  return [
    {
      kind: 'person',
      seq,
      atMs: Date.parse(at),
      title: generation === undefined || generation === 1 ? title : `${title}, ${generation}. time`,
    },
  ];
}

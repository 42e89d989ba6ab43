/** What happened: state changes, decisions, alarms, as they were told. */
import { TextInput } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { EventBody, Page } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { Ago } from '../kit/ago.tsx';
import { breakable } from '../kit/breakable.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Earlier } from '../kit/earlier.tsx';
import { eventWords } from '../kit/event-words.ts';
import { Failure, Skeletons } from '../kit/loaded.tsx';
import { reasonWords } from '../kit/reason-words.ts';
import { useSearchValue } from '../kit/search-state.ts';
import { StateShape } from '../kit/state-mark.tsx';

const pageSize = 50;

export function Events(): ReactElement {
  const [subject, setSubject] = useSearchValue('subject', '');
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage, refetch } = useInfiniteQuery({
    queryKey: ['events', 'pages', subject],
    queryFn: ({ pageParam, signal }) =>
      get<Page<EventBody>>('/events/recent', { limit: pageSize, before: pageParam, subject: subject === '' ? undefined : subject }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next ?? undefined,
    refetchInterval: ({ state }) => (state.data?.pages.length === 1 ? 5000 : false),
  });
  return (
    <Card
      title="Events"
      end={
        <TextInput
          size="xs"
          aria-label="Only what happened to"
          placeholder="digits, digits/3"
          value={subject}
          onChange={(event) => setSubject(event.currentTarget.value)}
        />
      }
      footer={hasNextPage ? <Earlier isBusy={isFetchingNextPage} onMore={() => void fetchNextPage()} /> : undefined}
    >
      {error === null ? null : <Failure error={error} what="The events could not be loaded." onRetry={() => void refetch()} />}
      {data === undefined ? (
        <Skeletons heights={[280]} />
      ) : (
        <EventTable items={data.pages.flatMap(({ items }) => items)} subject={subject} />
      )}
    </Card>
  );
}

function EventTable({ items, subject }: { readonly items: readonly EventBody[]; readonly subject: string }): ReactElement {
  return (
    <DataTable
      caption="Events, the latest first"
      rows={items}
      keyOf={({ id }) => id}
      isDense
      whenEmpty={
        subject === '' ? 'Nothing happened yet.' : `Nothing is known of ${subject}: names are written whole, as digits or digits/3.`
      }
      columns={[
        { title: 'What', className: 'said kind', cell: ({ kind }) => <b>{breakable(kind)}</b> },
        {
          title: 'Subject',
          className: 'said',
          cell: (event) => <Link to={eventWords(event).to}>{breakable(event.subject)}</Link>,
        },
        { title: 'Detail', isWide: true, cell: (event) => <Told event={event} /> },
        { title: 'When', className: 'nw', cell: ({ at }) => <Ago at={at} /> },
      ]}
    />
  );
}

/** A sentence after the name; what else is known is under the pointer. */
function Told({ event }: { readonly event: EventBody }): ReactElement {
  const { kind, text } = eventWords(event);
  const { reason } = (event.detail ?? {}) as { readonly reason?: unknown };
  const isTold = typeof reason !== 'string' || reason === '' || text.includes(reasonWords(reason));
  return (
    <span className="said" title={JSON.stringify(event.detail)}>
      <StateShape kind={kind} /> {isTold ? text : `${text}: ${reasonWords(reason)}`}
    </span>
  );
}

/** Events: state changes, decisions and alarms. */
import { TextInput } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { EventBody, PageBody } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { breakable } from '../kit/breakable.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { formatEvent, formatEventKind } from '../kit/format/format-event.ts';
import { formatReason } from '../kit/format/format-reason.ts';
import { Earlier } from '../kit/page/earlier.tsx';
import { LoadFailure, Skeletons } from '../kit/page/loaded.tsx';
import { useSearchValue } from '../kit/page/search-state.ts';
import { StateShape } from '../kit/state-mark.tsx';

const pageSize = 50;

export function EventsTab(): ReactElement {
  const [subject, setSubject] = useSearchValue('subject', '');
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage, refetch } = useInfiniteQuery({
    queryKey: ['events', 'pages', subject],
    queryFn: ({ pageParam, signal }) =>
      get<PageBody<EventBody>>(
        '/events/recent',
        { limit: pageSize, before: pageParam, subject: subject === '' ? undefined : subject },
        signal,
      ),
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
          aria-label="Filter by subject"
          placeholder="digits, digits/3"
          value={subject}
          onChange={(event) => setSubject(event.currentTarget.value)}
        />
      }
      footer={hasNextPage ? <Earlier isBusy={isFetchingNextPage} onMore={() => void fetchNextPage()} /> : undefined}
    >
      {error === null ? null : <LoadFailure error={error} what="The events could not be loaded." onRetry={() => void refetch()} />}
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
      caption="Events, latest first"
      rows={items}
      keyOf={({ id }) => id}
      isDense
      whenEmpty={subject === '' ? 'No events yet.' : `No events for ${subject}. Enter a full name, such as digits or digits/3.`}
      columns={[
        { title: 'Kind', className: 'said kind', cell: ({ kind }) => <b title={kind}>{formatEventKind(kind)}</b> },
        {
          title: 'Subject',
          className: 'said',
          cell: (event) => <Link to={formatEvent(event).to}>{breakable(event.subject)}</Link>,
        },
        { title: 'Detail', isWide: true, cell: (event) => <EventSummary event={event} /> },
        { title: 'When', className: 'nw', cell: ({ at }) => <Ago at={at} /> },
      ]}
    />
  );
}

/** A sentence that follows the subject. The tooltip shows the full detail. */
function EventSummary({ event }: { readonly event: EventBody }): ReactElement {
  const { kind, text } = formatEvent(event);
  const { reason } = (event.detail ?? {}) as { readonly reason?: unknown };
  const isComplete = typeof reason !== 'string' || reason === '' || text.includes(formatReason(reason));
  return (
    <span className="said" title={JSON.stringify(event.detail)}>
      <StateShape kind={kind} /> {isComplete ? text : `${text}: ${formatReason(reason)}`}
    </span>
  );
}

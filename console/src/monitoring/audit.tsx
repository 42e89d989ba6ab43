/** Who did what, from where, and how it ended; and whether the record of it is whole. */
import { Button, TextInput } from '@mantine/core';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { AuditBody, AuditVerdictBody, Page } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { Ago } from '../kit/ago.tsx';
import { betweenWords, breakable } from '../kit/breakable.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Earlier } from '../kit/earlier.tsx';
import { plural } from '../kit/format.ts';
import { Failure, Skeletons } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { useSearchValue } from '../kit/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { detailWords } from './detail-words.ts';

const pageSize = 50;

export function Audit(): ReactElement {
  const [target, setTarget] = useSearchValue('target', '');
  const [who, setWho] = useSearchValue('who', '');
  const wish = { limit: pageSize, target: target === '' ? undefined : target, who: who === '' ? undefined : who };
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage, refetch } = useInfiniteQuery({
    queryKey: ['audit', target, who],
    queryFn: ({ pageParam, signal }) => get<Page<AuditBody>>('/audit', { ...wish, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next ?? undefined,
  });
  return (
    <>
      <Verification />
      <Card
        title="Audit trail"
        end={
          <span className="row wrap">
            <TextInput
              size="xs"
              aria-label="Only by"
              placeholder="by: AKIA…"
              value={who}
              onChange={(event) => setWho(event.currentTarget.value)}
            />
            <TextInput
              size="xs"
              aria-label="Only done to"
              placeholder="to: digits"
              value={target}
              onChange={(event) => setTarget(event.currentTarget.value)}
            />
          </span>
        }
        footer={hasNextPage ? <Earlier isBusy={isFetchingNextPage} onMore={() => void fetchNextPage()} /> : undefined}
      >
        {error === null ? null : <Failure error={error} what="The audit could not be loaded." onRetry={() => void refetch()} />}
        {data === undefined ? <Skeletons heights={[280]} /> : <AuditTable items={data.pages.flatMap(({ items }) => items)} />}
      </Card>
    </>
  );
}

function AuditTable({ items }: { readonly items: readonly AuditBody[] }): ReactElement {
  return (
    <DataTable
      caption="Who did what, the latest first"
      rows={items}
      keyOf={({ id }) => id}
      isDense
      whenEmpty="Nothing was done of that kind."
      columns={[
        { title: 'Deed', className: 'said kind', cell: (record) => <Deed record={record} /> },
        { title: 'By', isWide: true, cell: (record) => <By record={record} /> },
        {
          title: 'Outcome',
          cell: ({ outcome }) => <StateMark kind={outcome === 'ok' ? 'ok' : 'bad'}>{outcome === 'ok' ? 'done' : outcome}</StateMark>,
        },
        { title: 'Detail', isWide: true, cell: ({ detail }) => <Detail detail={detail} /> },
        { title: 'When', className: 'nw', cell: ({ at }) => <Ago at={at} /> },
      ]}
    />
  );
}

function Deed({ record: { action, target, who } }: { readonly record: AuditBody }): ReactElement {
  return (
    <>
      <b>{breakable(action, betweenWords)}</b>
      <span className="two mono">{breakable(target)}</span>
      <span className="two m-only">by {who}</span>
    </>
  );
}

function By({ record: { who, origin } }: { readonly record: AuditBody }): ReactElement {
  return (
    <>
      <span className="mono">{who}</span>
      <span className="two">{origin === null ? 'by itself' : `from ${origin.remote_address}, ${origin.door}`}</span>
    </>
  );
}

/** In a few lines; what is more opens under it. */
function Detail({ detail }: { readonly detail: unknown }): ReactElement {
  const words = detailWords(detail);
  if (words === null) return <span className="dim">–</span>;
  if (words.whole === null) return <span className="audit-detail">{breakable(words.text)}</span>;
  return (
    <details className="audit-detail">
      <summary>{breakable(words.text)}</summary>
      <pre>{words.whole}</pre>
    </details>
  );
}

function Verification(): ReactElement {
  const { mutate, data, error, isPending } = useMutation({ mutationFn: () => get<AuditVerdictBody>('/audit/verification') });
  const button = (
    <Button size="sm" onClick={() => mutate()} loading={isPending}>
      Check the chain
    </Button>
  );
  return (
    <div className="section">
      {error === null ? null : <Failure error={error} what="The chain could not be checked." />}
      {data === undefined ? (
        <Note title="Each record is sealed by the next." end={button}>
          One that was changed, taken out or slipped in is found.
        </Note>
      ) : data.broken === null ? (
        <Note tone="accent" icon="check" title={`${plural(data.records, 'record')}, all as they were written.`} end={button}>
          The hash of the last one: <code className="said">{data.head}</code>
        </Note>
      ) : (
        <Note tone="bad" title={`Record ${data.broken.number} is not as it was written.`} end={button}>
          {data.broken.why}
        </Note>
      )}
    </div>
  );
}

/** The audit log: actions, callers and outcomes, and the verification of its hash chain. */
import { Button, TextInput } from '@mantine/core';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { AuditBody, AuditVerdictBody, PageBody } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { betweenWords, breakable } from '../kit/breakable.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { plural } from '../kit/format/format.ts';
import { Earlier } from '../kit/page/earlier.tsx';
import { LoadFailure, Skeletons } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { useSearchValue } from '../kit/page/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { formatDetail } from './format-detail.ts';

const pageSize = 50;

export function AuditTab(): ReactElement {
  const [target, setTarget] = useSearchValue('target', '');
  const [who, setWho] = useSearchValue('who', '');
  const query = { limit: pageSize, target: target === '' ? undefined : target, who: who === '' ? undefined : who };
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage, refetch } = useInfiniteQuery({
    queryKey: ['audit', target, who],
    queryFn: ({ pageParam, signal }) => get<PageBody<AuditBody>>('/audit', { ...query, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next ?? undefined,
  });
  return (
    <>
      <Verification />
      <Card
        title="Audit log"
        end={
          <span className="row wrap">
            <TextInput
              size="xs"
              aria-label="Filter by caller"
              placeholder="caller: AKIA…"
              value={who}
              onChange={(event) => setWho(event.currentTarget.value)}
            />
            <TextInput
              size="xs"
              aria-label="Filter by resource"
              placeholder="resource: digits"
              value={target}
              onChange={(event) => setTarget(event.currentTarget.value)}
            />
          </span>
        }
        footer={hasNextPage ? <Earlier isBusy={isFetchingNextPage} onMore={() => void fetchNextPage()} /> : undefined}
      >
        {error === null ? null : <LoadFailure error={error} what="The audit log could not be loaded." onRetry={() => void refetch()} />}
        {data === undefined ? <Skeletons heights={[280]} /> : <AuditTable items={data.pages.flatMap(({ items }) => items)} />}
      </Card>
    </>
  );
}

function AuditTable({ items }: { readonly items: readonly AuditBody[] }): ReactElement {
  return (
    <DataTable
      caption="Audit records, latest first"
      rows={items}
      keyOf={({ id }) => id}
      isDense
      whenEmpty="No matching records."
      columns={[
        { title: 'Action', className: 'said kind', cell: (record) => <ActionCell record={record} /> },
        { title: 'Caller', isWide: true, cell: (record) => <By record={record} /> },
        {
          title: 'Outcome',
          cell: ({ outcome }) => <StateMark kind={outcome === 'ok' ? 'ok' : 'bad'}>{outcome === 'ok' ? 'ok' : outcome}</StateMark>,
        },
        { title: 'Detail', isWide: true, cell: ({ detail }) => <Detail detail={detail} /> },
        { title: 'When', className: 'nw', cell: ({ at }) => <Ago at={at} /> },
      ]}
    />
  );
}

function ActionCell({ record: { action, target, who } }: { readonly record: AuditBody }): ReactElement {
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
      <span className="two">{origin === null ? 'internal' : `from ${origin.remote_address}, ${origin.protocol}`}</span>
    </>
  );
}

/** A short form; the full detail opens below it. */
function Detail({ detail }: { readonly detail: unknown }): ReactElement {
  const text = formatDetail(detail);
  if (text === null) return <span className="dim">–</span>;
  if (text.whole === null) return <span className="audit-detail">{breakable(text.text)}</span>;
  return (
    <details className="audit-detail">
      <summary>{breakable(text.text)}</summary>
      <pre>{text.whole}</pre>
    </details>
  );
}

function Verification(): ReactElement {
  const { mutate, data, error, isPending } = useMutation({ mutationFn: () => get<AuditVerdictBody>('/audit/verification') });
  const button = (
    <Button size="sm" onClick={() => mutate()} loading={isPending}>
      Verify the chain
    </Button>
  );
  return (
    <div className="section">
      {error === null ? null : <LoadFailure error={error} what="The chain could not be verified." />}
      {data === undefined ? (
        <Note title="Records form a hash chain." end={button}>
          Verification detects changed, removed and inserted records.
        </Note>
      ) : data.broken === null ? (
        <Note tone="accent" icon="check" title={`${plural(data.records, 'record')}, all unmodified.`} end={button}>
          Hash of the last record: <code className="said">{data.head}</code>
        </Note>
      ) : (
        <Note tone="bad" title={`Record ${data.broken.number} was modified.`} end={button}>
          {data.broken.why}
        </Note>
      )}
    </div>
  );
}

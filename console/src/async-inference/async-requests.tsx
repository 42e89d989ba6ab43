/** Asynchronous requests with their state, result, retry and cancel. */
import { Button, SegmentedControl } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { AsyncBody } from '../../../src/api/index.ts';
import { path, post, urlOf } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { duration } from '../kit/format/format.ts';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent, LoadFailure } from '../kit/page/loaded.tsx';
import { useSearchValue } from '../kit/page/search-state.ts';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';
import { asyncQuery } from './job-queries.ts';

const states: Readonly<Record<AsyncBody['state'], readonly [StateKind, string]>> = {
  queued: ['changing', 'Queued'],
  succeeded: ['ok', 'Done'],
  failed: ['bad', 'Failed'],
  expired: ['bad', 'Expired'],
  cancelled: ['zero', 'Cancelled'],
};

export function AsyncRequestsTab(): ReactElement {
  const [state, setState] = useSearchValue('state', 'all');
  const query = useQuery(asyncQuery({ limit: 200, state: state === 'all' ? undefined : state }));
  return (
    <Card
      title="Asynchronous requests"
      end={
        <SegmentedControl
          aria-label="Filter by state"
          value={state}
          onChange={setState}
          data={[{ value: 'all', label: 'All' }, ...Object.entries(states).map(([value, [, label]]) => ({ value, label }))]}
        />
      }
      footer={query.data?.next === null ? undefined : 'Shows the latest 200.'}
    >
      <LoadedContent query={query} what="The requests could not be loaded.">
        {({ items }) =>
          items.length === 0 && state === 'all' ? (
            <div className="body">
              <Empty title="No asynchronous requests yet" command="penstock async submit ENDPOINT --file input.json">
                An asynchronous request is accepted at once and processed when there is capacity. Use it for large bodies, slow models and
                endpoints that scale to zero.
              </Empty>
            </div>
          ) : (
            <Requests items={items} />
          )
        }
      </LoadedContent>
    </Card>
  );
}

const columns: readonly TableColumn<AsyncBody>[] = [
  {
    title: 'Request',
    className: 'said',
    cell: ({ id, inference_id: inference, state }) => (
      <>
        <span className="mono job-id">{inference}</span>
        {inference === id ? null : <span className="two mono wide">{id}</span>}
        <span className="two m-only">
          <StateMark kind={states[state][0]}>{states[state][1]}</StateMark>
        </span>
      </>
    ),
  },
  {
    title: 'Endpoint',
    sort: ({ endpoint }) => endpoint,
    cell: ({ endpoint }) => (
      <Link to="/endpoints/$endpoint" params={{ endpoint }}>
        {endpoint}
      </Link>
    ),
  },
  {
    title: 'State',
    isWide: true,
    sort: ({ state }) => state,
    cell: ({ state }) => <StateMark kind={states[state][0]}>{states[state][1]}</StateMark>,
  },
  { title: 'Reason', isWide: true, cell: ({ reason }) => <span className="said">{reason ?? ''}</span> },
  {
    title: 'Duration',
    isNumber: true,
    isWide: true,
    cell: ({ created_at: from, finished_at: to }) => (to === null ? '' : duration(Date.parse(to) - Date.parse(from))),
  },
  {
    title: 'Submitted',
    className: 'nw',
    isWide: true,
    sort: ({ created_at: at }) => at,
    cell: ({ created_at: at }) => <Ago at={at} />,
  },
];

function Requests({ items }: { readonly items: readonly AsyncBody[] }): ReactElement {
  const client = useQueryClient();
  const mayInvoke = useHasPermission('invoke');
  const [error, setError] = useState<Error | null>(null);
  const change = (id: string, verb: 'retry' | 'cancel'): void => {
    setError(null);
    post(path(`/async/:id/${verb}`, { id }))
      .catch((thrown: unknown) => setError(thrown as Error))
      .finally(() => void client.invalidateQueries({ queryKey: ['async'] }));
  };
  return (
    <>
      {error === null ? null : (
        <div className="body">
          <LoadFailure error={error} what="The request failed." />
        </div>
      )}
      <DataTable
        caption="Asynchronous requests, latest first"
        rows={items}
        keyOf={({ id }) => id}
        whenEmpty="No requests in this state."
        columns={[
          ...columns,
          ...(mayInvoke ? [{ title: 'Actions', cell: (each: AsyncBody) => <Actions request={each} onChange={change} /> }] : []),
        ]}
      />
    </>
  );
}

interface ActionsProps {
  readonly request: AsyncBody;
  readonly onChange: (id: string, verb: 'retry' | 'cancel') => void;
}

function Actions({ request: { id, state }, onChange }: ActionsProps): ReactElement | null {
  if (state === 'succeeded') {
    return (
      <Button size="sm" component="a" href={urlOf(path('/async/:id/output', { id }))} download={`${id}.out`} aria-label={`Result of ${id}`}>
        Result
      </Button>
    );
  }
  if (state === 'queued') {
    return (
      <Button size="sm" onClick={() => onChange(id, 'cancel')} aria-label={`Cancel ${id}`}>
        Cancel
      </Button>
    );
  }
  if (state === 'cancelled') return null;
  return (
    <Button size="sm" onClick={() => onChange(id, 'retry')} aria-label={`Retry ${id}`}>
      Retry
    </Button>
  );
}

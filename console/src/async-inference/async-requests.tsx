/** Asynchronous requests: which wait, which have an answer, which failed and why; tried again, or given up. */
import { Button, SegmentedControl } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { AsyncBody } from '../../../src/api/index.ts';
import { path, post, urlOf } from '../api/client.ts';
import { useMay } from '../api/session.ts';
import { Ago } from '../kit/ago.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Empty } from '../kit/empty.tsx';
import { duration } from '../kit/format.ts';
import { Failure, Loaded } from '../kit/loaded.tsx';
import { useSearchValue } from '../kit/search-state.ts';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';
import { asyncQuery } from './job-queries.ts';

const states: Readonly<Record<AsyncBody['state'], readonly [StateKind, string]>> = {
  queued: ['changing', 'Waits'],
  succeeded: ['ok', 'Answered'],
  failed: ['bad', 'Failed'],
  expired: ['bad', 'Too late'],
  cancelled: ['zero', 'Cancelled'],
};

export function AsyncRequests(): ReactElement {
  const [state, setState] = useSearchValue('state', 'all');
  const query = useQuery(asyncQuery({ limit: 200, state: state === 'all' ? undefined : state }));
  return (
    <Card
      title="Asynchronous requests"
      end={
        <SegmentedControl
          aria-label="Only those that"
          value={state}
          onChange={setState}
          data={[{ value: 'all', label: 'All' }, ...Object.entries(states).map(([value, [, label]]) => ({ value, label }))]}
        />
      }
      footer={query.data?.next === null ? undefined : 'The latest 200.'}
    >
      <Loaded query={query} what="The requests could not be loaded.">
        {({ items }) =>
          items.length === 0 && state === 'all' ? (
            <div className="body">
              <Empty title="No request waits" command="penstock async submit ENDPOINT --file input.json">
                An asynchronous request is accepted at once and worked on when there is room: for large bodies, slow models and endpoints at
                zero.
              </Empty>
            </div>
          ) : (
            <Requests items={items} />
          )
        }
      </Loaded>
    </Card>
  );
}

function Requests({ items }: { readonly items: readonly AsyncBody[] }): ReactElement {
  const client = useQueryClient();
  const mayInvoke = useMay('invoke');
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
          <Failure error={error} what="It was refused." />
        </div>
      )}
      <DataTable
        caption="Asynchronous requests, the latest first"
        rows={items}
        keyOf={({ id }) => id}
        whenEmpty="None of that kind."
        columns={[
          {
            title: 'Request',
            cell: ({ id, inference_id: inference }) => (
              <>
                <span className="mono">{inference}</span>
                {inference === id ? null : <span className="two mono">{id}</span>}
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
            sort: ({ state }) => state,
            cell: ({ state }) => <StateMark kind={states[state][0]}>{states[state][1]}</StateMark>,
          },
          { title: 'Why', isWide: true, cell: ({ reason }) => <span className="said">{reason ?? ''}</span> },
          {
            title: 'Took',
            isNumber: true,
            isWide: true,
            cell: ({ created_at: from, finished_at: to }) => (to === null ? '' : duration(Date.parse(to) - Date.parse(from))),
          },
          { title: 'Asked for', className: 'nw', sort: ({ created_at: at }) => at, cell: ({ created_at: at }) => <Ago at={at} /> },
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
      <Button size="sm" component="a" href={urlOf(path('/async/:id/output', { id }))} download={`${id}.out`} aria-label={`Answer of ${id}`}>
        Answer
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
    <Button size="sm" onClick={() => onChange(id, 'retry')} aria-label={`Try again: ${id}`}>
      Try again
    </Button>
  );
}

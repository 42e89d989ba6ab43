/** The What-if page: the form with earlier simulations, or the results of one simulation. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { SimulationBody } from '../../../src/api/index.ts';
import { path, remove } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { count, duration, objective } from '../kit/format/format.ts';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValue } from '../kit/page/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { Results } from './results.tsx';
import { SimulationForm } from './simulation-form.tsx';
import { simulationsQuery, stateLabels } from './simulations.ts';
import './what-if-page.css';

export function WhatIfPage(): ReactElement {
  const [run] = useSearchValue('run', '');
  return run === '' ? <WhatIfForm /> : <Results run={run} />;
}

function WhatIfForm(): ReactElement {
  const mayStart = useHasPermission('deploy');
  const runs = useQuery(simulationsQuery());
  return (
    <PageLayout
      title="What-if"
      facts={<span>Compare policies under a load. Each request is simulated by the production code in virtual time.</span>}
    >
      {mayStart ? <SimulationForm /> : null}
      <Card
        title="Earlier simulations"
        className={mayStart ? 'above' : ''}
        footer="The last twenty are retained until the server restarts."
      >
        <LoadedContent query={runs} what="The simulations could not be loaded.">
          {({ items }) => <Runs items={items} mayRemove={mayStart} />}
        </LoadedContent>
      </Card>
    </PageLayout>
  );
}

function Runs({ items, mayRemove }: { readonly items: readonly SimulationBody[]; readonly mayRemove: boolean }): ReactElement {
  const client = useQueryClient();
  const removeRun = async (id: string): Promise<void> => {
    await remove(path('/simulations/:id', { id }));
    await client.invalidateQueries({ queryKey: ['simulations'] });
  };
  return (
    <DataTable
      caption="Earlier simulations"
      rows={items}
      keyOf={({ id }) => id}
      whenEmpty={
        <>
          No simulations yet. From a terminal: <code>penstock simulate --replay ENDPOINT</code>
        </>
      }
      columns={[
        {
          title: 'Load',
          cell: ({ id, load }) => (
            <Link className="name" to="/what-if" search={{ run: id }}>
              {load.name}
            </Link>
          ),
        },
        { title: 'Objective', isWide: true, cell: (each) => objective(each.objective) },
        { title: 'Policies', isNumber: true, cell: ({ done, of }) => (done === of ? of : `${done} of ${of}`) },
        { title: 'Requests', isNumber: true, isWide: true, cell: ({ load }) => count(load.requests) },
        { title: 'Duration', isNumber: true, isWide: true, cell: ({ load }) => duration(load.duration_s * 1000) },
        { title: 'State', cell: ({ state }) => <StateMark kind={stateLabels[state][0]}>{stateLabels[state][1]}</StateMark> },
        { title: 'Requested', className: 'nw', cell: ({ asked_at: at }) => <Ago at={at} /> },
        ...(mayRemove
          ? [
              {
                title: 'Actions',
                cell: ({ id, ended_at: ended, load }: SimulationBody) => (
                  <Button size="sm" aria-label={`${ended === null ? 'Cancel' : 'Delete'} ${load.name}`} onClick={() => void removeRun(id)}>
                    {ended === null ? 'Cancel' : 'Delete'}
                  </Button>
                ),
              },
            ]
          : []),
      ]}
    />
  );
}

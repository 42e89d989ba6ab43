/** What-if: policies against a load, simulated request by request by the code that serves. The form, or one simulation with what it brought. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { SimulationBody } from '../../../src/api/index.ts';
import { path, remove } from '../api/client.ts';
import { useMay } from '../api/session.ts';
import { Ago } from '../kit/ago.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { count, duration, objective } from '../kit/format.ts';
import { Loaded } from '../kit/loaded.tsx';
import { Page } from '../kit/page.tsx';
import { useSearchValue } from '../kit/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { Results } from './results.tsx';
import { SimulationForm } from './simulation-form.tsx';
import { simulationsQuery, stateWords } from './simulations.ts';
import './what-if-page.css';

export function WhatIfPage(): ReactElement {
  const [run] = useSearchValue('run', '');
  return run === '' ? <Ask /> : <Results run={run} />;
}

function Ask(): ReactElement {
  const mayStart = useMay('deploy');
  const runs = useQuery(simulationsQuery());
  return (
    <Page
      title="What-if"
      facts={
        <span>What would policies make of a load? Each is simulated request by request, by the code that serves, in virtual time.</span>
      }
    >
      {mayStart ? <SimulationForm /> : null}
      <Card title="Earlier simulations" className={mayStart ? 'above' : ''} footer="The last twenty are kept while the server runs.">
        <Loaded query={runs} what="The simulations could not be loaded.">
          {({ items }) => <Runs items={items} mayRemove={mayStart} />}
        </Loaded>
      </Card>
    </Page>
  );
}

function Runs({ items, mayRemove }: { readonly items: readonly SimulationBody[]; readonly mayRemove: boolean }): ReactElement {
  const client = useQueryClient();
  const forget = async (id: string): Promise<void> => {
    await remove(path('/simulations/:id', { id }));
    await client.invalidateQueries({ queryKey: ['simulations'] });
  };
  return (
    <DataTable
      caption="Simulations that were run"
      rows={items}
      keyOf={({ id }) => id}
      whenEmpty={
        <>
          None yet. From a terminal: <code>penstock simulate --replay ENDPOINT</code>
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
        { title: 'Length', isNumber: true, isWide: true, cell: ({ load }) => duration(load.duration_s * 1000) },
        { title: 'State', cell: ({ state }) => <StateMark kind={stateWords[state][0]}>{stateWords[state][1]}</StateMark> },
        { title: 'Asked for', className: 'nw', cell: ({ asked_at: at }) => <Ago at={at} /> },
        ...(mayRemove
          ? [
              {
                title: 'Actions',
                cell: ({ id, ended_at: ended, load }: SimulationBody) => (
                  <Button size="sm" aria-label={`${ended === null ? 'Cancel' : 'Forget'} ${load.name}`} onClick={() => void forget(id)}>
                    {ended === null ? 'Cancel' : 'Forget'}
                  </Button>
                ),
              },
            ]
          : []),
      ]}
    />
  );
}

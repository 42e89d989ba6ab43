/** The jobs page: asynchronous requests and batch transforms. */
import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { count, duration, percent } from '../kit/format/format.ts';
import { NumberStrip } from '../kit/number-strip.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useTab } from '../kit/page/search-state.ts';
import { AsyncRequestsTab } from './async-requests.tsx';
import { asyncQuery, transformsQuery } from './job-queries.ts';
import { TransformsTab } from './transforms.tsx';
import './jobs-page.css';

export function JobsPage(): ReactElement {
  const [tab, setTab] = useTab(['requests', 'transforms']);
  return (
    <PageLayout title="Jobs" facts={<span>Work that is accepted now and processed later: single requests and whole data sets.</span>}>
      <Numbers />
      <Tabs value={tab} onChange={(value) => setTab(value ?? 'requests')} keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="requests">Asynchronous requests</Tabs.Tab>
          <Tabs.Tab value="transforms">Transforms</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="requests">
          <AsyncRequestsTab />
        </Tabs.Panel>
        <Tabs.Panel value="transforms">
          <TransformsTab />
        </Tabs.Panel>
      </Tabs>
    </PageLayout>
  );
}

function Numbers(): ReactElement | null {
  const queued = useQuery(asyncQuery({ state: 'queued', limit: 500 })).data;
  const failed = useQuery(asyncQuery({ state: 'failed', limit: 500 })).data;
  const transforms = useQuery(transformsQuery()).data?.items;
  if (queued === undefined || failed === undefined || transforms === undefined) return null;
  const oldest = queued.items.at(-1);
  const running = transforms.filter(({ state }) => state === 'InProgress' || state === 'Stopping');
  const [done, all] = [sum(running.map(({ bytes_done: each }) => each)), sum(running.map(({ bytes }) => bytes))];
  const more = (page: typeof queued): string => (page.next === null ? '' : '+');
  return (
    <div className="section">
      <NumberStrip
        numbers={[
          {
            label: 'Queued requests',
            value: `${count(queued.items.length)}${more(queued)}`,
            note: oldest === undefined ? 'none' : `the oldest waits for ${duration(Date.now() - Date.parse(oldest.created_at))}`,
          },
          {
            label: 'Failed requests',
            value: `${count(failed.items.length)}${more(failed)}`,
            note: failed.items.length === 0 ? 'none' : 'they can be retried',
          },
          {
            label: 'Running transforms',
            value: count(running.length),
            note: running.length === 0 ? 'none' : `${percent(all === 0 ? 0 : done / all)} % of bytes processed`,
            bar: all === 0 ? null : done / all,
          },
          {
            label: 'Records per second',
            value: running.length === 0 ? '–' : count(sum(running.map(({ records_per_second: each }) => each ?? 0))),
            note: 'all transforms',
          },
        ]}
      />
    </div>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

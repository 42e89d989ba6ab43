/** Monitoring: what rings, what was measured, what was said, what happened, who is told of it, who did what. */
import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { alarmsQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { plural } from '../kit/format.ts';
import { Page } from '../kit/page.tsx';
import { useTab } from '../kit/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { Alarms } from './alarms.tsx';
import { Audit } from './audit.tsx';
import { Events } from './events.tsx';
import { Logs } from './logs.tsx';
import { Metrics } from './metrics.tsx';
import { Rules } from './rules.tsx';
import './monitoring-page.css';

export function MonitoringPage(): ReactElement {
  const mayAdminister = useMay('administer');
  const [tab, setTab] = useTab(['alarms', 'metrics', 'logs', 'events', 'rules', ...(mayAdminister ? ['audit'] : [])]);
  const { data } = useQuery(alarmsQuery());
  const ringing = data?.items.filter(({ state }) => state === 'ALARM').length;
  return (
    <Page
      title="Monitoring"
      facts={
        ringing === undefined ? undefined : (
          <StateMark kind={ringing === 0 ? 'ok' : 'warn'}>
            {ringing === 0 ? 'No alarm rings' : `${plural(ringing, 'alarm')} ring${ringing === 1 ? 's' : ''}`}
          </StateMark>
        )
      }
    >
      <Tabs value={tab} onChange={(value) => setTab(value ?? 'alarms')} keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="alarms">Alarms</Tabs.Tab>
          <Tabs.Tab value="metrics">Metrics</Tabs.Tab>
          <Tabs.Tab value="logs">Logs</Tabs.Tab>
          <Tabs.Tab value="events">Events</Tabs.Tab>
          <Tabs.Tab value="rules">Rules</Tabs.Tab>
          {mayAdminister ? <Tabs.Tab value="audit">Audit</Tabs.Tab> : null}
        </Tabs.List>
        <Tabs.Panel value="alarms">
          <Alarms />
        </Tabs.Panel>
        <Tabs.Panel value="metrics">
          <Metrics />
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          <Logs />
        </Tabs.Panel>
        <Tabs.Panel value="events">
          <Events />
        </Tabs.Panel>
        <Tabs.Panel value="rules">
          <Rules />
        </Tabs.Panel>
        {mayAdminister ? (
          <Tabs.Panel value="audit">
            <Audit />
          </Tabs.Panel>
        ) : null}
      </Tabs>
    </Page>
  );
}

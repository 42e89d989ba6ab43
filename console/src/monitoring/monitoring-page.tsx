/** The monitoring page: alarms, metrics, logs, events, notification rules, audit log. */
import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { alarmsQuery } from '../api/queries.ts';
import { useHasPermission } from '../api/session.ts';
import { plural } from '../kit/format/format.ts';
import { PageLayout } from '../kit/page/page.tsx';
import { useTab } from '../kit/page/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { AlarmsTab } from './alarms.tsx';
import { AuditTab } from './audit.tsx';
import { EventsTab } from './events.tsx';
import { LogsTab } from './logs.tsx';
import { MetricsTab } from './metrics.tsx';
import { RulesTab } from './rules.tsx';
import './monitoring-page.css';

export function MonitoringPage(): ReactElement {
  const mayAdminister = useHasPermission('administer');
  const [tab, setTab] = useTab(['alarms', 'metrics', 'logs', 'events', 'rules', ...(mayAdminister ? ['audit'] : [])]);
  const { data } = useQuery(alarmsQuery());
  const firing = data?.items.filter(({ state }) => state === 'ALARM').length;
  return (
    <PageLayout
      title="Monitoring"
      facts={
        firing === undefined ? undefined : (
          <StateMark kind={firing === 0 ? 'ok' : 'warn'}>
            {firing === 0 ? 'No alarms firing' : `${plural(firing, 'alarm')} firing`}
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
          <AlarmsTab />
        </Tabs.Panel>
        <Tabs.Panel value="metrics">
          <MetricsTab />
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          <LogsTab />
        </Tabs.Panel>
        <Tabs.Panel value="events">
          <EventsTab />
        </Tabs.Panel>
        <Tabs.Panel value="rules">
          <RulesTab />
        </Tabs.Panel>
        {mayAdminister ? (
          <Tabs.Panel value="audit">
            <AuditTab />
          </Tabs.Panel>
        ) : null}
      </Tabs>
    </PageLayout>
  );
}

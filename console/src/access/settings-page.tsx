/** Settings: server health, prices, keys and the session. */
import { Tabs } from '@mantine/core';
import type { ReactElement } from 'react';
import { useHasPermission } from '../api/session.ts';
import { PageLayout } from '../kit/page/page.tsx';
import { useTab } from '../kit/page/search-state.ts';
import { Health } from './health.tsx';
import { KeysCard } from './keys.tsx';
import { PricesCard } from './prices.tsx';
import { SessionCard } from './session.tsx';

export function SettingsPage(): ReactElement {
  const mayAdminister = useHasPermission('administer');
  const [tab, setTab] = useTab(['server', 'prices', ...(mayAdminister ? ['keys'] : []), 'session']);
  return (
    <PageLayout title="Settings">
      <Tabs value={tab} onChange={(value) => setTab(value ?? 'server')} keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="server">Server</Tabs.Tab>
          <Tabs.Tab value="prices">Prices</Tabs.Tab>
          {mayAdminister ? <Tabs.Tab value="keys">Keys</Tabs.Tab> : null}
          <Tabs.Tab value="session">You</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="server">
          <Health />
        </Tabs.Panel>
        <Tabs.Panel value="prices">
          <PricesCard />
        </Tabs.Panel>
        {mayAdminister ? (
          <Tabs.Panel value="keys">
            <KeysCard />
          </Tabs.Panel>
        ) : null}
        <Tabs.Panel value="session">
          <SessionCard />
        </Tabs.Panel>
      </Tabs>
    </PageLayout>
  );
}

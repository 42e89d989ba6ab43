/** Settings: who may what, what things cost, how the server is. */
import { Tabs } from '@mantine/core';
import type { ReactElement } from 'react';
import { useMay } from '../api/session.ts';
import { Page } from '../kit/page.tsx';
import { useTab } from '../kit/search-state.ts';
import { Health } from './health.tsx';
import { Keys } from './keys.tsx';
import { Prices } from './prices.tsx';
import { Session } from './session.tsx';

export function SettingsPage(): ReactElement {
  const mayAdminister = useMay('administer');
  const [tab, setTab] = useTab(['server', 'prices', ...(mayAdminister ? ['keys'] : []), 'session']);
  return (
    <Page title="Settings">
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
          <Prices />
        </Tabs.Panel>
        {mayAdminister ? (
          <Tabs.Panel value="keys">
            <Keys />
          </Tabs.Panel>
        ) : null}
        <Tabs.Panel value="session">
          <Session />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

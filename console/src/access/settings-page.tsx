/** Settings: to be built here. */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';

export function SettingsPage(): ReactElement {
  return <Page title="Settings">{null}</Page>;
}

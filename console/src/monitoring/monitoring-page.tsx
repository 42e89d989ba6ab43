/** Monitoring: to be built here. */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';

export function MonitoringPage(): ReactElement {
  return <Page title="Monitoring">{null}</Page>;
}

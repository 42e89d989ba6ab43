/** x */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';
export function OverviewPage(): ReactElement {
  return <Page title="Overview">{null}</Page>;
}

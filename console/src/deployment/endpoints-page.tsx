/** x */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';
export function EndpointsPage(): ReactElement {
  return <Page title="Endpoints">{null}</Page>;
}

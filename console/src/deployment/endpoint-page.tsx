/** x */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';
export function EndpointPage(): ReactElement {
  return <Page title="Endpoint">{null}</Page>;
}

/** Deploy: to be built here. */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';

export function DeployPage(): ReactElement {
  return <Page title="Deploy">{null}</Page>;
}

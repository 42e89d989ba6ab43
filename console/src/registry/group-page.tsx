/** Model: to be built here. */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';

export function GroupPage(): ReactElement {
  return <Page title="Model">{null}</Page>;
}

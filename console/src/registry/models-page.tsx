/** Models: to be built here. */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';

export function ModelsPage(): ReactElement {
  return <Page title="Models">{null}</Page>;
}

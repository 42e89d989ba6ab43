/** x */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';
export function TryPage(): ReactElement {
  return <Page title="Try">{null}</Page>;
}

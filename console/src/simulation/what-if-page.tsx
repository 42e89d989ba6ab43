/** What-if: to be built here. */
import type { ReactElement } from 'react';
import { Page } from '../kit/page.tsx';

export function WhatIfPage(): ReactElement {
  return <Page title="What-if">{null}</Page>;
}

/** An address that leads nowhere, and a page that failed by our own mistake. */
import { Button } from '@mantine/core';
import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import { Empty } from '../kit/empty.tsx';
import { Failure } from '../kit/loaded.tsx';
import { Page } from '../kit/page.tsx';

export function Missing(): ReactElement {
  return (
    <Page title="Nothing is here">
      <Empty
        title="This address leads nowhere"
        actions={
          <Button variant="filled" renderRoot={(props: object) => <Link to="/" {...props} />}>
            Open the overview
          </Button>
        }
      >
        What it was about may have been deleted, or the address was cut off.
      </Empty>
    </Page>
  );
}

export function Broken({ error, reset }: ErrorComponentProps): ReactElement {
  return (
    <Page title="This page failed">
      <Failure error={error instanceof Error ? error : new Error(String(error))} what="The page could not be shown." onRetry={reset} />
    </Page>
  );
}

/** The pages for an unknown path and for an error while rendering. */
import { Button } from '@mantine/core';
import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import { Empty } from '../kit/page/empty.tsx';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';

export function Missing(): ReactElement {
  return (
    <PageLayout title="Page not found">
      <Empty
        title="There is no page at this address"
        actions={
          <Button variant="filled" renderRoot={(props: object) => <Link to="/" {...props} />}>
            Open the overview
          </Button>
        }
      >
        The resource may have been deleted, or the address is incomplete.
      </Empty>
    </PageLayout>
  );
}

export function Broken({ error, reset }: ErrorComponentProps): ReactElement {
  return (
    <PageLayout title="This page failed">
      <LoadFailure error={error instanceof Error ? error : new Error(String(error))} what="The page could not be shown." onRetry={reset} />
    </PageLayout>
  );
}

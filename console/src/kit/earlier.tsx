/** Below a list that is read page by page, the latest first. */
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';

export interface EarlierProps {
  readonly isBusy: boolean;
  readonly onMore: () => void;
}

export function Earlier({ isBusy, onMore }: EarlierProps): ReactElement {
  return (
    <Button size="sm" loading={isBusy} onClick={onMore}>
      Show earlier ones
    </Button>
  );
}

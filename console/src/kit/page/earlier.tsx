/** Loads the next page of a list that shows the latest entries first. */
import { Button } from '@mantine/core';
import type { ReactElement } from 'react';

export interface EarlierProps {
  readonly isBusy: boolean;
  readonly onMore: () => void;
}

export function Earlier({ isBusy, onMore }: EarlierProps): ReactElement {
  return (
    <Button size="sm" loading={isBusy} onClick={onMore}>
      Show earlier entries
    </Button>
  );
}

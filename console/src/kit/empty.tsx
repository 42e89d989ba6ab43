/** Where nothing is yet: what it is for, one button, and the line that does the same from a terminal. */
import { EmptyState } from '@mantine/core';
import type { ReactElement, ReactNode } from 'react';

export interface EmptyProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly actions?: ReactNode;
  /** `penstock deploy model.onnx --p95 50ms` */
  readonly command?: string;
}

export function Empty({ title, children, actions, command }: EmptyProps): ReactElement {
  return (
    <EmptyState className="empty" title={<h3>{title}</h3>} description={children}>
      {actions === undefined ? null : <EmptyState.Actions>{actions}</EmptyState.Actions>}
      {command === undefined ? null : (
        <p className="sm dim">
          or <code>{command}</code>
        </p>
      )}
    </EmptyState>
  );
}

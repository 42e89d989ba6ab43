/** An empty state: what belongs here, a button to create it, and the equivalent command. */
import { EmptyState } from '@mantine/core';
import type { ReactElement, ReactNode } from 'react';

export interface EmptyProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly actions?: ReactNode;
  /** The equivalent command: `penstock deploy model.onnx digits --approve`. */
  readonly command?: string;
}

export function Empty({ title, children, actions, command }: EmptyProps): ReactElement {
  return (
    <EmptyState className="empty" title={<h2>{title}</h2>} description={children}>
      {actions === undefined ? null : <EmptyState.Actions>{actions}</EmptyState.Actions>}
      {command === undefined ? null : (
        <p className="sm dim">
          or <code>{command}</code>
        </p>
      )}
    </EmptyState>
  );
}

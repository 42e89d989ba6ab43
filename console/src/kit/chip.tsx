/** A short fact in a frame: an objective, a version, a mapping. */
import type { ReactElement, ReactNode } from 'react';

export type ChipTone = 'plain' | 'good' | 'warn' | 'bad' | 'accent';

export function Chip({ tone = 'plain', children }: { readonly tone?: ChipTone; readonly children: ReactNode }): ReactElement {
  return <span className={`chip chip-${tone}`}>{children}</span>;
}

/** A note: a fact and the next step. `bad`: a failure; `warn`: needs attention; `accent`: chosen by Penstock. */
import type { ReactElement, ReactNode } from 'react';
import { Icon, type IconName } from '../icon.tsx';

export type NoteTone = 'plain' | 'warn' | 'bad' | 'accent';

const icons: Record<NoteTone, IconName> = { plain: 'info', warn: 'alert', bad: 'cross', accent: 'info' };

export interface NoteProps {
  readonly title: string;
  readonly tone?: NoteTone;
  readonly icon?: IconName;
  /** A button or link at the end. */
  readonly end?: ReactNode;
  readonly children?: ReactNode;
}

/** `bad` notes are announced by screen readers at once (role `alert`). */
export function Note({ title, tone = 'plain', icon = icons[tone], end, children }: NoteProps): ReactElement {
  return (
    <div className={`note note-${tone}`} role={tone === 'bad' ? 'alert' : 'note'}>
      <Icon name={icon} />
      <div>
        <b>{title}</b> {children}
      </div>
      {end === undefined ? null : <span className="end">{end}</span>}
    </div>
  );
}

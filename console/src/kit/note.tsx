/** A note: what is so, and the next step. `bad` for what failed, `warn` for what needs a look, `accent` for what Penstock chose. */
import type { ReactElement, ReactNode } from 'react';
import { Icon, type IconName } from './icon.tsx';

export type NoteTone = 'plain' | 'warn' | 'bad' | 'accent';

const icons: Record<NoteTone, IconName> = { plain: 'info', warn: 'alert', bad: 'cross', accent: 'info' };

export interface NoteProps {
  readonly title: string;
  readonly tone?: NoteTone;
  readonly icon?: IconName;
  /** A button or link at its end. */
  readonly end?: ReactNode;
  readonly children?: ReactNode;
}

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

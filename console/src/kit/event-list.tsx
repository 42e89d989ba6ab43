/** Events, latest first, each with a link to its subject. */
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { EventBody } from '../../../src/api/index.ts';
import { useNow } from './format/ago.tsx';
import { formatEvent } from './format/format-event.ts';
import { fullTime, shortTime, useUtc } from './format/time.ts';
import { StateShape } from './state-mark.tsx';

export function EventList({ events }: { readonly events: readonly EventBody[] }): ReactElement {
  useUtc();
  const now = useNow();
  return (
    <ul className="ev">
      {events.map((event) => {
        const { kind, text, to } = formatEvent(event);
        const atMs = Date.parse(event.at);
        return (
          <li key={event.seq}>
            <time dateTime={event.at} title={fullTime(atMs)}>
              {shortTime(atMs, now)}
            </time>
            <StateShape kind={kind} />
            <span>
              <Link to={to}>{event.subject}</Link> {text}
            </span>
          </li>
        );
      })}
    </ul>
  );
}

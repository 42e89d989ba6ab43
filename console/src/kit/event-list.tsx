/** What happened, the latest first, each with the way to it. */
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { EventBody } from '../../../src/api/index.ts';
import { useNow } from './ago.tsx';
import { eventWords } from './event-words.ts';
import { StateShape } from './state-mark.tsx';
import { fullTime, shortTime, useUtc } from './time.ts';

export function EventList({ events }: { readonly events: readonly EventBody[] }): ReactElement {
  useUtc();
  const now = useNow();
  return (
    <ul className="ev">
      {events.map((event) => {
        const { kind, text, to } = eventWords(event);
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

/** The history of a group, latest first: registrations, approvals and rejections. */
import type { ReactElement, ReactNode } from 'react';
import type { VersionBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { useNow } from '../kit/format/ago.tsx';
import { fullTime, relative, shortTime, useUtc } from '../kit/format/time.ts';
import { StateShape } from '../kit/state-mark.tsx';
import { historyEntries } from './version-history.ts';

interface HistoryProps {
  readonly versions: readonly VersionBody[];
  readonly earlier: ReactNode;
}

export function HistoryTab({ versions, earlier }: HistoryProps): ReactElement {
  useUtc();
  const now = useNow();
  return (
    <Card title="History" footer={earlier}>
      <ol className="tl">
        {historyEntries(versions).map(({ key, atMs, title, why, kind }) => (
          <li key={key}>
            <time className="when" dateTime={new Date(atMs).toISOString()} title={fullTime(atMs)}>
              {shortTime(atMs, now)}
              <span>{relative(atMs, now)}</span>
            </time>
            <span className="pin">
              <StateShape kind={kind} />
            </span>
            <h3>{title}</h3>
            {why === '' ? null : <p className="why">{why}</p>}
          </li>
        ))}
      </ol>
    </Card>
  );
}

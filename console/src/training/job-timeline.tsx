/** The statuses of a job in order: a bar of their shares of the time, and a list with their messages. */
import type { ReactElement } from 'react';
import type { TrainingJobBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { useNow } from '../kit/format/ago.tsx';
import { duration } from '../kit/format/format.ts';
import { exactTime, useUtc } from '../kit/format/time.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { transitionKind, transitionMs } from './training-text.ts';

export function JobTimeline({ job: { transitions } }: { readonly job: Pick<TrainingJobBody, 'transitions'> }): ReactElement {
  useUtc();
  const nowMs = useNow();
  const parts = transitions.map((each, index) => ({
    ...each,
    key: `${index} ${each.status}`,
    kind: transitionKind(each, index === transitions.length - 1),
    tookMs: transitionMs(each, nowMs),
  }));
  return (
    <Card title="Course" span={7} padded>
      <div className="training-bar" aria-hidden="true">
        {parts.map(({ key, status, tookMs }) =>
          tookMs === null || tookMs === 0 ? null : <i key={key} data-status={status} style={{ flexGrow: tookMs }} title={status} />,
        )}
      </div>
      <ol className="training-course">
        {parts.map(({ key, status, kind, message, started_at: at, tookMs }) => (
          <li key={key}>
            <time dateTime={at}>{exactTime(Date.parse(at))}</time>
            <span className="training-step">
              <StateMark kind={kind}>{status}</StateMark>
              <span className="two">{message}</span>
            </span>
            <span className="n nw">{tookMs === null ? '' : duration(tookMs)}</span>
          </li>
        ))}
      </ol>
    </Card>
  );
}

/** How the server is: what runs, what it takes, what one should know. */
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { StatusBody } from '../../../src/api/index.ts';
import { statusQuery } from '../api/queries.ts';
import { Card } from '../kit/card.tsx';
import { bytes, count, duration, plural } from '../kit/format.ts';
import { Loaded } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { NumberStrip } from '../kit/number-strip.tsx';
import { Pairs } from '../kit/pairs.tsx';
import { StateMark } from '../kit/state-mark.tsx';
import { shortTime, useUtc } from '../kit/time.ts';

export function Health(): ReactElement {
  const query = useQuery(statusQuery());
  return (
    <Loaded query={query} what="The status could not be loaded.">
      {(status) => <Told status={status} />}
    </Loaded>
  );
}

function Told({ status }: { readonly status: StatusBody }): ReactElement {
  useUtc();
  const { executors, endpoints, notes } = status;
  const all = Object.values(endpoints).reduce((sum, each) => sum + each, 0);
  const failed = endpoints['Failed'] ?? 0;
  return (
    <>
      {notes.map((note) => (
        <div className="section" key={note}>
          <Note tone="warn" title="To know:">
            {note}
          </Note>
        </div>
      ))}
      <NumberStrip
        numbers={[
          {
            label: 'Endpoints',
            value: count(all),
            note: failed === 0 ? 'none failed' : `${plural(failed, 'endpoint')} failed`,
            ...(failed === 0 ? {} : { tone: 'bad' as const }),
          },
          {
            label: 'Workers that are ready',
            value: count(executors.ready),
            note:
              executors.failed > 0
                ? `${executors.failed} failed`
                : executors.starting > 0
                  ? `${executors.starting} starting`
                  : 'none starting',
            ...(executors.failed > 0 ? { tone: 'bad' as const } : {}),
          },
          { label: 'Memory of the server', value: bytes(status.rss_bytes), note: `${bytes(status.workers_rss_bytes)} of its workers` },
          {
            label: 'Runs for',
            value: duration(status.uptime_s * 1000),
            note: `since ${shortTime(Date.parse(status.started_at), Date.now())}`,
          },
        ]}
      />
      <Card title="Server" padded className="above">
        <Pairs
          pairs={[
            [
              'State',
              <StateMark key="state" kind={status.ready ? 'ok' : 'changing'}>
                {status.ready ? 'Ready' : 'Coming back into service'}
              </StateMark>,
            ],
            ['Version', `penstock ${status.version}, Node ${status.node}`],
            ['Processors', count(status.cores)],
            [
              'Endpoints',
              Object.entries(endpoints)
                .map(([state, number]) => `${number} ${stateWords(state)}`)
                .join(', ') || 'none',
            ],
            [
              'For programs',
              <span key="docs">
                <a href="/api/docs">the native API</a>, <a href="/metrics">metrics for Prometheus</a>
              </span>,
            ],
          ]}
        />
      </Card>
    </>
  );
}

/** `InService` as people write it. */
function stateWords(state: string): string {
  return state.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).toLowerCase();
}

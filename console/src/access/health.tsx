/** The health of the server: workers, memory, uptime and warnings. */
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { StatusBody } from '../../../src/api/index.ts';
import { statusQuery } from '../api/queries.ts';
import { Card } from '../kit/card.tsx';
import { bytes, count, duration, plural } from '../kit/format/format.ts';
import { shortTime, useUtc } from '../kit/format/time.ts';
import { LiveStateMark } from '../kit/live-state-mark.tsx';
import { NumberStrip } from '../kit/number-strip.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { Pairs } from '../kit/pairs.tsx';

export function Health(): ReactElement {
  const query = useQuery(statusQuery());
  return (
    <LoadedContent query={query} what="The status could not be loaded.">
      {(status) => <HealthSummary status={status} />}
    </LoadedContent>
  );
}

function HealthSummary({ status }: { readonly status: StatusBody }): ReactElement {
  useUtc();
  const { executors, endpoints, notes } = status;
  const all = Object.values(endpoints).reduce((sum, each) => sum + each, 0);
  const failed = endpoints['Failed'] ?? 0;
  return (
    <>
      {notes.map((note) => (
        <div className="section" key={note}>
          <Note tone="warn" title="Note:">
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
            label: 'Ready workers',
            value: count(executors.ready),
            note:
              executors.failed > 0
                ? `${executors.failed} failed`
                : executors.starting > 0
                  ? `${executors.starting} starting`
                  : 'none starting',
            ...(executors.failed > 0 ? { tone: 'bad' as const } : {}),
          },
          { label: 'Server memory', value: bytes(status.rss_bytes), note: `workers: ${bytes(status.workers_rss_bytes)}` },
          {
            label: 'Uptime',
            value: duration(status.uptime_s * 1000),
            note: `since ${shortTime(Date.parse(status.started_at), Date.now())}`,
          },
        ]}
      />
      <Card title="Server" padded className="above">
        <Pairs
          pairs={[
            ['State', <LiveStateMark key="state" kind={status.ready ? 'ok' : 'changing'} word={status.ready ? 'Ready' : 'Recovering'} />],
            ['Version', `penstock ${status.version}, Node ${status.node}`],
            ['CPU cores', count(status.cores)],
            [
              'Endpoints',
              Object.entries(endpoints)
                .map(([state, number]) => `${number} ${formatState(state)}`)
                .join(', ') || 'none',
            ],
            [
              'APIs',
              <span key="docs">
                <a href="/api/docs">native API</a>, <a href="/metrics">Prometheus metrics</a>
              </span>,
            ],
          ]}
        />
      </Card>
    </>
  );
}

/** `InService` as `in service`. */
function formatState(state: string): string {
  return state.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).toLowerCase();
}

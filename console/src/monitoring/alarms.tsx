/** What rings, what would, and what became of alarms before. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { AlarmBody, AlarmNoteBody, Page } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { alarmsQuery } from '../api/queries.ts';
import { Ago } from '../kit/ago.tsx';
import { breakable } from '../kit/breakable.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Loaded } from '../kit/loaded.tsx';
import { StateMark } from '../kit/state-mark.tsx';

type Note = AlarmNoteBody & { readonly alarm: string };

const words: Readonly<Record<AlarmBody['state'], readonly ['ok' | 'warn' | 'zero', string]>> = {
  ALARM: ['warn', 'Rings'],
  OK: ['ok', 'Quiet'],
  INSUFFICIENT_DATA: ['zero', 'No data yet'],
};

/** That an alarm was made and is quiet from its first look on is what one expects. */
function isNews({ summary }: Note): boolean {
  return !/ created$|from INSUFFICIENT_DATA to OK$/.test(summary);
}

/** Those that every endpoint has are called penstock/ENDPOINT/KIND. */
function endpointOf(name: string): string | null {
  return /^penstock\/([^/]+)\/[^/]+$/.exec(name)?.[1] ?? null;
}

export function Alarms(): ReactElement {
  const alarms = useQuery(alarmsQuery());
  const history = useQuery({
    queryKey: ['alarms', 'history'],
    queryFn: ({ signal }) => get<Page<Note>>('/alarms/history', { limit: 50 }, signal),
    refetchInterval: 15_000,
  });
  return (
    <>
      <Card title="Alarms" footer="Every endpoint has some by itself; others come from CloudWatch's API (PutMetricAlarm).">
        <Loaded query={alarms} what="The alarms could not be loaded.">
          {({ items }) => <AlarmTable items={items} />}
        </Loaded>
      </Card>
      <Card title="What became of them">
        <Loaded query={history} what="The history of alarms could not be loaded." heights={[120]}>
          {({ items }) => (
            <DataTable
              caption="What became of alarms, the latest first"
              rows={items.filter(isNews)}
              keyOf={({ alarm, at, summary }) => `${alarm} ${at} ${summary}`}
              isDense
              whenEmpty="None has rung yet."
              columns={[
                { title: 'Alarm', className: 'said', cell: ({ alarm }) => <span className="mono">{breakable(alarm)}</span> },
                { title: 'What', cell: ({ summary }) => summary },
                { title: 'When', className: 'nw', cell: ({ at }) => <Ago at={at} /> },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  );
}

function AlarmTable({ items }: { readonly items: readonly AlarmBody[] }): ReactElement {
  return (
    <DataTable
      caption="Alarms, those that ring first"
      rows={items}
      keyOf={({ name }) => name}
      whenEmpty="None yet: deploy a model, and its endpoint has alarms for its objective, errors and restarts."
      columns={[
        {
          title: 'Alarm',
          sort: ({ name }) => name,
          cell: ({ name, description }) => {
            const endpoint = endpointOf(name);
            return (
              <>
                {endpoint === null ? (
                  <b>{name}</b>
                ) : (
                  <Link className="name" to="/endpoints/$endpoint" params={{ endpoint }}>
                    {name.slice('penstock/'.length)}
                  </Link>
                )}
                <span className="two said alarm-words">{description}</span>
              </>
            );
          },
        },
        {
          title: 'State',
          sort: ({ state }) => state,
          cell: ({ state }) => <StateMark kind={words[state][0]}>{words[state][1]}</StateMark>,
        },
        { title: 'What the last look found', isWide: true, cell: ({ reason }) => <span className="said">{reason}</span> },
        { title: 'Since', className: 'nw', sort: ({ since }) => since, cell: ({ since }) => <Ago at={since} /> },
      ]}
    />
  );
}

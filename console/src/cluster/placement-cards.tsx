/** What moves now, what has no host, and where workers started and moved last. */
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { ClusterBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { HostedJobLink } from './hosted-job-link.tsx';

type Recent = ClusterBody['recent'][number];
type Pending = ClusterBody['pending'][number];
type Moving = ClusterBody['moving'][number];

const causes: Readonly<Record<Moving['cause'], string>> = {
  'host-lost': 'was lost',
  'host-draining': 'drains',
  'host-on-notice': 'stops soon',
  stopgap: 'ran it for lack of hosts',
  spread: 'has too many of its variant',
};

export function PlacementCards({ cluster: { moving, pending, recent } }: { readonly cluster: ClusterBody }): ReactElement {
  return (
    <>
      {moving.length === 0 ? null : (
        <Card title="On the move" className="section">
          <DataTable caption="Workers that move" columns={movingColumns} rows={moving} keyOf={({ worker }) => worker} />
        </Card>
      )}
      {pending.length === 0 ? null : (
        <Card title="Waiting for room" className="section">
          <DataTable caption="Workers that wait for room" columns={pendingColumns} rows={pending} keyOf={({ worker }) => worker} />
        </Card>
      )}
      <Card
        title="Placements"
        className="section"
        footer="Each placement is a decision: of an instance, its endpoint lists it; of a task, its job has the host and the reason."
      >
        <DataTable
          caption="Placements, the latest first"
          columns={recentColumns}
          rows={recent}
          keyOf={({ id }) => id}
          whenEmpty="Nothing was placed on a host yet."
        />
      </Card>
    </>
  );
}

function When({ at }: { readonly at: string }): ReactElement {
  return (
    <span className="placement-when">
      <Ago at={at} />
    </span>
  );
}

function causeText({ cause, from }: Pick<Moving, 'cause' | 'from'>): string {
  return `${from ?? 'its host'} ${causes[cause]}`;
}

const movingColumns: readonly TableColumn<Moving>[] = [
  {
    title: 'Worker',
    className: 'said',
    cell: ({ worker, cause, from }) => (
      <>
        <span className="mono nw">{worker}</span>
        <span className="two m-only">{causeText({ cause, from })}</span>
      </>
    ),
  },
  { title: 'From', cell: ({ from }) => from ?? <span className="dim">–</span> },
  { title: 'To', cell: ({ to }) => to },
  { title: 'Because', isWide: true, cell: causeText },
  { title: 'Since', isWide: true, cell: ({ since }) => <When at={since} /> },
];

const pendingColumns: readonly TableColumn<Pending>[] = [
  { title: 'Worker', cell: ({ worker }) => <span className="mono">{worker}</span> },
  { title: 'Still on', isWide: true, cell: ({ host }) => host ?? <span className="dim">–</span> },
  { title: 'Because', cell: ({ reason }) => <span className="placement-why">{reason}</span> },
  { title: 'Since', isWide: true, cell: ({ since }) => <When at={since} /> },
];

const recentColumns: readonly TableColumn<Recent>[] = [
  {
    title: 'Worker',
    className: 'said',
    sort: ({ worker }) => worker,
    cell: ({ worker, job, reason }) => (
      <>
        <span className={job === null ? 'mono nw' : 'nw'}>{worker}</span>
        <span className="two m-only placement-why">{reason}</span>
      </>
    ),
  },
  { title: 'From', isWide: true, cell: ({ from }) => from ?? <span className="dim">–</span> },
  { title: 'Host', sort: ({ to }) => to, cell: ({ to }) => to },
  {
    title: 'Endpoint or job',
    isWide: true,
    sort: ({ endpoint, job }) => endpoint ?? job?.job ?? null,
    cell: ({ endpoint, job }) =>
      job !== null ? (
        <HostedJobLink of={job} />
      ) : endpoint === null ? null : (
        <Link to="/endpoints/$endpoint" params={{ endpoint }}>
          {endpoint}
        </Link>
      ),
  },
  { title: 'Why', isWide: true, cell: ({ reason }) => <span className="mut placement-why">{reason}</span> },
  { title: 'When', sort: ({ at }) => at, cell: ({ at }) => <When at={at} /> },
];

/** The cluster: its nodes, its hosts with their workers, what moved, and why. */
import './cluster-page.css';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { ClusterBody } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { count, duration, plural, sentence } from '../kit/format/format.ts';
import { NumberStrip } from '../kit/number-strip.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { HostDetail } from './host-detail.tsx';
import { HostSetCard } from './host-set-card.tsx';
import { HostTable } from './host-table.tsx';
import { clockText, NodeLinkCell, NodeMark, vcpus } from './marks.tsx';
import { PlacementCards } from './placement-cards.tsx';
import { RemoveNode } from './remove-node.tsx';

const refreshMs = 2000;

/** Its process has ended, so it has no lease. */
function isOver(state: ClusterBody['nodes'][number]['state']): boolean {
  return state === 'ended' || state === 'dead';
}

export function ClusterPage(): ReactElement {
  const [{ host }, change] = useSearchValues();
  const query = useQuery({
    queryKey: ['cluster'],
    queryFn: ({ signal }) => get<ClusterBody>('/cluster', {}, signal),
    refetchInterval: refreshMs,
  });
  return (
    <PageLayout title="Cluster" facts={<span>One node serves, the others stand by. Workers run on hosts.</span>}>
      <LoadedContent query={query} what="The cluster could not be loaded.">
        {(cluster) =>
          cluster.nodes.length === 0 ? (
            <NoCluster />
          ) : (
            <>
              <div className="section">
                <Numbers cluster={cluster} />
              </div>
              {cluster.notes.map((note) => (
                <div className="section" key={note}>
                  <Note tone="warn" title={sentence(note)} />
                </div>
              ))}
              <Nodes cluster={cluster} />
              <HostTable hosts={cluster.hosts} open={host} onOpen={(name) => change({ host: name === host ? undefined : name })} />
              {host === undefined || !cluster.hosts.some(({ name }) => name === host) ? null : <HostDetail key={host} name={host} />}
              {cluster.scaling === null ? null : <HostSetCard scaling={cluster.scaling} />}
              <PlacementCards cluster={cluster} />
            </>
          )
        }
      </LoadedContent>
    </PageLayout>
  );
}

function NoCluster(): ReactElement {
  return (
    <div className="section">
      <Empty title="This server is alone" command="penstock up --node a --database-url postgres://…">
        Nodes share a PostgreSQL database: if one fails, another takes its place. Hosts add machines for workers.
      </Empty>
    </div>
  );
}

function Numbers({ cluster: { nodes, hosts, wanted, pending, moving } }: { readonly cluster: ClusterBody }): ReactElement {
  const live = nodes.filter(({ state }) => state === 'serves' || state === 'stands by').length;
  const ready = hosts.filter(({ state }) => state === 'ready').length;
  const workers = hosts.reduce((sum, host) => sum + host.worker_count, 0);
  const [vcpu, used] = [hosts.reduce((sum, host) => sum + host.vcpu, 0), hosts.reduce((sum, host) => sum + host.vcpu_used, 0)];
  return (
    <NumberStrip
      numbers={[
        { label: 'Nodes', value: count(live), note: live < nodes.length ? `${nodes.length - live} dead or silent` : 'all respond' },
        {
          label: 'Hosts ready',
          value: count(ready),
          unit: `of ${hosts.length}`,
          note: wanted === null ? 'no host is linked' : `${wanted.hosts} wanted, ${wanted.spare} of them to spare`,
        },
        { label: 'vCPU reserved', value: vcpus(used), unit: `of ${vcpus(vcpu)}`, bar: vcpu === 0 ? null : used / vcpu },
        {
          label: 'Workers',
          value: count(workers),
          note: moving.length === 0 ? 'none moves' : `${plural(moving.length, 'worker')} on the move`,
        },
        {
          label: 'Waiting for room',
          value: count(pending.length),
          note: pending.length === 0 ? 'every worker has a host' : 'no host has room, see below',
          ...(pending.length === 0 ? {} : { tone: 'warn' as const }),
        },
      ]}
    />
  );
}

function leaseText(leaseMs: number): string {
  return leaseMs > 0 ? `${duration(leaseMs)} left` : `ran out ${duration(-leaseMs)} ago`;
}

type NodeRow = ClusterBody['nodes'][number];

function Nodes({ cluster: { nodes, database_away_since: awaySince } }: { readonly cluster: ClusterBody }): ReactElement {
  const columns: readonly TableColumn<NodeRow>[] = [
    { title: 'Node', sort: ({ name }) => name, cell: ({ name }) => <span className="cluster-name">{name}</span> },
    {
      title: 'State',
      sort: ({ state }) => state,
      cell: ({ name, state }) => (
        <span className="node-state">
          <NodeMark state={state} />
          {isOver(state) ? <RemoveNode name={name} /> : null}
        </span>
      ),
    },
    {
      title: 'Lease',
      isNumber: true,
      cell: ({ state, lease_ms: leaseMs }) => (isOver(state) || awaySince !== null ? <span className="dim">–</span> : leaseText(leaseMs)),
    },
    {
      title: 'Clock',
      isNumber: true,
      isWide: true,
      cell: ({ state, clock_offset_ms: offset }) => (isOver(state) ? <span className="dim">–</span> : clockText(offset)),
    },
    { title: 'Link', isWide: true, cell: (node) => <NodeLinkCell node={node} /> },
    { title: 'Version', isWide: true, cell: ({ version }) => version },
    { title: 'Joined', isWide: true, cell: ({ joined_at: at }) => <Ago at={at} /> },
  ];
  return (
    <Card title="Nodes" className="section">
      <DataTable caption="Nodes" columns={columns} rows={nodes} keyOf={({ name }) => name} />
    </Card>
  );
}

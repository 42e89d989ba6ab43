/** The hosts with what is reserved on each, and how they are linked. */
import type { ReactElement } from 'react';
import type { HostBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Until } from '../kit/format/ago.tsx';
import { count, duration, mib, ms, plural } from '../kit/format/format.ts';
import { clockText, devicesText, HostMark, vcpus } from './marks.tsx';

interface HostTableProps {
  readonly hosts: readonly HostBody[];
  readonly open: string | undefined;
  readonly onOpen: (name: string) => void;
}

export function HostTable({ hosts, open, onOpen }: HostTableProps): ReactElement {
  const columns: readonly TableColumn<HostBody>[] = [
    {
      title: 'Host',
      className: 'said',
      sort: ({ name }) => name,
      cell: (host) => (
        <>
          <button type="button" className="host-name" aria-expanded={host.name === open} onClick={() => onOpen(host.name)}>
            {host.name}
            {host.is_home ? ' (serves)' : ''}
          </button>
          <span className="two m-only">{host.link === 'linked' ? host.zone : linkText(host)}</span>
        </>
      ),
    },
    stateColumn,
    { title: 'Zone', isWide: true, sort: ({ zone }) => zone, cell: ({ zone }) => zone },
    {
      title: 'vCPU',
      isNumber: true,
      sort: ({ vcpu, vcpu_used: used }) => used / Math.max(1, vcpu),
      cell: ({ vcpu, vcpu_used: used }) => `${vcpus(used)} of ${vcpus(vcpu)}`,
    },
    {
      title: 'Memory',
      isNumber: true,
      isWide: true,
      sort: ({ memory_mib: memory, memory_used_mib: used }) => used / Math.max(1, memory),
      cell: ({ memory_mib: memory, memory_used_mib: used }) => `${mib(used)} of ${mib(memory)}`,
    },
    ...(hosts.some(hasDevices) ? [devicesColumn] : []),
    workersColumn,
    { title: 'Link', isWide: true, sort: ({ lag_ms: lag }) => lag, cell: (host) => linkText(host) },
    {
      title: 'Clock',
      isWide: true,
      cell: ({ clock_offset_ms: offset }) => (offset === null ? <span className="dim">–</span> : clockText(offset)),
    },
    { title: 'Address', isWide: true, cell: ({ address }) => address ?? <span className="dim">–</span> },
  ];
  return (
    <Card
      title="Hosts"
      className="section"
      footer="vCPU and memory are reserved by the sizes of workers and of tasks: attempts of training and processing jobs."
    >
      <DataTable
        caption="Hosts"
        columns={columns}
        rows={hosts}
        keyOf={({ name }) => name}
        isSelected={({ name }) => name === open}
        whenEmpty="No host has joined: workers run on the node that serves."
      />
    </Card>
  );
}

function hasDevices({ accelerators }: HostBody): boolean {
  return Object.keys(accelerators).length > 0;
}

const devicesColumn: TableColumn<HostBody> = {
  title: 'Devices',
  isWide: true,
  cell: (host) => (hasDevices(host) ? devicesText(host) : <span className="dim">–</span>),
};

const stateColumn: TableColumn<HostBody> = {
  title: 'State',
  sort: ({ state }) => state,
  cell: ({ state, ends_at: endsAt }) => (
    <>
      <HostMark state={state} />
      {endsAt === null ? null : (
        <span className="mut">
          {' '}
          ends <Until at={endsAt} />
        </span>
      )}
    </>
  ),
};

const workersColumn: TableColumn<HostBody> = {
  title: 'Workers',
  isNumber: true,
  sort: ({ worker_count: workers }) => workers,
  cell: (host) => (
    <>
      {count(host.worker_count)}
      <span className="two">{extrasText(host)}</span>
    </>
  ),
};

/** `1 warm, 2 tasks`: what a host has besides its workers. */
function extrasText({ warm_workers: warm, task_count: tasks }: HostBody): string {
  return [...(warm === 0 ? [] : [`${count(warm)} warm`]), ...(tasks === 0 ? [] : [plural(tasks, 'task')])].join(', ');
}

function linkText({ link, lag_ms: lagMs, silent_ms: silentMs }: HostBody): string {
  if (link === 'linked') return lagMs === null ? 'linked' : `linked, ${ms(lagMs)} ms`;
  return silentMs === null ? 'not linked' : `broken for ${duration(silentMs)}`;
}

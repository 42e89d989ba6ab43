/** A host with its workers, and what the operator can do with it. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { HostDetailBody } from '../../../src/api/index.ts';
import { get, path, post, remove } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { mib, plural } from '../kit/format/format.ts';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { HostedJobLink } from './hosted-job-link.tsx';
import { devicesText, HostMark, HostTaskMark, HostWorkerMark, vcpus } from './marks.tsx';

const refreshMs = 2000;

export function HostDetail({ name }: { readonly name: string }): ReactElement {
  const query = useQuery({
    queryKey: ['cluster', 'host', name],
    queryFn: ({ signal }) => get<HostDetailBody>(path('/cluster/hosts/:host', { host: name }), {}, signal),
    refetchInterval: refreshMs,
  });
  return (
    <LoadedContent query={query} what={`Host ${name} could not be loaded.`} heights={[160]}>
      {(host) => (
        <Card
          title={`Workers on ${host.name}`}
          className="section"
          aside={<HostMark state={host.state} />}
          end={<HostActions host={host} />}
          footer={extrasText(host)}
        >
          {host.blocked.map(({ worker, reason }) => (
            <div className="body" key={worker}>
              <Note tone="warn" title={`${worker} cannot leave.`}>
                {reason}
              </Note>
            </div>
          ))}
          <Workers workers={host.workers} />
          {host.tasks.length === 0 ? null : <Tasks tasks={host.tasks} />}
        </Card>
      )}
    </LoadedContent>
  );
}

/** What a worker or a task reserves. */
const reservedColumns: readonly TableColumn<{ readonly vcpu: number; readonly memory_mib: number }>[] = [
  { title: 'vCPU', isNumber: true, sort: ({ vcpu }) => vcpu, cell: ({ vcpu }) => vcpus(vcpu) },
  {
    title: 'Memory',
    isNumber: true,
    isWide: true,
    sort: ({ memory_mib: memory }) => memory,
    cell: ({ memory_mib: memory }) => mib(memory),
  },
];

type WorkerRow = HostDetailBody['workers'][number];

function Workers({ workers }: { readonly workers: readonly WorkerRow[] }): ReactElement {
  const columns: readonly TableColumn<WorkerRow>[] = [
    { title: 'Worker', sort: ({ id }) => id, cell: ({ id }) => <span className="mono">{id}</span> },
    { title: 'State', sort: ({ state }) => state, cell: ({ state }) => <HostWorkerMark state={state} /> },
    {
      title: 'Endpoint',
      isWide: true,
      sort: ({ endpoint }) => endpoint,
      cell: ({ endpoint, variant }) => (
        <>
          <Link to="/endpoints/$endpoint" params={{ endpoint }}>
            {endpoint}
          </Link>{' '}
          <span className="mut">{variant}</span>
        </>
      ),
    },
    { title: 'Model', isWide: true, sort: ({ model }) => model, cell: ({ model }) => model },
    { title: 'Kind', isWide: true, cell: ({ kind, instance_type: type }) => (kind === 'function' ? 'function' : type) },
    ...reservedColumns,
    { title: 'Started', isWide: true, cell: ({ started_at: at }) => <Ago at={at} /> },
  ];
  return <DataTable caption="Workers" columns={columns} rows={workers} keyOf={({ id }) => id} whenEmpty="No workers run on it." />;
}

type TaskRow = HostDetailBody['tasks'][number];

function Tasks({ tasks }: { readonly tasks: readonly TaskRow[] }): ReactElement {
  const columns: readonly TableColumn<TaskRow>[] = [
    { title: 'Task of', sort: ({ job }) => job, cell: (task) => <HostedJobLink of={task} /> },
    { title: 'State', sort: ({ state }) => state, cell: ({ state }) => <HostTaskMark state={state} /> },
    ...reservedColumns,
  ];
  return <DataTable caption="Tasks" columns={columns} rows={tasks} keyOf={({ kind, job, attempt }) => `${kind}/${job}/${attempt}`} />;
}

/** `1 warm worker without a model. Devices: local.gpu 1 of 2.` */
function extrasText(host: HostDetailBody): string {
  const devices = devicesText(host);
  return `${plural(host.warm_workers, 'warm worker')} without a model.${devices === '' ? '' : ` Devices: ${devices}.`}`;
}

function HostActions({ host: { name, state, workers, tasks, is_home: isHome } }: { readonly host: HostDetailBody }): ReactElement | null {
  const mayChange = useHasPermission('administer');
  const client = useQueryClient();
  const [isDraining, setIsDraining] = useState(false);
  const [isRemoving, setIsRemoving] = useState(false);
  if (!mayChange || isHome) return null;
  const change = async (verb: 'drain' | 'cordon' | 'uncordon'): Promise<void> => {
    await post(path(`/cluster/hosts/:host/${verb}`, { host: name }));
    await client.invalidateQueries({ queryKey: ['cluster'] });
  };
  return (
    <span className="host-actions">
      {state === 'ready' ? (
        <Button size="xs" onClick={() => void change('cordon')}>
          Cordon
        </Button>
      ) : null}
      {state === 'draining' || state === 'lost' ? null : (
        <Button size="xs" onClick={() => setIsDraining(true)}>
          Drain
        </Button>
      )}
      {state === 'cordoned' || state === 'draining' ? (
        <Button size="xs" onClick={() => void change('uncordon')}>
          Uncordon
        </Button>
      ) : null}
      {state === 'lost' ? (
        <Button size="xs" onClick={() => setIsRemoving(true)}>
          Remove
        </Button>
      ) : null}
      {isRemoving ? (
        <Confirm
          title={`Remove host ${name}?`}
          consequences={[
            'Its certificate is refused at once, and it is listed no more.',
            'It can join again only with a token for its name.',
          ]}
          action="Remove host"
          onConfirm={async () => {
            await remove(path('/cluster/hosts/:host', { host: name }));
            await client.invalidateQueries({ queryKey: ['cluster'] });
          }}
          onClose={() => setIsRemoving(false)}
        />
      ) : null}
      {isDraining ? (
        <Confirm
          title={`Drain host ${name}?`}
          consequences={[
            `${plural(workers.length, 'worker')} move to other hosts, one at a time per variant. A replacement is ready before its worker stops.`,
            ...(tasks.length === 0
              ? []
              : [`${plural(tasks.length, 'task')} of jobs: those with checkpoints go on elsewhere, others run to their end here.`]),
            'The host takes no workers until it is uncordoned.',
          ]}
          action="Drain host"
          onConfirm={() => change('drain')}
          onClose={() => setIsDraining(false)}
        />
      ) : null}
    </span>
  );
}
